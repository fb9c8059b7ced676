"""`lite`: the matting network that comes with the program."""

from vimatte.engine.matting.lite.model import Lite

__all__ = ["Lite"]
