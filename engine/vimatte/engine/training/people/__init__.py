"""People for training: rendered clips of synthetic persons with exact alpha, from free assets.

`write_people(open_studio(load_assets(folder)), out, Order(...), best_rasteriser()[0])` makes clips, as `vimatte train
people` does in a terminal. Everything about a clip follows from its seed and its number.
"""

from vimatte.engine.training.people.actor import Studio, open_studio
from vimatte.engine.training.people.assets import Assets, load_assets
from vimatte.engine.training.people.camera import SHOTS
from vimatte.engine.training.people.clip import Filters
from vimatte.engine.training.people.compiled import best_rasteriser
from vimatte.engine.training.people.hair import STYLES
from vimatte.engine.training.people.lighting import LIGHTS
from vimatte.engine.training.people.motion import MOTIONS
from vimatte.engine.training.people.writing import ClipWritten, Order, write_people

__all__ = [
    "LIGHTS",
    "MOTIONS",
    "SHOTS",
    "STYLES",
    "Assets",
    "ClipWritten",
    "Filters",
    "Order",
    "Studio",
    "best_rasteriser",
    "load_assets",
    "open_studio",
    "write_people",
]
