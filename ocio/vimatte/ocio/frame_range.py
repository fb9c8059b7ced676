"""Frame ranges as artists type them: ``1001-1040``, ``1001-1040x2``, ``1001,1010-1020``."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from fileseq import FrameSet
from fileseq.exceptions import ParseException

from vimatte.ocio.errors import ConfigError

__all__ = ["FrameRange"]


@dataclass(frozen=True, slots=True)
class FrameRange:
    """An ordered set of frame numbers, ascending and without repeats."""

    numbers: tuple[int, ...]
    """The frame numbers, ascending."""

    def __post_init__(self) -> None:
        if list(self.numbers) != sorted(set(self.numbers)):
            raise ConfigError(f"A frame range must ascend without repeats, found {self.numbers[:8]}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``1001-1040x2,1050``, also ``1001-1040:2``. Raises ConfigError for anything else, and for nothing."""
        refusal = f"'{text}' is not a frame range; type for instance 1001-1040, 1001-1040x2 or 1001,1010-1020."
        if "." in text or not text.strip():  # fileseq takes decimals for sub-frames, and nothing at all
            raise ConfigError(refusal)
        try:
            # Open Job Description writes a step as 1001-1040:2, which fileseq would take for a staggered order of all.
            return cls.of(int(n) for n in FrameSet(text.replace(":", "x")))
        except ParseException as error:
            raise ConfigError(refusal) from error

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Self:
        """Sort numbers and drop repeats."""
        return cls(tuple(sorted(set(numbers))))

    @classmethod
    def span(cls, first: int, count: int) -> Self:
        """Make `count` consecutive frames from `first` on."""
        return cls(tuple(range(first, first + count)))

    @property
    def first(self) -> int:
        """Lowest frame number."""
        return self.numbers[0]

    @property
    def last(self) -> int:
        """Highest frame number."""
        return self.numbers[-1]

    def missing_from(self, available: FrameRange) -> FrameRange:
        """Those of these frames that `available` lacks."""
        return FrameRange(tuple(sorted(set(self.numbers) - set(available.numbers))))

    def gaps(self) -> FrameRange:
        """Frame numbers between first and last that are absent."""
        if not self.numbers:
            return self
        return FrameRange(tuple(sorted(set(range(self.first, self.last + 1)) - set(self.numbers))))

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        at = bisect_left(self.numbers, number)
        return at < len(self.numbers) and self.numbers[at] == number

    def __str__(self) -> str:
        return FrameSet(self.numbers).frameRange() if self.numbers else "(none)"
