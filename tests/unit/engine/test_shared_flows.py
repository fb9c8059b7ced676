from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest

from vimatte.engine.errors import MediaError
from vimatte.engine.vis.flow import FlowPair, WorkingImage, flow_between
from vimatte.engine.vis.propagation import shared_flows
from vimatte.engine.vis.propagation.shared_flows import SharedFlows


def moving(count: int) -> list[WorkingImage]:
    rng = np.random.default_rng(2)
    wall = rng.integers(0, 255, (60, 140, 3)).astype(np.uint8)
    wall = np.repeat(np.repeat(wall[::4, ::4], 4, axis=0), 4, axis=1)
    return [np.ascontiguousarray(wall[:, 2 * k : 2 * k + 96]) for k in range(count)]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    calls: list[None] = []

    def counted(now: WorkingImage, before: WorkingImage) -> FlowPair:
        calls.append(None)
        return flow_between(now, before)

    monkeypatch.setattr(shared_flows, "flow_between", counted)
    return calls


def test_both_directions_get_the_same_flow_measured_once(measured: list[None]) -> None:
    frames = list(enumerate(moving(5), start=1001))
    flows = SharedFlows()
    there = [flows.between(now, before) for before, now in pairwise(frames)]
    back = [flows.between(before, now) for before, now in pairwise(frames)]
    assert len(measured) == 4
    for (before, now), one, other in zip(pairwise(frames), there, back, strict=True):
        assert np.array_equal(one[0], other[1])
        assert np.array_equal(one[1], other[0])
        for found, wanted in zip(one, flow_between(now[1], before[1]), strict=True):
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, wanted, atol=0.01)


def test_who_comes_second_waits_for_the_first(measured: list[None]) -> None:
    frames = list(enumerate(moving(12)))
    flows = SharedFlows()
    found: dict[int, list[FlowPair]] = {}

    def walk(which: int, order: list[tuple[int, WorkingImage]]) -> None:
        found[which] = [flows.between(now, before) for before, now in pairwise(order)]

    threads = [threading.Thread(target=walk, args=(k, frames)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(measured) == 11
    for which in range(1, 4):
        assert all(np.array_equal(a, b) for a, b in zip(found[0], found[which], strict=True))


def test_a_full_disk_is_told_to_everybody_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def seek(self, _: int) -> None: ...

        def write(self, _: object) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None: ...

    monkeypatch.setattr(shared_flows.tempfile, "TemporaryFile", lambda **_: Full())
    first, second = enumerate(moving(2))
    flows = SharedFlows()
    for _ in range(2):
        with pytest.raises(MediaError, match=r"no room for flow .*TMPDIR"):
            flows.between(second, first)
