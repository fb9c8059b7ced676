"""Who is who over a whole shot, from masks that any detector found on single frames."""

from __future__ import annotations

from vimatte.engine.vis.identity.link import SETTINGS
from vimatte.engine.vis.identity.track import Detection, Identity, IdentityOptions, IdentityTracker, identify

__all__ = ["SETTINGS", "Detection", "Identity", "IdentityOptions", "IdentityTracker", "identify"]
