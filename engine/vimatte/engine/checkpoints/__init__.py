"""Trained networks on disk: what there is, bringing a file by hand, loading, checking; no pickled code ever runs."""

from vimatte.engine.checkpoints.sets import NETWORKS, NetworkSet, network_set
from vimatte.engine.checkpoints.state import State, digest_of, load_state

__all__ = ["NETWORKS", "NetworkSet", "State", "digest_of", "load_state", "network_set"]
