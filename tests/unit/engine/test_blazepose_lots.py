from __future__ import annotations

from itertools import chain

import pytest
import torch

from vimatte.engine.vis.blazepose.lots import HANDS, lots


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 16, 17, 19, 100])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_batches_are_alike_and_lose_nothing(count: int, device: str) -> None:
    dealt = lots(range(count), device=torch.device(device))
    sizes = [len(one) for one in dealt]
    assert list(chain(*dealt)) == list(range(count))
    assert max(sizes, default=0) <= 8
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    if device == "cpu" and count >= HANDS:
        assert len(dealt) % HANDS == 0
