"""Who is who over a whole shot, from masks that any detector found on single frames."""

from __future__ import annotations

from vimatte.engine.vis.identity.track import Detection, Identity, IdentityOptions, IdentityTracker, identify

__all__ = ["Detection", "Identity", "IdentityOptions", "IdentityTracker", "identify"]
