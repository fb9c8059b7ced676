"""Which OCIO config a job uses, and the names of the spaces it needs there."""

from __future__ import annotations

import contextlib
import difflib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import PyOpenColorIO as OCIO  # noqa: N814 - what everybody calls it

from vimatte.ocio.errors import ColourError
from vimatte.ocio.known_spaces import KNOWN_SPACES, KnownSpace, known_space

__all__ = ["BUILTIN_CONFIGS", "OCIO_ERRORS", "ConfigChoice", "load_config", "processor_between"]

_LOG = logging.getLogger(__name__)

OCIO_ERRORS: Final = (OCIO.Exception, OCIO.ExceptionMissingFile)
"""Both, since in Python a missing file is not a kind of the other."""

BUILTIN_CONFIGS: Final = (
    "ocio://studio-config-v4.0.0_aces-v2.0_ocio-v2.5",
    "ocio://studio-config-v2.2.0_aces-v1.3_ocio-v2.4",
    "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3",
    "ocio://studio-config-v1.0.0_aces-v1.3_ocio-v2.1",
)
"""Pinned, newest first: an older OCIO library gets the newest of these that it can read. All hold the camera spaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChoice:
    """A loaded OCIO config, and why it is this one."""

    config: Any
    """PyOpenColorIO.Config."""
    name: str
    """Path or ocio:// address it came from."""
    origin: str
    """One sentence: who asked for it."""
    from_studio: bool
    """True when --ocio or $OCIO named it; its roles and file rules then speak for the studio."""

    def __repr__(self) -> str:
        return f"ConfigChoice(name={self.name!r}, from_studio={self.from_studio})"

    def find(self, name: str) -> str | None:
        """Return the canonical name for a name, alias or role, ignoring case; None when there is no such space."""
        space = self.config.getColorSpace(name)
        return None if space is None else str(space.getName())

    def resolve(self, known: KnownSpace | str) -> str | None:
        """Return what this config calls a space of the known-spaces table, or None when it lacks it."""
        space = known if isinstance(known, KnownSpace) else known_space(known)
        names = [space.interop_id] if space.interop_id else []
        for name in [space.key, *names, *space.aliases]:
            if found := self.find(name):
                return found
        return None

    def names(self) -> tuple[str, ...]:
        """Canonical names of all colour spaces, scene- and display-referred, in the config's order."""
        spaces = self.config.getColorSpaces(OCIO.SEARCH_REFERENCE_SPACE_ALL, OCIO.COLORSPACE_ALL)
        return tuple(str(space.getName()) for space in spaces)

    def require(self, name: str, *, asked_by: str) -> str:
        """Return the canonical name of a space a person typed. Raises ColourError with the closest names."""
        if found := self.find(name):
            return found
        raise ColourError(
            f"{asked_by} asks for colour space '{name}', which {self.name} does not have; "
            f"{self._closest(name)}{self._elsewhere(name)}."
        )

    def _elsewhere(self, name: str) -> str:
        """Say that the built-in studio config knows the name, where this config is another."""
        if not self.from_studio:
            return ""
        with contextlib.suppress(ColourError):
            builtin = _builtin(origin="")
            if found := builtin.find(name):
                return f"; OCIO's studio config has '{found}': type --ocio {builtin.name}"
        return ""

    def _closest(self, name: str) -> str:
        spoken: dict[str, str] = {}
        for space in self.config.getColorSpaces(OCIO.SEARCH_REFERENCE_SPACE_ALL, OCIO.COLORSPACE_ALL):
            for text in (space.getName(), *space.getAliases()):
                spoken[str(text).lower()] = str(space.getName())
        near = difflib.get_close_matches(name.lower(), list(spoken), n=8, cutoff=0.5)
        near += [text for text in spoken if name.lower() in text]
        matches = list(dict.fromkeys(spoken[text] for text in near))[:4]
        if not matches:
            matches = list(self.names()[:8])
            return "it has for instance " + ", ".join(f"'{m}'" for m in matches)
        return "closest are " + ", ".join(f"'{m}'" for m in matches)

    def is_data(self, name: str) -> bool:
        """Whether the space is marked as data (masks, normals): never converted."""
        return bool(self.config.getColorSpace(name).isData())

    def is_display(self, name: str) -> bool:
        """Whether the space hangs on the display-referred side of the config."""
        return bool(self.config.getColorSpace(name).getReferenceSpaceType() == OCIO.REFERENCE_SPACE_DISPLAY)

    def is_scene_linear(self, name: str) -> bool:
        """Whether values of this space are proportional to scene light.

        The encoding says so in OCIO 2 configs; where it says nothing (OCIO 1), the transform to the scene_linear
        role is tried: it is linear when twice the light gives twice the value.
        """
        space = self.config.getColorSpace(name)
        if space.isData() or self.is_display(name):
            return False
        if encoding := space.getEncoding():
            return bool(encoding == "scene-linear")
        target = self.config.getColorSpace("scene_linear")
        if target is None or target.getName() == space.getName():
            return target is not None
        try:
            cpu = self.config.getProcessor(name, target.getName()).getDefaultCPUProcessor()
        except OCIO_ERRORS:
            return False
        base = np.array([0.11, 0.18, 0.37])
        once = np.array(cpu.applyRGB(list(base)))
        return all(
            np.allclose(np.array(cpu.applyRGB(list(base * k))), once * k, rtol=1e-3, atol=1e-5) for k in (0.25, 2)
        )

    def interop_id(self, name: str) -> str | None:
        """Return the space's colorInteropID, from the config or from the table of known spaces."""
        space = self.config.getColorSpace(name)
        with contextlib.suppress(AttributeError):  # OCIO 2.4 and older do not know interop ids
            if found := space.getInteropID():
                return str(found)
        known = self.known(name)
        return known.interop_id if known else None

    def known(self, name: str) -> KnownSpace | None:
        """Return the known space that this config's space is, or None."""
        canonical = self.find(name)
        return next((s for s in KNOWN_SPACES if canonical and self.resolve(s) == canonical), None)

    def by_interop_id(self, interop_id: str) -> str | None:
        """Return the name of the space that carries this colorInteropID, or None."""
        if found := self.find(interop_id):
            return found
        return next((self.resolve(s) for s in KNOWN_SPACES if s.interop_id == interop_id), None)


