"""Working copies of a shot's pictures: small, 8 bit, bounded in memory."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence

import cv2
import numpy as np

from vimatte.engine.errors import MediaError
from vimatte.engine.shot import Picture, Shot
from vimatte.engine.vis.flow import WorkingImage, working_size

__all__ = ["WorkingFrames", "no_room", "working_copy"]


def working_copy(picture: Picture, width: int, height: int) -> WorkingImage:
    """Shrink a float picture to 8-bit codes of (height, width, 3)."""
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(np.rint(small * 255.0), 0, 255), np.uint8)


def no_room(what: str, error: OSError) -> MediaError:
    """Say that a temporary file could not be written."""
    return MediaError(
        f"The temporary folder {tempfile.gettempdir()} has no room for {what} ({error.strerror}); "
        "free some space or name another folder in TMPDIR."
    )


class WorkingFrames:
    """Working copies by frame number, each read once: the latest in memory, the others in a temporary file.

    Memory stays within `bound` however long the shot is; the file takes 1.5 MB a frame at 960x540 and is gone with the
    process, whatever ends it. Full-size pictures are never kept. Several threads may ask at once.
    """

    def __init__(
        self,
        shot: Shot,
        *,
        long_side: int = 960,
        bound: int = 48 << 20,
        chunk: int = 48,
        larger: WorkingFrames | None = None,
    ) -> None:
        """`larger` are copies to make these of, so that the shot is not read again."""
        self._shot, self._larger = shot, larger
        self.width, self.height = working_size(shot.info.width, shot.info.height, long_side=long_side)
        self._size = self.width * self.height * 3
        self._room = max(8, bound // self._size)
        self._chunk = chunk
        self._turn = threading.Lock()
        self._copies: OrderedDict[int, WorkingImage] = OrderedDict()
        self._places: dict[int, int] = {}
        self._file = tempfile.TemporaryFile(prefix="vimatte")  # noqa: SIM115 - lives as long as this object
        weakref.finalize(self, self._file.close)

    def get(self, number: int, *, ahead: Sequence[int] = ()) -> WorkingImage:
        """The copy of one frame; when it must be read, the frames of `ahead` are read in the same go, in order."""
        with self._turn:
            if number not in self._places:
                if self._larger is not None:
                    large = self._larger.get(number, ahead=ahead)
                    size = (self.width, self.height)
                    self._keep(number, np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.uint8))
                else:
                    wanted = sorted({number, *list(ahead)[: self._chunk]} - set(self._places))
                    for at, picture in self._shot.pictures(wanted):
                        self._keep(at, working_copy(picture, self.width, self.height))
            if number not in self._copies:
                self._file.seek(self._places[number] * self._size)
                codes = np.frombuffer(self._file.read(self._size), np.uint8)
                self._hold(number, codes.reshape(self.height, self.width, 3))
            self._copies.move_to_end(number)
            return self._copies[number]

    def _keep(self, number: int, copy: WorkingImage) -> None:
        self._places[number] = len(self._places)
        self._file.seek(self._places[number] * self._size)
        try:
            self._file.write(np.ascontiguousarray(copy).data)
        except OSError as error:
            raise no_room("working copies", error) from error
        self._hold(number, copy)

    def _hold(self, number: int, copy: WorkingImage) -> None:
        self._copies[number] = copy
        while len(self._copies) > self._room:
            self._copies.popitem(last=False)
