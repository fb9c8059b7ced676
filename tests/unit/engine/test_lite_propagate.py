"""lite.propagate: memory, claims, its word in a sweep, its weights."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vimatte.engine.lite.propagate.judge import Judge, of_the_known, shares
from vimatte.engine.lite.propagate.network import Decoded, Features, Memory, Prior, PropagateNet, odds
from vimatte.engine.lite.propagate.weights import open_network
from vimatte.engine.masks import Rle, mask_iou
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.vis.backend import KeyMasks, VisOptions
from vimatte.engine.vis.masks import MasksBackend
from vimatte.engine.vis.propagate import Prepared, propagate
from vimatte.engine.vis.propagation.frames import WorkingFrames
from vimatte.engine.vis.propagation.sweep import Claims, Known, Planes, sweep

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


def seen(network: PropagateNet, picture: NDArray[np.uint8]) -> Features:
    return network.encode(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255.0)[0]


def claimed(mask: torch.Tensor) -> Prior:
    return Prior(mask, mask, torch.zeros_like(mask), torch.zeros_like(mask[:1]))


def claims(**people: NDArray[np.bool_]) -> Claims:
    planes = {int(name[1:]): mask.astype(np.float32) for name, mask in people.items()}
    nothing = {one: np.zeros((HEIGHT, WIDTH), np.float32) for one in planes}
    return Claims(planes, planes, nothing, np.ones((HEIGHT, WIDTH), np.float32))


def test_what_is_read_is_a_mean_of_what_is_remembered(network: PropagateNet) -> None:
    """Somebody who fills a frame is found everywhere by memory alone, and half of a frame in half of the weight."""
    pictures, _ = walk(2)
    first, second = (seen(network, picture) for picture in pictures)
    everywhere = torch.ones(1, HEIGHT // 2, WIDTH // 2)
    memory = [network.remember(first, everywhere, known_N=torch.ones(1))]
    found: Decoded = network(first, memory, claimed(everywhere))
    torch.testing.assert_close(found.matched_NHW, torch.ones(1, HEIGHT // 4, WIDTH // 4))
    memory.append(network.remember(second, 0.0 * everywhere, known_N=torch.ones(1)))
    mixed = network(first, memory, claimed(everywhere)).matched_NHW
    assert 0.3 < mixed.min() <= mixed.max() < 0.7


def test_frames_that_know_nothing_of_somebody_have_no_say(network: PropagateNet) -> None:
    pictures, masks = walk(2)
    frame, mask = seen(network, pictures[0]), halves(masks[:1])
    sure = network.remember(frame, mask, known_N=torch.ones(1))
    ignorant = network.remember(seen(network, pictures[1]), torch.zeros_like(mask), known_N=torch.zeros(1))
    one, two = (network(frame, m, claimed(mask)) for m in ([sure], [sure, ignorant]))
    torch.testing.assert_close(one.matched_NHW, two.matched_NHW, atol=1e-5, rtol=1e-4)


def test_who_is_not_met_has_no_pixel_and_shares_sum_to_one() -> None:
    log = shares(of_the_known(torch.randn(2, 12, 20), torch.tensor([1.0, 0.0])))
    torch.testing.assert_close(log.exp().sum(dim=0), torch.ones(12, 20))
    assert log[2].exp().max() < 1e-6


def test_odds_are_what_shares_come_from() -> None:
    mask = torch.tensor([[0.7, 0.02, 0.0], [0.1, 0.9, 0.0]])[:, None]
    torch.testing.assert_close(shares(odds(mask, doubt=1e-3))[1:].exp(), mask, atol=2e-3, rtol=0)


def test_people_in_another_order_get_the_same_masks(network: PropagateNet) -> None:
    pictures, masks = walk(2)
    frame, now = (seen(network, picture) for picture in pictures)
    mask = torch.stack([halves(masks[:1])[0], halves([masks[1] & ~masks[0]])[0]])
    found = []
    for order in ([0, 1], [1, 0]):
        memory: Memory = network.remember(frame, mask[order], known_N=torch.ones(2))
        found.append(network(now, [memory], claimed(mask[order])).logits_NHW)
    torch.testing.assert_close(found[0], found[1][[1, 0]], atol=1e-4, rtol=1e-4)


def test_a_judge_without_memory_lets_claims_stand(network: PropagateNet) -> None:
    pictures, masks = walk(1)
    said = claims(p3=masks[0])
    assert Judge(network, height=HEIGHT, width=WIDTH).decide(pictures[0], said) is said.seen


def test_a_judge_that_changes_nothing_keeps_every_pixel(network: PropagateNet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims keep their own detail: only what the network changes at its size is enlarged."""
    pictures, masks = walk(2)
    judge = Judge(network, height=HEIGHT, width=WIDTH)
    judge.remember(pictures[0], {3: masks[0].astype(np.float32)}, given=True)

    def agrees(frame: Features, memory: list[Memory], prior: Prior) -> Decoded:
        return Decoded(odds(prior.seen_NHW, doubt=1e-3), prior.seen_NHW)

    monkeypatch.setattr(network, "forward", agrees)
    found = judge.decide(pictures[1], claims(p3=masks[1]))
    np.testing.assert_allclose(found[3], masks[1], atol=3e-3)


