"""Flow between neighbouring frames, worked out once for the two sweeps that both need it."""

from __future__ import annotations

import tempfile
import threading
import weakref
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.vis.flow import FlowPair, WorkingImage, flow_between
from vimatte.engine.vis.propagation.frames import no_room

__all__ = ["SharedFlows"]


class SharedFlows:
    """Whoever needs a pair first works it out, and leaves it in a temporary file for the other.

    In half precision, for both alike, so that nothing hangs on who came first. The file takes 8 bytes a pixel and frame
    and is gone with the process; memory holds nothing. Several threads may ask at once.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._pairs: dict[tuple[int, int], Future[int]] = {}
        self._file = tempfile.TemporaryFile(prefix="vimatte")  # noqa: SIM115 - lives as long as this object
        self._end = 0
        weakref.finalize(self, self._file.close)

    def between(self, now: tuple[int, WorkingImage], before: tuple[int, WorkingImage]) -> FlowPair:
        """Flow (now -> before, before -> now) of two frames, (number, working copy) each. Raises MediaError."""
        first, second = sorted((now, before), key=lambda frame: frame[0])
        key = first[0], second[0]
        with self._turn:
            place = self._pairs.get(key)
            if mine := place is None:
                place = self._pairs[key] = Future()
        shape = (2, *now[1].shape[:2], 2)
        if mine:
            try:
                pair = np.stack(flow_between(second[1], first[1])).astype(np.float16)
                place.set_result(self._written(pair))
            except BaseException as error:
                place.set_exception(error)
                raise
        else:
            pair = self._read(place.result(), shape)
        back, forth = pair.astype(np.float32)
        return (back, forth) if now is second else (forth, back)

    def _written(self, pair: NDArray[np.float16]) -> int:
        with self._turn:
            place, self._end = self._end, self._end + pair.nbytes
            self._file.seek(place)
            try:
                self._file.write(pair.data)
            except OSError as error:
                raise no_room("flow", error) from error
            return place

    def _read(self, place: int, shape: tuple[int, ...]) -> NDArray[np.float16]:
        with self._turn:
            self._file.seek(place)
            return np.frombuffer(self._file.read(2 * int(np.prod(shape))), np.float16).reshape(shape)
