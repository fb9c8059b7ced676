"""Training clips made on the fly: people with alpha composed over backgrounds, with exact truth and broken guidance."""

from vimatte.engine.training.data.dataset import SampleBatch, TrainingClips, collate, loader
from vimatte.engine.training.data.footage import Footage
from vimatte.engine.training.data.protocols import PROTOCOLS
from vimatte.engine.training.data.sample import Sample
from vimatte.engine.training.data.settings import Settings

__all__ = ["PROTOCOLS", "Footage", "Sample", "SampleBatch", "Settings", "TrainingClips", "collate", "loader"]