def test_somebody_new_is_met_later_and_the_first_stays(network: PropagateNet) -> None:
    pictures, masks = walk(2)
    judge = Judge(network, height=HEIGHT, width=WIDTH)
    judge.remember(pictures[0], {5: masks[0].astype(np.float32)}, given=True)
    alone = judge.decide(pictures[1], claims(p5=masks[1]))
    somebody = np.zeros((HEIGHT, WIDTH), bool)
    somebody[5:60, 130:155] = True
    judge.remember(pictures[1], {2: somebody.astype(np.float32), 5: masks[1].astype(np.float32)}, given=True)
    both = judge.decide(pictures[1], claims(p2=somebody, p5=masks[1]))
    assert sorted(alone) == [5]
    assert sorted(both) == [2, 5]
    assert np.all(both[2] + both[5] <= 1.0 + 1e-5)
    judge.forget()
    still = claims(p2=somebody, p5=masks[1])
    assert judge.decide(pictures[1], still) is still.seen


def test_who_was_lost_gets_the_part_of_another_that_looks_like_them(
    network: PropagateNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Person 1 has two bodies apart; the right one looks like person 2, who was lost behind them."""
    picture = wall(1)[:, :WIDTH]
    left, right = np.zeros((2, HEIGHT, WIDTH), bool)
    left[20:80, 10:50], right[20:80, 100:140] = True, True
    nobody = np.zeros((HEIGHT, WIDTH), bool)
    judge = Judge(network, height=HEIGHT, width=WIDTH)
    judge.remember(picture, {1: left.astype(np.float32), 2: right.astype(np.float32)}, given=True)

    def agrees(frame: Features, memory: list[Memory], prior: Prior) -> Decoded:
        return Decoded(odds(prior.seen_NHW, doubt=1e-3), prior.seen_NHW)

    def looks(frame: Features, memory: list[Memory]) -> torch.Tensor:
        return torch.from_numpy(np.stack([left, right])[:, ::4, ::4].astype(np.float32))

    monkeypatch.setattr(network, "forward", agrees)
    monkeypatch.setattr(network, "alike", looks)
    both = claims(p1=left | right, p2=nobody)
    kept = judge.decide(picture, both)
    parted = judge.decide(picture, Claims(both.seen, both.shape, both.mismatch, both.agree, frozenset({2})))
    assert np.array_equal(kept[1] > 0.5, left | right)
    assert np.array_equal(parted[1] > 0.5, left)
    assert np.array_equal(parted[2] > 0.5, right)


class Finds:
    """A judge that agrees with everything, but finds person 2 in a place of their own from some frame on."""

    def __init__(self, place: NDArray[np.bool_], sure: float) -> None:
        self.place, self.sure, self.lost = place, sure, frozenset[int]()

    def decide(self, image: NDArray[np.uint8], claims: Claims) -> dict[int, NDArray[np.float32]]:
        self.lost = claims.lost
        found = np.where(self.place, np.float32(self.sure), np.float32(0)) if 2 in claims.lost else claims.seen[2]
        return {**claims.seen, 2: found}

    def mend(self, image: NDArray[np.uint8], given: Planes) -> Planes:
        return given

    def remember(self, image: NDArray[np.uint8], seen: Planes, *, given: bool) -> None:
        pass

    def forget(self) -> None:
        pass


@pytest.mark.parametrize(("sure", "back"), [(0.9, True), (0.6, False)])
def test_who_was_lost_comes_back_where_the_judge_is_sure(sure: float, back: bool) -> None:
    pictures, masks = walk(4)
    place = np.zeros((HEIGHT, WIDTH), bool)
    place[30:70, 120:150] = True
    frames = WorkingFrames(MemoryShot([p.astype(np.float32) / 255 for p in pictures], first=FIRST), long_side=WIDTH)
    judge = Finds(place, sure)
    known = {FIRST: {1: masks[0].astype(np.float32), 2: place.astype(np.float32)}, FIRST + 1: {2: None}}
    said = dict(sweep(frames, [FIRST + t for t in range(4)], known=known, judge=judge))
    now = said[FIRST + 3][2].unpack(HEIGHT, WIDTH) > 0.5
    assert (mask_iou(now, place) > 0.8) == back
    assert judge.lost == (frozenset() if back else {2})


def run(
    network: PropagateNet, count: int, known: dict[int, dict[int, NDArray[np.float32] | None]], *, exact: bool = True
) -> dict[int, dict[int, NDArray[np.float32]]]:
    pictures, _ = walk(count)
    frames = WorkingFrames(MemoryShot([p.astype(np.float32) / 255 for p in pictures], first=FIRST), long_side=WIDTH)
    judge = Judge(network, height=HEIGHT, width=WIDTH)
    steps = sweep(frames, [FIRST + t for t in range(count)], known=known, judge=judge, exact=exact)
    return {n: {one: soft.unpack(HEIGHT, WIDTH) for one, soft in masks.items()} for n, masks in steps}


def test_a_sweep_says_nothing_of_people_before_they_are_met(network: PropagateNet) -> None:
    _, masks = walk(4)
    found = run(network, 4, {FIRST + 1: {7: masks[1].astype(np.float32)}, FIRST + 3: {7: None}})
    assert found[FIRST] == {}
    assert mask_iou(found[FIRST + 1][7] > 0.5, masks[1]) > 0.95
    assert found[FIRST + 3][7].max() == 0


def test_masks_that_are_evidence_only_are_the_networks_to_mend(network: PropagateNet) -> None:
    """This network has learned nothing: what it makes of a mask differs from it."""
    _, masks = walk(2)
    known: dict[int, dict[int, NDArray[np.float32] | None]] = {FIRST: {7: masks[0].astype(np.float32), 9: None}}
    exact, mended = (run(network, 2, known, exact=exact)[FIRST] for exact in (True, False))
    assert np.abs(exact[7] - masks[0]).max() < 0.01
    assert np.abs(mended[7] - masks[0]).max() > 0.01
    assert mended[9].max() == 0


def test_the_same_sweep_twice_is_the_same(network: PropagateNet) -> None:
    _, masks = walk(3)
    one, two = (run(network, 3, {FIRST: {1: masks[0].astype(np.float32)}}) for _ in range(2))
    assert all(np.array_equal(one[n][1], two[n][1]) for n in one)


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
    assert str(tracks.source["propagation"]).startswith("lite ")
    assert mask_iou(tracks.mask(1, FIRST + 5), masks[5]) > 0.8
    assert mask_iou(masks[0], masks[5]) < 0.5


def test_weights_are_finite_and_fit() -> None:
    network = open_network("cpu")
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    assert not network.training


class Asked:
    """A judge that agrees with whatever is claimed, and notes what it was asked."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.lost: list[frozenset[int]] = []

    def decide(self, image: NDArray[np.uint8], claims: Claims) -> Planes:
        self.notes.append("decide")
        self.lost.append(claims.lost)
        return claims.seen

    def mend(self, image: NDArray[np.uint8], given: Planes) -> Planes:
        self.notes.append("mend")
        return given

    def remember(self, image: NDArray[np.uint8], seen: Planes, *, given: bool) -> None:
        pass

    def forget(self) -> None:
        pass


def judged(known: Known, *, exact: bool) -> Asked:
    pictures, _ = walk(4)
    frames = WorkingFrames(MemoryShot([p.astype(np.float32) / 255 for p in pictures], first=FIRST))
    asked = Asked()
    list(sweep(frames, [FIRST + t for t in range(4)], known=known, judge=asked, exact=exact))
    return asked


def test_a_picture_is_judged_once_with_what_is_known_of_it() -> None:
    _, masks = walk(4)
    known = {FIRST + t: {1: masks[t].astype(np.float32)} for t in (0, 2)}
    assert judged(known, exact=False).notes == ["mend", "decide", "mend", "decide"]
    assert judged(known, exact=True).notes == ["decide"] * 3


def test_who_is_known_to_be_away_is_not_looked_for() -> None:
    _, masks = walk(4)
    away: Known = {FIRST: {1: masks[0].astype(np.float32)}, **{FIRST + t: {2: None} for t in range(1, 4)}}
    assert judged(away, exact=False).notes == ["mend", "decide", "decide", "decide"]
    assert judged(away, exact=False).lost == [frozenset()] * 3
    hidden: Known = {FIRST: {1: masks[0].astype(np.float32), 2: np.zeros((HEIGHT, WIDTH), np.float32)}}
    assert frozenset({2}) in judged(hidden, exact=False).lost


def test_what_was_measured_before_changes_nothing() -> None:
    pictures, masks = walk(5)
    shot = MemoryShot([p.astype(np.float32) / 255 for p in pictures], first=FIRST)
    anchors = {1: {FIRST: Rle.encode(masks[0]), FIRST + 4: Rle.encode(masks[4])}}

    def followed(prepared: Prepared | None) -> list[bytes]:
        steps = propagate(shot, anchors=anchors, exact=False, carrier="lite", prepared=prepared)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return [end.value[1][n].decode().tobytes() for n in shot.frames]

    prepared = Prepared(shot)
    for number in shot.frames:
        prepared.add(number)
    assert followed(prepared) == followed(None)
