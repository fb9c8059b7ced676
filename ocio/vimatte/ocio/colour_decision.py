"""Which colour space a plate is in: the first evidence that speaks wins, and says so."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from vimatte.ocio.clip import ClipInfo
from vimatte.ocio.config import ConfigChoice
from vimatte.ocio.errors import ColourError
from vimatte.ocio.known_spaces import KNOWN_SPACES, KnownSpace, match_chromaticities

__all__ = ["SpaceDecision", "decide_space"]

_LINEAR_709 = "Linear Rec.709 (sRGB)"
_SRGB = "sRGB Encoded Rec.709 (sRGB)"
_VIDEO_709 = "Camera Rec.709"

_VIDEO_LIKE = (_VIDEO_709, "Rec.1886 Rec.709 - Display", "Gamma 2.2 Encoded Rec.709", _SRGB, "sRGB - Display")
"""Ways of showing Rec.709 that differ by a slight gamma: one stands in for another that a config lacks."""

_TRANSFER_709 = frozenset({1, 6, 14, 15})
"""H.273: BT.709, BT.601, BT.2020 10 and 12 bit are one curve."""
_PRIMARIES_709 = frozenset({1, 5, 6, 7})
"""H.273: BT.709 and the BT.601 variants, which differ by less than a just noticeable step."""
_UNSPECIFIED = frozenset({None, 0, 2, 3})

_LOG_SUFFIXES = frozenset({".dpx", ".cin"})
_FLOAT_SUFFIXES = frozenset({".exr", ".hdr", ".pfm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceDecision:
    """The colour space of a plate, and why."""

    space: str
    """Canonical name in the config."""
    reason: str
    """One readable sentence."""
    warning: str | None = None
    """One sentence where the evidence is weak or contradicts itself, with what to type to overrule it."""
    scene_linear: bool
    """Whether the values are proportional to scene light."""
    guessed: bool = False
    """True when nothing spoke, and the space is only what such files usually are in."""


def decide_space(info: ClipInfo, choice: ConfigChoice, *, in_space: str | None = None) -> SpaceDecision:
    """Decide the colour space of a clip.

    In this order: `in_space` (what the person typed), the file's colorInteropID, its chromaticities, its stream tags,
    the file rules of the studio's own config, a space's name in the file's path, and at last what such files usually
    are, with a warning. Raises ColourError for an unknown `in_space`, and where guessing would be wrong as often as
    right (DPX and Cineon, chromaticities of no known gamut).
    """
    if in_space:
        space = choice.require(in_space, asked_by="--in-space")
        return _decided(choice, space, f"--in-space says '{in_space}'.")
    hint = _name_hint(info.path)
    for evidence in (_from_interop_id, _from_chromaticities, _from_stream_tags):
        if found := evidence(info, choice):
            return _with_contradiction(found, hint, choice)
    if found := _from_file_rules(info, choice):
        return found
    if hint and (named := choice.resolve(hint[0])):
        return _decided(choice, named, f"The file says nothing, but '{hint[1]}' in its path means '{named}'.")
    return replace(_usual(info, choice), guessed=True)


def _decided(choice: ConfigChoice, space: str, reason: str, warning: str | None = None) -> SpaceDecision:
    return SpaceDecision(space=space, reason=reason, warning=warning, scene_linear=choice.is_scene_linear(space))


def _with_contradiction(
    found: SpaceDecision, hint: tuple[KnownSpace, str] | None, choice: ConfigChoice
) -> SpaceDecision:
    if hint is None or found.warning:
        return found
    named = choice.resolve(hint[0])
    if named is None or named == found.space or _same_family(hint[0], found, choice):
        return found
    warning = (
        f"The file's own tags mean '{found.space}', but '{hint[1]}' in its path would mean '{named}'; "
        f'if the path is right, type --in-space "{named}".'
    )
    return replace(found, warning=warning)


def _same_family(hinted: KnownSpace, found: SpaceDecision, choice: ConfigChoice) -> bool:
    """'rec709' or 'srgb' in a name contradicts no variant of Rec.709 or sRGB video."""
    known = choice.known(found.space)
    return hinted.key in _VIDEO_LIKE and known is not None and known.key in _VIDEO_LIKE


def _from_interop_id(info: ClipInfo, choice: ConfigChoice) -> SpaceDecision | None:
    text = info.tags.interop_id
    if not text or text == "unknown":
        return None
    if space := choice.by_interop_id(text):
        return _decided(choice, space, f"The file's colorInteropID is '{text}'.")
    raise ColourError(
        f"{info.path.name} carries the colorInteropID '{text}', for which the OCIO config {choice.name} has no space; "
        "name the space with --in-space, or a config that has it with --ocio."
    )


def _from_chromaticities(info: ClipInfo, choice: ConfigChoice) -> SpaceDecision | None:
    values = info.tags.chromaticities
    if values is None or not info.tags.float_pixels:
        return None
    known = match_chromaticities(values)
    if known is None:
        red, green, blue, white = (f"{x:.4g}, {y:.4g}" for x, y in zip(values[::2], values[1::2], strict=True))
        raise ColourError(
            f"{info.path.name} carries chromaticities of no gamut known here (red {red}; green {green}; blue {blue}; "
            f"white {white}); name its space, for instance --in-space ACEScg."
        )
    space = choice.resolve(known)
    if space is None:
        raise ColourError(
            f"{info.path.name} carries the chromaticities of {known.key}, which the OCIO config {choice.name} lacks; "
            "name the space with --in-space, or a config that has it with --ocio."
        )
    return _decided(choice, space, f"The file's chromaticities are those of {known.key}, and its pixels are float.")


def _from_stream_tags(info: ClipInfo, choice: ConfigChoice) -> SpaceDecision | None:
    primaries, transfer = info.tags.primaries, info.tags.transfer
    if transfer in _UNSPECIFIED and primaries in _UNSPECIFIED:
        return None
    key, told, doubt = _tagged_key(primaries, transfer)
    if key is None:
        raise ColourError(
            f"{info.path.name} is tagged with {told}, for which there is no known space; name its space, for instance "
            '--in-space "Camera Rec.709".'
        )
    space = choice.resolve(key)
    if space is None and key in _VIDEO_LIKE:
        space = next((near for other in _VIDEO_LIKE if (near := choice.resolve(other))), None)
        doubt = f"The OCIO config {choice.name} has no '{key}', so '{space}', which is near it, is used for {told}."
    if space is None:
        raise ColourError(
            f"{info.path.name} is tagged with {told}, that is {key}, which the OCIO config {choice.name} lacks; "
            "name one of its spaces with --in-space, or a config that has it with --ocio."
        )
    graded = "; a graded master may rather be 'Rec.1886 Rec.709 - Display'" if key == _VIDEO_709 and not doubt else ""
    return _decided(choice, space, f"The stream is tagged with {told}{graded}.", doubt)


def _tagged_key(primaries: int | None, transfer: int | None) -> tuple[str | None, str, str | None]:
    """Turn H.273 codes into (known space or None, the tags in words, a warning or None)."""
    told = f"primaries {_word(_PRIMARY_WORDS, primaries)} and transfer {_word(_TRANSFER_WORDS, transfer)}"
    if transfer in _UNSPECIFIED:
        transfer = 1
    near = 1 if primaries in _UNSPECIFIED or primaries in _PRIMARIES_709 else primaries
    curve = 1 if transfer in _TRANSFER_709 else transfer
    key = _BY_TAGS.get((near, curve))
    if key is None and curve in (16, 18) and near in (1, 11, 12):
        key = _BY_TAGS[(9, curve)]
        return key, told, f"The stream is tagged with {told}; it is taken as {key}, the usual HDR video."
    if (near, curve) in ((12, 1), (9, 1)):
        return key, told, f"{told[0].upper()}{told[1:]} is taken as {key}; type --in-space NAME if that is wrong."
    return key, told, None


_BY_TAGS: dict[tuple[int | None, int | None], str] = {
    (1, 1): _VIDEO_709,
    (1, 13): _SRGB,
    (1, 4): "Gamma 2.2 Encoded Rec.709",
    (1, 8): _LINEAR_709,
    (12, 13): "sRGB Encoded P3-D65",
    (12, 1): "sRGB Encoded P3-D65",
    (12, 8): "Linear P3-D65",
    (9, 1): _VIDEO_709,
    (9, 8): "Linear Rec.2020",
    (9, 16): "Rec.2100-PQ - Display",
    (9, 18): "Rec.2100-HLG - Display",
}
_PRIMARY_WORDS = {1: "BT.709", 5: "BT.601 PAL", 6: "BT.601 NTSC", 7: "SMPTE 240M", 9: "BT.2020", 11: "DCI-P3"} | {
    12: "Display P3"
}
_TRANSFER_WORDS = {1: "BT.709", 4: "gamma 2.2", 5: "gamma 2.8", 6: "BT.601", 8: "linear", 13: "sRGB"} | {
    14: "BT.2020",
    15: "BT.2020",
    16: "PQ",
    17: "DCI gamma 2.6",
    18: "HLG",
}


def _word(words: dict[int, str], code: int | None) -> str:
    return "unspecified" if code in _UNSPECIFIED else words.get(code or 0, f"H.273 code {code}")


def _from_file_rules(info: ClipInfo, choice: ConfigChoice) -> SpaceDecision | None:
    # The rules of OCIO's own configs call every .exr ACES2065-1; only rules a studio wrote are evidence.
    shipped = str(choice.config.getName()).startswith(("studio-config-", "cg-config-"))
    if not choice.from_studio or choice.name.startswith("ocio://") or shipped:
        return None
    path = info.path.as_posix()
    if choice.config.getMajorVersion() < 2 or choice.config.filepathOnlyMatchesDefaultRule(path):
        return None
    name, rule = choice.config.getColorSpaceFromFilepath(path)
    space = choice.find(name)
    if space is None:
        return None
    label = choice.config.getFileRules().getName(rule)
    return _decided(choice, space, f"The file rule '{label}' of the OCIO config {choice.name} says so.")


def _name_hint(path: Path) -> tuple[KnownSpace, str] | None:
    """Find a colour space's name between the separators of the file name, else of its folder's name."""
    for text in (path.name, path.parent.name):
        words = [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]
        best: tuple[int, KnownSpace, str] | None = None
        for length in range(1, 5):
            for start in range(len(words) - length + 1):
                joined = "".join(words[start : start + length])
                for space in KNOWN_SPACES:
                    if joined in space.hints and (best is None or len(joined) > best[0]):
                        best = (len(joined), space, " ".join(words[start : start + length]))
        if best:
            return best[1], best[2]
    return None


def _usual(info: ClipInfo, choice: ConfigChoice) -> SpaceDecision:
    """What such a file usually is when nothing says."""
    suffix = info.path.suffix.lower()
    name = info.path.name
    if suffix in _LOG_SUFFIXES:
        raise ColourError(
            f"{name} does not say what colour space it is in, and {suffix[1:].upper()} files may hold film log, camera "
            f"log, video or linear pixels; name it: {_offers(choice)}."
        )
    if info.tags.float_pixels or suffix in _FLOAT_SUFFIXES:
        space = _first(choice, name, _LINEAR_709, "scene_linear")
        return _decided(
            choice,
            space,
            f"The file says nothing, and the EXR specification's default chromaticities mean '{space}'.",
            f"{name} does not say what colour space it is in; it is taken as '{space}'; if it is another, type "
            "for instance --in-space ACEScg.",
        )
    if info.kind == "movie":
        space = _first(choice, name, *_VIDEO_LIKE)
        return _decided(
            choice,
            space,
            f"The stream says nothing, and untagged video is usually Rec.709: '{space}'.",
            f"{name} does not say what colour space it is in; it is taken as '{space}'; if it is camera log, type for "
            'instance --in-space "ARRI LogC4".',
        )
    space = _first(choice, name, _SRGB, "sRGB - Display")
    note = None
    if info.tags.bits > 8 and suffix != ".png":
        note = (
            f"{name} has {info.tags.bits} bits and does not say what colour space it is in; it is taken as '{space}'; "
            "if it is another, type for instance --in-space ACEScct."
        )
    return _decided(
        choice, space, f"The file says nothing, and {suffix[1:].upper()} pictures are usually sRGB: '{space}'.", note
    )


def _first(choice: ConfigChoice, name: str, *keys: str) -> str:
    for key in keys:
        space = choice.find(key) if key == "scene_linear" else choice.resolve(key)
        if space:
            return space
    raise ColourError(
        f"{name} does not say what colour space it is in, and the OCIO config {choice.name} has no '{keys[0]}'; "
        f"name one of its spaces with --in-space: {', '.join(choice.names()[:8])}."
    )


def _offers(choice: ConfigChoice) -> str:
    keys = ("ADX10", "ARRI LogC3 (EI800)", "ARRI LogC4", "S-Log3 S-Gamut3.Cine", "Camera Rec.709", "ACEScg")
    spaces = [space for key in keys if (space := choice.resolve(key))] or list(choice.names()[:6])
    return ", ".join(f'--in-space "{space}"' for space in spaces)
