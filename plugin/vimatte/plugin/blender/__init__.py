"""The Blender extension: find and matte people from the compositor; see docs/blender.md.

Blender loads it as `bl_ext.<repository>.vimatte.blender`, from the zip that `install_scripts/build_extension` makes.
"""

from __future__ import annotations

__all__ = ["register", "unregister"]


def register() -> None:
    """Add everything to Blender."""
    # Imported late: modules without `bpy` in them can then be tested without Blender.
    from . import registration

    registration.register()


def unregister() -> None:
    """Take everything away again, the engine's process included."""
    from . import registration

    registration.unregister()
