"""Sliding windows of context frames over a stream: each item is read once, and only a window of them is held."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from vimatte.engine.errors import ConfigError

__all__ = ["Stretch", "Window", "context_numbers", "needed_numbers", "stretches", "windows"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window(Generic[T]):
    """One wanted frame with its neighbours."""

    number: int
    """The wanted frame."""
    items: tuple[tuple[int, T], ...]
    """(frame number, item), ascending, the wanted frame among them; shorter at the ends of the shot."""

    @property
    def centre(self) -> T:
        """The wanted frame's own item."""
        return next(item for number, item in self.items if number == self.number)


def context_numbers(available: Sequence[int], wanted: int, radius: int) -> tuple[int, ...]:
    """Return the frames that `wanted` looks at: up to `radius` neighbours on each side among `available`.

    Neighbours are next in the sequence of available frames, not by number, so a shot on twos has them too. Raises
    ConfigError when the wanted frame is not available.
    """
    index = bisect_left(available, wanted)
    if index == len(available) or available[index] != wanted:
        span = f"{available[0]}-{available[-1]}" if available else "none"
        raise ConfigError(f"Frame {wanted} was asked for, the shot's frames are {span}; ask for one of those.")
    return tuple(available[max(0, index - radius) : index + radius + 1])


def windows(
    make: Iterable[tuple[int, T]], *, available: Sequence[int], wanted: Sequence[int], radius: int
) -> Iterator[Window[T]]:
    """Yield the window of each `wanted` frame (ascending).

    `make` streams (number, item) for exactly `needed_numbers(available, wanted, radius)`. At most 2 radius + 1 items
    are held, however long the shot is; items are let go as soon as no later window needs them.
    """
    stream = iter(make)
    held: deque[tuple[int, T]] = deque()
    for number in wanted:
        around = context_numbers(available, number, radius)
        while held and held[0][0] < around[0]:
            held.popleft()
        while not held or held[-1][0] < around[-1]:
            held.append(next(stream))
            if held[0][0] < around[0]:
                held.popleft()
        yield Window(number, tuple(pair for pair in held if pair[0] in around))


def needed_numbers(available: Sequence[int], wanted: Sequence[int], radius: int) -> tuple[int, ...]:
    """Return every frame that some window of `wanted` looks at, ascending."""
    return tuple(sorted({n for w in wanted for n in context_numbers(available, w, radius)}))


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of frames computed from a fresh state; where it begins is fixed by the shot, not by what was asked for."""

    warm_up: tuple[int, ...]
    """Frames before it that are computed first and thrown away, so that the state has settled."""
    frames: tuple[int, ...]
    """Its own frames."""
    wanted: tuple[int, ...]
    """Those of its own frames that were asked for; never empty."""


def stretches(available: Sequence[int], wanted: Sequence[int], *, length: int, warm_up: int = 0) -> Iterator[Stretch]:
    """Yield the stretches that hold a `wanted` frame (ascending): what makes recurrent models exact to any chunking.

    The available frames are cut into runs of `length` (the last may be shorter), counted from the first available
    one; each starts anew after up to `warm_up` frames before it. A frame's mattes then depend on frames of its own
    run and the warm-up alone: a causal model's reach is `length - 1 + warm_up`. Raises ConfigError when a wanted frame
    is not available.
    """
    todo = list(wanted)
    while todo:
        index = bisect_left(available, context_numbers(available, todo[0], 0)[0])
        start = index - index % length
        frames = tuple(available[start : start + length])
        own = tuple(n for n in todo if n <= frames[-1])
        yield Stretch(tuple(available[max(0, start - warm_up) : start]), frames, own)
        todo = todo[len(own) :]