def load_config(ocio: str | None = None) -> ConfigChoice:
    """Load the OCIO config: `ocio` (a path or an ocio:// address), else $OCIO, else a pinned built-in studio config.

    An empty $OCIO counts as unset. Raises ColourError when the config that was asked for is missing or broken: another
    one is never silently put in its place.
    """
    if ocio:
        config = _load(ocio, asked_by="--ocio")
        return ConfigChoice(config=config, name=ocio, origin=f"--ocio names {ocio}.", from_studio=True)
    if named := os.environ.get("OCIO", "").strip():
        config = _load(named, asked_by="$OCIO")
        return ConfigChoice(config=config, name=named, origin=f"$OCIO names {named}.", from_studio=True)
    return _builtin(origin="Neither --ocio nor $OCIO is given, so OCIO's built-in {} is used.")


def _builtin(*, origin: str) -> ConfigChoice:
    for address in BUILTIN_CONFIGS:
        try:
            config = OCIO.Config.CreateFromFile(address)
        except OCIO_ERRORS as error:
            _LOG.debug("OCIO %s cannot load %s: %s", OCIO.__version__, address, error)
            continue
        said = origin.format(address.removeprefix("ocio://"))
        return ConfigChoice(config=config, name=address, origin=said, from_studio=False)
    raise ColourError(
        f"OpenColorIO {OCIO.__version__} can load none of the built-in studio configs; "
        "install opencolorio 2.4 or newer, or name a config with --ocio config.ocio."
    )


def _load(name: str, *, asked_by: str) -> Any:
    if not name.startswith("ocio://") and not Path(name).is_file():
        raise ColourError(
            f"{asked_by} names the OCIO config {name}, and there is no such file; correct the path, or leave it away "
            "(OCIO= for an empty $OCIO) to use the built-in studio config."
        )
    try:
        config = OCIO.Config.CreateFromFile(name)
    except OCIO_ERRORS as error:
        reason = " ".join(str(error).split()).rstrip(".")
        builtin = ", ".join(f"ocio://{entry}" for entry in OCIO.BuiltinConfigRegistry() if "studio" in entry)
        advice = (
            f"built in are {builtin}"
            if name.startswith("ocio://")
            else f"this is OpenColorIO {OCIO.__version__}; mend the file or name another with --ocio"
        )
        raise ColourError(
            f"{asked_by} names the OCIO config {name}, which cannot be loaded: {reason}; {advice}."
        ) from error
    if not list(config.getColorSpaceNames()):
        raise ColourError(
            f"{asked_by} names the OCIO config {name}, which has no colour spaces; name another with --ocio."
        )
    return config


def processor_between(choice: ConfigChoice, source: str, target: str) -> Any:
    """Return the OCIO processor from one colour space to another. Raises ColourError, also for a missing LUT."""
    try:
        return choice.config.getProcessor(source, target)
    except OCIO_ERRORS as error:
        raise _broken(choice, source, target, error) from error


def _broken(choice: ConfigChoice, source: str, target: str, error: Exception) -> ColourError:
    reason = " ".join(str(error).split()).rstrip(".")
    missing = isinstance(error, OCIO.ExceptionMissingFile)
    what = "a LUT it needs is missing" if missing else "OCIO says"
    return ColourError(
        f"The OCIO config {choice.name} cannot go from '{source}' to '{target}', {what}: {reason}; "
        "mend the config, name another with --ocio, or another space with --in-space."
    )
