"""Names that every host takes for a layer: one rule for tracks, writers and command lines."""

from __future__ import annotations

__all__ = ["RESERVED_NAMES", "layer_name_rule", "safe_name"]

RESERVED_NAMES = frozenset(
    {"alpha", "combined", "rgb", "rgba", "depth", "forward", "backward", "mask", "rotopaint_mask"}
)
"""Names that Blender or Nuke give to channels of their own (lower case)."""
_LONGEST = 54


def safe_name(text: str) -> str:
    """Turn any text into a layer name: letters, digits, underscores, begins with a letter, at most 54 characters.

    54 leaves room for '.A' within Blender's 63 bytes, Nuke strips leading digits, and some names are taken.
    """
    kept = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in text).strip("_") or "person"
    if not kept[0].isalpha() or kept.lower() in RESERVED_NAMES:
        kept = f"p_{kept}"
    return kept[:_LONGEST].rstrip("_")


def layer_name_rule(name: str) -> str:
    """Say what is wrong with a layer name, with one that would do."""
    return (
        f"'{name}' cannot be a layer name: use letters, digits and underscores, begin with a letter, at most "
        f"{_LONGEST} characters, and none of {', '.join(sorted(RESERVED_NAMES))}; for instance {safe_name(name)}."
    )
