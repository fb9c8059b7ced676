"""Who is who over a whole shot, from masks that any detector found on single frames."""

from __future__ import annotations

from collections.abc import Mapping

from vimatte.engine.vis.identity import link, settle
from vimatte.engine.vis.identity.track import Detection, Identity, IdentityOptions, IdentityTracker, identify

__all__ = ["SETTINGS", "Detection", "Identity", "IdentityOptions", "IdentityTracker", "identify"]

SETTINGS: Mapping[str, str | int | float] = {**link.SETTINGS, **settle.SETTINGS}
"""Everything that decides who is who."""
