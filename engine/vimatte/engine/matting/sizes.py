"""A shot and its tracks must be of one size."""

from __future__ import annotations

from vimatte.engine.errors import ConfigError
from vimatte.engine.shot import Shot
from vimatte.engine.tracks import TrackSet

__all__ = ["check_sizes"]


def check_sizes(shot: Shot, tracks: TrackSet) -> None:
    """Raise ConfigError when masks were made for a picture of another size."""
    if (shot.info.width, shot.info.height) != (tracks.width, tracks.height):
        raise ConfigError(
            f"The tracks are for a picture of {tracks.width}x{tracks.height}, the shot is "
            f"{shot.info.width}x{shot.info.height}; track this shot anew, or open the shot the tracks were made on."
        )
