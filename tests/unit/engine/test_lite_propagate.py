"""lite.propagate: memory, motion, places of hidden people, a sweep, its weights."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vimatte.engine.lite.propagate.carry import sweep
from vimatte.engine.lite.propagate.motion import Motion, motion_between, stillness
from vimatte.engine.lite.propagate.network import Memory, PropagateNet
from vimatte.engine.lite.propagate.step import People, decode, settle, shares
from vimatte.engine.lite.propagate.weights import open_network
from vimatte.engine.masks import Rle, mask_iou
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.vis.backend import KeyMasks, VisOptions
from vimatte.engine.vis.masks import MasksBackend
from vimatte.engine.vis.propagation.frames import WorkingFrames

HEIGHT, WIDTH, FIRST = 96, 160, 1001


def wall(seed: int = 1, *, width: int = WIDTH + 60) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).uniform(0, 255, (HEIGHT, width, 3)).astype(np.float32)
    return np.asarray(np.clip(128 + 6 * (cv2.GaussianBlur(noise, (0, 0), 2.5) - 128), 0, 255), np.uint8)


def walk(count: int = 5) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.bool_]]]:
    """Somebody in a textured coat walks right, 5 pixels a frame, before a still wall."""
    behind, coat = wall(1)[:, :WIDTH], wall(2)[:, :WIDTH] // 2
    pictures, masks = [], []
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for t in range(count):
        shape = ((x - 45 - 5 * t) / 14) ** 2 + ((y - 50) / 32) ** 2 < 1
        moved = np.roll(coat, 5 * t, axis=1)
        pictures.append(np.where(shape[..., None], moved, behind))
        masks.append(shape)
    return pictures, masks


def halves(masks: list[NDArray[np.bool_]]) -> torch.Tensor:
    return torch.from_numpy(np.stack(masks).astype(np.float32))[:, ::2, ::2].contiguous()


@pytest.fixture(scope="module")
def network() -> PropagateNet:
    torch.manual_seed(0)
    return PropagateNet().eval().requires_grad_(False)


def seen(network: PropagateNet, picture: NDArray[np.uint8]):
    return network.encode(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255.0)[0]


def test_motion_brings_a_mask_along() -> None:
    pictures, masks = walk()
    motion = motion_between(pictures[1], pictures[0])
    before, now = halves(masks[:2])
    brought = motion.bring(before[None])[0] > 0.5
    assert mask_iou(brought.numpy(), now.numpy() > 0.5) > 0.85 > mask_iou(before.numpy() > 0.5, now.numpy() > 0.5)


def test_stillness_changes_nothing() -> None:
    mask = torch.rand(2, 12, 20)
    torch.testing.assert_close(stillness(mask).bring(mask), mask, atol=1e-6, rtol=0)


def test_what_is_read_is_a_mean_of_what_is_remembered(network: PropagateNet) -> None:
    """Somebody who fills a frame is found everywhere by memory alone, and half of a frame in half of the weight."""
    pictures, _ = walk(2)
    first, second = (seen(network, picture) for picture in pictures)
    everywhere = torch.ones(1, HEIGHT // 2, WIDTH // 2)
    memory = [network.remember(first, everywhere, known_N=torch.ones(1))]
    people = People.first(everywhere)
    found = decode(network, first, memory, people=people, motion=stillness(everywhere))
    torch.testing.assert_close(found.matched_NHW, torch.ones(1, HEIGHT // 4, WIDTH // 4))
    memory.append(network.remember(second, 0.0 * everywhere, known_N=torch.ones(1)))
    mixed = decode(network, first, memory, people=people, motion=stillness(everywhere)).matched_NHW
    assert 0.3 < mixed.min() <= mixed.max() < 0.7


def test_frames_that_know_nothing_of_somebody_have_no_say(network: PropagateNet) -> None:
    pictures, masks = walk(2)
    frame, mask = seen(network, pictures[0]), halves(masks[:1])
    sure = network.remember(frame, mask, known_N=torch.ones(1))
    ignorant = network.remember(seen(network, pictures[1]), torch.zeros_like(mask), known_N=torch.zeros(1))
    people = People.first(mask)
    one, two = (decode(network, frame, m, people=people, motion=stillness(mask)) for m in ([sure], [sure, ignorant]))
    torch.testing.assert_close(one.matched_NHW, two.matched_NHW, atol=1e-5, rtol=1e-4)


def test_who_is_not_met_has_no_pixel_and_shares_sum_to_one(network: PropagateNet) -> None:
    pictures, masks = walk(1)
    frame, mask = seen(network, pictures[0]), halves(masks).repeat(2, 1, 1) * torch.tensor([1.0, 0.0])[:, None, None]
    memory = network.remember(frame, mask, known_N=torch.tensor([1.0, 0.0]))
    found = decode(network, frame, [memory], people=People.first(mask), motion=stillness(mask))
    log = shares(found.logits_NHW)
    torch.testing.assert_close(log.exp().sum(dim=0), torch.ones(HEIGHT // 2, WIDTH // 2))
    assert log[2].exp().max() < 1e-6


def test_people_in_another_order_get_the_same_masks(network: PropagateNet) -> None:
    pictures, masks = walk(2)
    frame = seen(network, pictures[0])
    mask = torch.stack([halves(masks[:1])[0], halves([masks[1] & ~masks[0]])[0]])
    motion = motion_between(pictures[1], pictures[0])
    found = []
    for order in ([0, 1], [1, 0]):
        memory: Memory = network.remember(frame, mask[order], known_N=torch.ones(2))
        people = People.first(mask[order]).moved(motion)
        found.append(decode(network, seen(network, pictures[1]), [memory], people=people, motion=motion).logits_NHW)
    torch.testing.assert_close(found[0], found[1][[1, 0]], atol=1e-4, rtol=1e-4)


def test_who_goes_behind_somebody_is_expected_behind_them() -> None:
    """Two disks: the second walks 4 pixels a frame and is half behind the first now."""
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(40.0), indexing="ij")

    def disk(at: float) -> torch.Tensor:
        return (((x - at) / 4) ** 2 + ((y - 12) / 8) ** 2 < 1).float()

    front, seen_now = disk(20), disk(16) * (1 - disk(20))
    before = People.first(torch.stack([front, disk(12) * (1 - front)]))
    # Flow knows of the walker where they are seen: they were 4 pixels further left.
    still = stillness(front[None])
    way = still.grid_1HW2.clone()
    way[0, :, :, 0] -= 2 * 4 / 40 * disk(14).maximum(disk(12)) * (1 - front)
    now = before.moved(Motion(way, still.disagreement_1HW)).seen(torch.stack([front, seen_now]))
    hidden = now.whole_NHW[1] * torch.nn.functional.avg_pool2d(front[None], 2)[0]
    middle = (hidden.sum(dim=0) * torch.arange(20)).sum() / hidden.sum()
    assert now.whole_NHW[1].sum() > 1.2 * seen_now.sum() / 4
    assert 8.0 <= middle <= 9.5


def test_given_masks_win() -> None:
    mask, given = torch.full((2, 4, 4), 0.5), torch.zeros(2, 4, 4)
    given[0, :2] = 1.0
    settled = settle(mask, given, given_N=torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(settled[0], given[0])
    assert settled[1, :2].max() == 0
    assert settled[1, 2:].min() == 0.5


def test_a_sweep_says_nothing_of_people_before_they_are_met(network: PropagateNet) -> None:
    pictures, masks = walk(4)
    shot = MemoryShot([p.astype(np.float32) / 255 for p in pictures], first=FIRST)
    frames = WorkingFrames(shot, long_side=WIDTH)
    known = {FIRST + 1: {7: masks[1].astype(np.float32)}, FIRST + 3: {7: None}}
    numbers = [FIRST + t for t in range(4)]
    found = dict(sweep(network, frames, numbers, known=known, exact=True))
    assert found[FIRST] == {}
    given = found[FIRST + 1][7].unpack(HEIGHT, WIDTH)
    assert mask_iou(given > 0.5, masks[1]) > 0.95
    assert found[FIRST + 3][7].unpack(HEIGHT, WIDTH).max() == 0


def test_the_same_sweep_twice_is_the_same(network: PropagateNet) -> None:
    pictures, masks = walk(3)
    shot = MemoryShot([p.astype(np.float32) / 255 for p in pictures], first=FIRST)
    known = {FIRST: {1: masks[0].astype(np.float32)}}
    numbers = [FIRST, FIRST + 1, FIRST + 2]
    runs = [
        dict(sweep(network, WorkingFrames(shot, long_side=WIDTH), numbers, known=known, exact=True)) for _ in range(2)
    ]
    assert all(runs[0][n][1].deflated == runs[1][n][1].deflated for n in numbers)


def test_the_weights_that_ship_follow_somebody_who_walks() -> None:
    """Untrained ones end below 0.5 here; so does the first mask kept still."""
    pictures, masks = walk(6)
    shot = MemoryShot([p.astype(np.float32) / 255 for p in pictures], first=FIRST)
    keys = KeyMasks(names=("anna",), masks={FIRST: {"anna": Rle.encode(masks[0])}})
    steps = MasksBackend().track(shot, keys=keys, options=VisOptions(propagation="lite"))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            tracks = end.value
            break
    assert tracks.source["propagation"] == "lite 1"
    assert mask_iou(tracks.mask(1, FIRST + 5), masks[5]) > 0.8
    assert mask_iou(masks[0], masks[5]) < 0.5


def test_weights_are_finite_and_fit() -> None:
    network = open_network("cpu")
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    assert not network.training
