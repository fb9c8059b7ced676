"""Colour spaces that vimatte needs to recognise, and the many names configs give them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KNOWN_SPACES", "KnownSpace", "known_space", "match_chromaticities"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSpace:
    """One colour space, whatever the config at hand calls it."""

    key: str
    """The name vimatte uses when it talks about it: that of the ACES studio config."""
    aliases: tuple[str, ...]
    """Other names, most specific first: colorInteropID, ACES 1.x configs, Blender, Nuke, common slang."""
    interop_id: str | None = None
    """ASWF Color Interop Forum id, where there is one."""
    chromaticities: tuple[float, ...] | None = None
    """Red, green, blue, white x, y; only for scene-linear spaces."""
    hints: tuple[str, ...] = ()
    """Lower-case words in a file name that point to it, separators (space . - _) removed."""


_D65 = (0.3127, 0.3290)
_ACES_WHITE = (0.32168, 0.33767)

KNOWN_SPACES: tuple[KnownSpace, ...] = (
    KnownSpace(
        key="ACES2065-1",
        aliases=("lin_ap0_scene", "lin_ap0", "aces2065_1", "ACES - ACES2065-1", "aces"),
        interop_id="lin_ap0_scene",
        chromaticities=(0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, *_ACES_WHITE),
        hints=("aces20651", "linap0"),
    ),
    KnownSpace(
        key="ACEScg",
        aliases=("lin_ap1_scene", "lin_ap1", "ACES - ACEScg"),
        interop_id="lin_ap1_scene",
        chromaticities=(0.713, 0.293, 0.165, 0.830, 0.128, 0.044, *_ACES_WHITE),
        hints=("acescg", "linap1"),
    ),
    KnownSpace(
        key="Linear Rec.709 (sRGB)",
        aliases=(
            "lin_rec709_scene",
            "lin_rec709",
            "lin_srgb",
            "lin_rec709_srgb",
            "Utility - Linear - sRGB",
            "Utility - Linear - Rec.709",
            "Linear Rec.709",
            "Linear BT.709",
            "Linear sRGB",
            "linear",
        ),
        interop_id="lin_rec709_scene",
        chromaticities=(0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *_D65),
        hints=("linearrec709", "linrec709", "linearsrgb", "linsrgb", "linear709", "lin709"),
    ),
    KnownSpace(
        key="Linear P3-D65",
        aliases=("lin_p3d65_scene", "lin_p3d65", "lin_displayp3", "Utility - Linear - P3-D65", "Linear DCI-P3 D65"),
        interop_id="lin_p3d65_scene",
        chromaticities=(0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
        hints=("linearp3", "linp3", "linp3d65"),
    ),
    KnownSpace(
        key="Linear Rec.2020",
        aliases=("lin_rec2020_scene", "lin_rec2020", "Utility - Linear - Rec.2020", "Linear BT.2020"),
        interop_id="lin_rec2020_scene",
        chromaticities=(0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
        hints=("linearrec2020", "linrec2020", "lin2020"),
    ),
    KnownSpace(
        key="Linear AdobeRGB",
        aliases=("lin_adobergb_scene", "lin_adobergb", "Utility - Linear - Adobe RGB"),
        interop_id="lin_adobergb_scene",
        chromaticities=(0.64, 0.33, 0.21, 0.71, 0.15, 0.06, *_D65),
    ),
    KnownSpace(
        key="Linear ARRI Wide Gamut 3",
        aliases=("lin_arri_wide_gamut_3", "lin_alexawide", "Input - ARRI - Linear - ALEXA Wide Gamut"),
        interop_id="ocio:lin_awg3_scene",
        chromaticities=(0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, *_D65),
        hints=("linawg3",),
    ),
    KnownSpace(
        key="Linear ARRI Wide Gamut 4",
        aliases=("lin_arri_wide_gamut_4", "lin_awg4"),
        interop_id="ocio:lin_awg4_scene",
        chromaticities=(0.7347, 0.2653, 0.1424, 0.8576, 0.0991, -0.0308, *_D65),
        hints=("linawg4",),
    ),
    KnownSpace(
        key="Linear S-Gamut3",
        aliases=("lin_sgamut3", "Input - Sony - Linear - S-Gamut3"),
        interop_id="ocio:lin_sgamut3_scene",
        chromaticities=(0.730, 0.280, 0.140, 0.855, 0.100, -0.050, *_D65),
    ),
    KnownSpace(
        key="Linear S-Gamut3.Cine",
        aliases=("lin_sgamut3cine", "Input - Sony - Linear - S-Gamut3.Cine"),
        interop_id="ocio:lin_sgamut3cine_scene",
        chromaticities=(0.766, 0.275, 0.225, 0.800, 0.089, -0.087, *_D65),
    ),
    KnownSpace(
        key="Linear V-Gamut",
        aliases=("lin_vgamut", "Input - Panasonic - Linear - V-Gamut"),
        interop_id="ocio:lin_vgamut_scene",
        chromaticities=(0.730, 0.280, 0.165, 0.840, 0.100, -0.030, *_D65),
    ),
    KnownSpace(
        key="Linear REDWideGamutRGB",
        aliases=("lin_redwidegamutrgb", "lin_rwg", "Input - RED - Linear - REDWideGamutRGB"),
        interop_id="ocio:lin_rwg_scene",
        chromaticities=(0.780308, 0.304253, 0.121595, 1.493994, 0.095612, -0.084589, *_D65),
    ),
    KnownSpace(
        key="ARRI LogC3 (EI800)",
        aliases=("arri_logc3_ei800", "logc3ei800_alexawide", "Input - ARRI - V3 LogC (EI800) - Wide Gamut"),
        interop_id="ocio:arrilogc3_awg3_scene",
        hints=("logc3", "arrilogc", "alexalogc", "awg3logc"),
    ),
    KnownSpace(
        key="ARRI LogC4",
        aliases=("arri_logc4", "Input - ARRI - LogC4"),
        interop_id="ocio:arrilogc4_awg4_scene",
        hints=("logc4",),
    ),
    KnownSpace(
        key="S-Log3 S-Gamut3.Cine",
        aliases=("slog3_sgamut3cine", "slog3_sgamutcine", "Input - Sony - S-Log3 - S-Gamut3.Cine"),
        interop_id="ocio:slog3_sgamut3cine_scene",
        hints=("slog3sgamut3cine", "sgamut3cineslog3"),
    ),
    KnownSpace(
        key="S-Log3 S-Gamut3",
        aliases=("slog3_sgamut3", "Input - Sony - S-Log3 - S-Gamut3"),
        interop_id="ocio:slog3_sgamut3_scene",
        hints=("slog3sgamut3", "sgamut3slog3"),
    ),
    KnownSpace(
        key="V-Log V-Gamut",
        aliases=("vlog_vgamut", "Input - Panasonic - V-Log - V-Gamut"),
        interop_id="ocio:vlog_vgamut_scene",
        hints=("vlogvgamut", "vgamutvlog", "panasonicvlog"),
    ),
    KnownSpace(
        key="Log3G10 REDWideGamutRGB",
        aliases=("log3g10_redwidegamutrgb", "rl3g10_rwg", "Input - RED - REDLog3G10 - REDWideGamutRGB"),
        interop_id="ocio:redlog3g10_rwg_scene",
        hints=("log3g10", "log3g10rwg"),
    ),
    KnownSpace(key="Apple Log", aliases=("apple_log",), interop_id="ocio:applelog_rec2020_scene", hints=("applelog",)),
    KnownSpace(
        key="DaVinci Intermediate WideGamut",
        aliases=("davinci_intermediate_widegamut",),
        interop_id="ocio:davinci_dwg_scene",
        hints=("davinciintermediate", "davinciwg"),
    ),
    KnownSpace(
        key="ACEScct",
        aliases=("acescct_ap1", "ACES - ACEScct"),
        interop_id="ocio:acescct_ap1_scene",
        hints=("acescct",),
    ),
    KnownSpace(
        key="ACEScc",
        aliases=("acescc_ap1", "ACES - ACEScc"),
        interop_id="ocio:acescc_ap1_scene",
        hints=("acescc",),
    ),
    KnownSpace(key="ADX10", aliases=("Input - ADX - ADX10",), interop_id="ocio:adx10_apd_scene", hints=("adx10",)),
    KnownSpace(
        key="sRGB Encoded Rec.709 (sRGB)",
        aliases=(
            "srgb_rec709_scene",
            "srgb_texture",
            "srgb_tx",
            "sRGB - Texture",
            "Utility - sRGB - Texture",
            "Input - Generic - sRGB - Texture",
            "sRGB",
        ),
        interop_id="srgb_rec709_scene",
        hints=("srgb",),
    ),
    KnownSpace(
        key="sRGB - Display",
        aliases=("srgb_rec709_display", "srgb_display"),
        interop_id="srgb_rec709_display",
    ),
    KnownSpace(
        key="Camera Rec.709",
        aliases=(
            "itu709_rec709_scene",
            "ocio:itu709_rec709_scene",
            "camera_rec709",
            "rec709_camera",
            "Utility - Rec.709 - Camera",
            "Rec.709",
            "rec709",
            "BT.709",
        ),
        interop_id="ocio:itu709_rec709_scene",
        hints=("rec709", "bt709"),
    ),
    KnownSpace(
        key="Gamma 2.2 Encoded Rec.709",
        aliases=(
            "g22_rec709_scene",
            "g22_rec709",
            "Gamma 2.2 Rec.709 - Texture",
            "Utility - Gamma 2.2 - Rec.709 - Texture",
            "Gamma2.2",
        ),
        interop_id="g22_rec709_scene",
    ),
    KnownSpace(
        key="Rec.1886 Rec.709 - Display",
        aliases=(
            "g24_rec709_display",
            "rec1886_rec709_display",
            "Gamma 2.4 Encoded Rec.709",
            "g24_rec709",
            "Gamma 2.4 Rec.709 - Texture",
            "Utility - Rec.709 - Display",
            "Rec.1886",
        ),
        interop_id="g24_rec709_display",
        hints=("rec1886", "bt1886"),
    ),
    KnownSpace(
        key="sRGB Encoded P3-D65",
        aliases=("srgb_p3d65_scene", "srgb_p3d65", "srgb_displayp3", "sRGB Encoded P3-D65 - Texture", "Display P3"),
        interop_id="srgb_p3d65_scene",
        hints=("displayp3",),
    ),
    KnownSpace(
        key="P3-D65 - Display",
        aliases=("g26_p3d65_display", "p3d65_display"),
        interop_id="g26_p3d65_display",
    ),
    KnownSpace(
        key="Rec.2100-PQ - Display",
        aliases=("pq_rec2020_display", "rec2100_pq_display", "Rec.2100-PQ"),
        interop_id="pq_rec2020_display",
    ),
    KnownSpace(
        key="Rec.2100-HLG - Display",
        aliases=("hlg_rec2020_display", "rec2100_hlg_display", "Rec.2100-HLG"),
        interop_id="hlg_rec2020_display",
    ),
    KnownSpace(key="Raw", aliases=("data", "none", "Utility - Raw", "Non-Color", "Non-Colour Data"), interop_id="data"),
)

_BY_KEY = {space.key: space for space in KNOWN_SPACES}


def known_space(key: str) -> KnownSpace:
    """Look one up by its key; KeyError for a key that is not in the table (a mistake of the caller's)."""
    return _BY_KEY[key]


def match_chromaticities(values: tuple[float, ...], *, tolerance: float = 0.002) -> KnownSpace | None:
    """Find the scene-linear space whose red, green, blue and white x, y all lie within `tolerance`, or None.

    EXR files hold them as float32 and writers round them differently; the closest two gamuts of the table differ by
    more than ten times the tolerance.
    """
    if len(values) != 8:
        return None
    for space in KNOWN_SPACES:
        wanted = space.chromaticities
        if wanted and all(abs(a - b) <= tolerance for a, b in zip(values, wanted, strict=True)):
            return space
    return None
