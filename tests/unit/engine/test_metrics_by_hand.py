"""Metrics on shapes whose scores can be worked out, and that arrays, tensors and threads make no difference."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch

from vimatte.engine.metrics.alphas import Definition, box_of, total
from vimatte.engine.metrics.boundary import boundary_f
from vimatte.engine.metrics.connectivity import connectivity_error, connectivity_error_over_union
from vimatte.engine.metrics.difference import mad, mse, sad
from vimatte.engine.metrics.flicker import dtssd
from vimatte.engine.metrics.gradient import gradient_error
from vimatte.engine.metrics.idf1 import Idf1Meter
from vimatte.engine.metrics.instance_quality import ImqMeter
from vimatte.engine.metrics.mask_overlap import OverlapMeter
from vimatte.engine.metrics.matte_errors import MatteErrorMeter
from vimatte.engine.metrics.motion import messddt
from vimatte.engine.metrics.regions import Regions
from vimatte.engine.metrics.released_errors import ReleasedErrorMeter
from vimatte.engine.metrics.video_quality import VimqMeter, mean_vimq

H, W = 40, 60
BOTH: tuple[Definition, ...] = ("as_paper", "as_published_code")


def box(left: int, *, top: int = 10, size: int = 12, value: float = 1.0) -> torch.Tensor:
    alpha = torch.zeros(H, W)
    alpha[top : top + size, left : left + size] = value
    return alpha


def person(x: float, y: float, *, seed: int = 0) -> torch.Tensor:
    """A soft blob with some noise on it."""
    rows, columns = torch.meshgrid(torch.arange(float(H)), torch.arange(float(W)), indexing="ij")
    blob = (1.4 - torch.hypot(rows - y, columns - x) / 8).clamp(0, 1)
    noise = torch.rand((H, W), generator=torch.Generator().manual_seed(seed))
    return (blob * (0.9 + 0.1 * noise)).clamp(0, 1)


class TestPlaces:
    def half(self) -> torch.Tensor:
        alpha = torch.zeros(H, W)
        alpha[:, 20:] = 1
        return alpha

    def test_a_box_and_its_margin(self) -> None:
        there = torch.zeros(H, W, dtype=torch.bool)
        assert there[box_of(there, margin=5)].numel() == 0
        there[3, 7] = there[5, 9] = True
        assert box_of(there) == (slice(3, 6), slice(7, 10))
        assert box_of(there, margin=5) == (slice(0, 11), slice(2, 15))

    def test_a_sum_does_not_depend_on_threads(self) -> None:
        values = torch.rand((999, 777), generator=torch.Generator().manual_seed(0))
        threads = torch.get_num_threads()
        try:
            sums = []
            for count in (1, 2, 3):
                torch.set_num_threads(count)
                sums.append(total(values))
        finally:
            torch.set_num_threads(threads)
        assert len(set(sums)) == 1
        assert sums[0] == pytest.approx(float(values.double().sum()), rel=1e-12)

    def test_the_three_regions(self) -> None:
        regions = Regions.of(self.half(), width=5)
        assert regions.unknown[20].nonzero()[:, 0].tolist() == [18, 19, 20, 21]
        assert regions.foreground[20].nonzero()[:, 0].tolist() == list(range(22, W))
        assert int(regions.background.sum()) == H * 18
        everywhere = regions.foreground.int() + regions.background.int() + regions.unknown.int()
        assert bool((everywhere == 1).all())

    def test_errors_by_region(self) -> None:
        truth = self.half()
        regions = Regions.of(truth, width=5)
        matte = truth.clone()
        matte[:, 30] = 0.5
        matte[:, 19] = 0.25
        assert mad(matte, truth=truth, region=regions.foreground) == pytest.approx(0.5 / (W - 22))
        assert mad(matte, truth=truth, region=regions.unknown) == pytest.approx(0.25 / 4)
        assert mse(matte, truth=truth, region=regions.unknown) == pytest.approx(0.25**2 / 4)
        assert math.isnan(mad(matte, truth=truth, region=torch.zeros(H, W, dtype=torch.bool)))


class TestConnectivity:
    def test_a_speck_beside_a_person(self) -> None:
        truth = box(10)
        matte = truth.clone()
        matte[2, 50] = 0.6
        # The speck is in no component: level 0, d = 0.6, phi 0.4 against 1.
        assert connectivity_error(matte, truth=truth) == pytest.approx(0.6 / 1000)
        assert connectivity_error_over_union(matte, truth=truth) == pytest.approx(0.6 / (144 + 1 + 1))

    def test_small_differences_do_not_count(self) -> None:
        truth, matte = box(10), box(10, value=0.95)
        # Level 0.9: 1 is 0.1 above it and 0.95 is 0.05 above it, both under 0.15.
        assert connectivity_error(matte, truth=truth) == 0

    def test_a_person_in_two_pieces_counts_the_smaller(self) -> None:
        truth = torch.maximum(box(4), box(40, size=5))
        assert connectivity_error(truth, truth=truth) == 0
        matte = torch.maximum(box(4), box(40, size=5, value=0.5))
        # The small piece is never in the largest component: level 0, phi 0 for the truth and 0.5 for the matte.
        assert connectivity_error(matte, truth=truth) == pytest.approx(25 * 0.5 / 1000)


class TestChange:
    def test_an_error_that_moves_along_is_no_messddt(self) -> None:
        frames = [person(20 + 2 * t, 20) for t in range(2)]
        matte = [0.5 * f for f in frames]
        moving = messddt(matte[1], truth=frames[1], matte_before=matte[0], truth_before=frames[0])
        frozen = messddt(0.5 * frames[0], truth=frames[1], matte_before=matte[0], truth_before=frames[0])
        assert moving < 0.6 * frozen

    def test_a_still_truth_has_no_motion(self) -> None:
        truth = box(20)
        matte, before = box(20, value=0.5), box(20, value=0.75)
        found = messddt(matte, truth=truth, matte_before=before, truth_before=truth)
        assert found == pytest.approx(144 * (0.25 - 0.0625) / (H * W))
        assert messddt(truth, truth=truth, matte_before=truth, truth_before=truth) == 0


class TestVimq:
    def score(self, mattes: list[torch.Tensor], truth: list[torch.Tensor], definition: Definition) -> VimqMeter:
        meter = VimqMeter(definition)
        for p, g in zip(mattes, truth, strict=True):
            meter.add(p, truth=g)
        return meter

    def clip(self, frames: int = 4) -> list[torch.Tensor]:
        return [torch.stack([box(5 + t), box(40 - t)]) for t in range(frames)]

    @pytest.mark.parametrize("definition", BOTH)
    def test_a_perfect_answer_in_any_order(self, definition: Definition) -> None:
        truth = self.clip()
        found = self.score([g.flip(0) for g in truth], truth, definition).result()
        assert (found.rq, found.tq) == (1.0, 1.0)
        assert found.vimq == {"mse": 1.0, "mad": 1.0, "dtssd": 1.0}
        assert found.matched == {0: 1, 1: 0}
        assert found.definition == found.to_dict()["definition"] == definition

    def test_who_is_off_screen_in_both_costs_by_the_code_only(self) -> None:
        truth = self.clip()
        for t in (1, 2):
            truth[t][1] = 0
        assert self.score(truth, truth, "as_paper").result().rq == 1.0
        # Two of four frames of one of two people: mean IoU 0.5 is not above 0.5, so she is a miss and a false person.
        code = self.score(truth, truth, "as_published_code").result()
        assert code.hits == (0,)
        assert code.rq == pytest.approx(1 / (1 + 0.5 + 0.5))

    def test_a_faint_halo_ruins_the_papers_mask_only(self) -> None:
        truth = self.clip()
        mattes = [(g + 0.01).clamp(0, 1) for g in truth]
        assert self.score(mattes, truth, "as_paper").result().hits == ()
        assert self.score(mattes, truth, "as_published_code").result().rq == 1.0

    @pytest.mark.parametrize("definition", BOTH)
    def test_a_swap_on_one_frame(self, definition: Definition) -> None:
        truth = self.clip()
        mattes = [g.clone() for g in truth]
        mattes[3] = mattes[3].flip(0)
        found = self.score(mattes, truth, definition).result()
        assert found.tq == pytest.approx(3 / 4)
        assert found.rq == pytest.approx(3 / 4)
        assert found.mq["mse"] == pytest.approx(3 / 4)

    def test_similarity_by_hand_and_the_first_frame(self) -> None:
        truth = [box(5)[None]] * 3
        mattes = [box(5, value=v)[None] for v in (1.0, 0.9, 1.0)]
        area = 144 / (H * W)
        paper, code = (self.score(mattes, truth, d).result() for d in BOTH)
        assert paper.mq["mse"] == code.mq["mse"] == pytest.approx(1 - 50 * 0.01 * area / 3, rel=1e-5)
        change = 1 - 10 * math.sqrt(0.01 * area)
        assert paper.mq["dtssd"] == pytest.approx(change, rel=1e-5)
        assert code.mq["dtssd"] == pytest.approx((1 + 2 * change) / 3, rel=1e-5)

    def test_one_too_many_and_one_too_few(self) -> None:
        truth = self.clip()
        extra = [torch.cat([g, box(24, top=25)[None]]) for g in truth]
        assert self.score(extra, truth, "as_paper").result().rq == pytest.approx(2 / 2.5)
        assert self.score(truth, extra, "as_paper").result().rq == pytest.approx(2 / 2.5)

    def test_a_data_set_multiplies_means(self) -> None:
        truth = self.clip()
        half = [g[:1] for g in truth]
        good, bad = self.score(truth, truth, "as_paper").result(), self.score(half, truth, "as_paper").result()
        both = mean_vimq([good, bad])
        assert both.rq == pytest.approx((1 + 1 / 1.5) / 2)
        assert both.vimq["mse"] == pytest.approx(both.rq * both.tq * both.mq["mse"])
        with pytest.raises(ValueError, match="one definition"):
            mean_vimq([good, self.score(truth, truth, "as_published_code").result()])

    def test_refusals(self) -> None:
        meter = VimqMeter("as_paper")
        with pytest.raises(ValueError, match="no frame"):
            meter.result()
        with pytest.raises(ValueError, match="one size"):
            meter.add(torch.zeros(2, 5, 5), truth=torch.zeros(2, 5, 6))
        meter.add(torch.zeros(2, 5, 5), truth=torch.zeros(2, 5, 5))
        with pytest.raises(ValueError, match="number of people changed"):
            meter.add(torch.zeros(1, 5, 5), truth=torch.zeros(2, 5, 5))


class TestImq:
    def test_just_at_the_threshold(self) -> None:
        # 12 x 12 in common of a union of 24 x 12.
        mattes, truth = box(5)[None], torch.maximum(box(5), box(17))[None]
        for definition in BOTH:
            # By the paper one half is not above one half; by the code 144 / (288 + 1e-8) is not at least it.
            meter = ImqMeter(definition, threshold=0.5)
            meter.add(mattes, truth=truth)
            assert meter.result().hits == 0
            meter = ImqMeter(definition, threshold=0.4999)
            meter.add(mattes, truth=truth)
            assert meter.result().hits == 1

    def test_area_of_the_union_or_of_the_picture(self) -> None:
        mattes, truth = box(5, value=0.9)[None], box(5)[None]
        found = {}
        for definition in BOTH:
            meter = ImqMeter(definition)
            meter.add(mattes, truth=truth)
            found[definition] = meter.result()
        assert found["as_paper"].imq["mad"] == pytest.approx(1 - 10 * 0.1 * 144 / (H * W), rel=1e-5)
        # 10 x 0.1 x 144 / 145 leaves next to nothing; 1e-6 guards the denominator.
        assert found["as_published_code"].imq["mad"] == pytest.approx((1 / 145) / (1 + 1e-6), rel=1e-3)

    def test_people_of_all_pictures_are_counted_together(self) -> None:
        meter = ImqMeter("as_paper")
        meter.add(box(5)[None], truth=box(5)[None])
        meter.add(torch.zeros(0, H, W), truth=torch.stack([box(5), box(40)]))
        meter.add(box(5)[None], truth=torch.zeros(0, H, W))
        found = meter.result()
        assert (found.hits, found.missed, found.false) == (1, 2, 1)
        assert found.rq == found.imq["conn"] == pytest.approx(1 / 2.5)
        assert found.mq["grad"] == 1.0

    def test_nobody_at_all(self) -> None:
        meter = ImqMeter("as_paper")
        meter.add(torch.zeros(0, H, W), truth=torch.zeros(0, H, W))
        assert meter.result().to_dict()["imq_mad"] is None


class TestReleased:
    def test_mad_is_divided_by_the_area_twice(self) -> None:
        meter = ReleasedErrorMeter()
        meter.add_picture(box(5, value=0.9)[None], truth=box(5)[None])
        mean = 0.1 * 144 / (H * W)
        assert meter.result()["MAD"].average == pytest.approx(1e10 / (H * W) * mean, rel=1e-5)

    def test_the_last_three_frames_are_one_call(self) -> None:
        frames = [torch.stack([person(15 + t, 20, seed=t), person(45 - t, 20, seed=t)]) for t in range(6)]
        mattes = [0.9 * f for f in frames]
        meter = ReleasedErrorMeter()
        for count, (p, g) in enumerate(zip(mattes, frames, strict=True), start=1):
            meter.add(p, truth=g)
            found = meter.result()
            assert found["MAD"].count == 2 * count
            # Pairs before the last window, and the four last frames as one sequence.
            assert ("dtSSD" in found) == (count > 1)
            if count > 1:
                assert found["dtSSD"].count == 2 * max(1, count - 3)

    def test_reading_the_score_changes_nothing(self) -> None:
        frames = [person(15 + t, 20, seed=t)[None] for t in range(5)]
        often, once = ReleasedErrorMeter(), ReleasedErrorMeter()
        for g in frames:
            often.add(0.9 * g, truth=g)
            often.result()
            once.add(0.9 * g, truth=g)
        assert often.result() == once.result()


def test_meters_let_go_of_frames() -> None:
    meters: list[tuple[int, VimqMeter | ImqMeter | ReleasedErrorMeter]] = [
        (1, VimqMeter("as_paper")),
        (0, ImqMeter("as_paper")),
        (4, ReleasedErrorMeter()),
    ]
    for most, meter in meters:
        alive: list[weakref.ref[torch.Tensor]] = []
        for t in range(9):
            # Float64 is not copied, so a meter that keeps a frame keeps this very tensor.
            frame = person(20 + t, 20)[None].to(torch.float64)
            alive.append(weakref.ref(frame))
            meter.add(0.9 * frame, truth=frame)
            del frame
        assert sum(ref() is not None for ref in alive) <= most, type(meter).__name__


def _double(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.float64)


@pytest.mark.parametrize("kind", [torch.Tensor.numpy, _double], ids=["numpy", "float64"])
def test_arrays_and_tensors_score_the_same(kind: Callable[[torch.Tensor], torch.Tensor]) -> None:
    truth, before = person(20, 20), person(19, 20, seed=1)
    matte, matte_before = 0.9 * person(21, 20, seed=2), 0.95 * before
    p, g, p0, g0 = (kind(x) for x in (matte, truth, matte_before, before))
    assert mad(p, truth=g) == mad(matte, truth=truth)
    assert sad(p, truth=g) == sad(matte, truth=truth)
    assert gradient_error(p, truth=g) == gradient_error(matte, truth=truth)
    assert connectivity_error(p, truth=g) == connectivity_error(matte, truth=truth)
    for error in (dtssd, messddt):
        found = error(p, truth=g, matte_before=p0, truth_before=g0)
        assert found == error(matte, truth=truth, matte_before=matte_before, truth_before=before)
    meters = MatteErrorMeter(), MatteErrorMeter()
    for a, b in ((p0, g0), (p, g)):
        meters[0].add(a, truth=b)
    for a, b in ((matte_before, before), (matte, truth)):
        meters[1].add(a, truth=b)
    assert meters[0].result() == meters[1].result()


def test_masks_may_be_tensors() -> None:
    one, two = box(5) > 0.5, box(6) > 0.5
    arrays = one.numpy(), two.numpy()
    assert boundary_f(one, truth=two) == boundary_f(arrays[0], truth=arrays[1])
    found = []
    for a, b in ((one, two), arrays):
        overlap, identity = OverlapMeter(["anna"], tracks=["one"]), Idf1Meter(["anna"], tracks=["one"])
        overlap.add({"anna": b}, tracks={"one": a})
        identity.add({"anna": b}, tracks={"one": a})
        found.append((overlap.result(), identity.result()))
    assert found[0] == found[1]


@pytest.mark.gpu
def test_a_gpu_scores_the_same() -> None:
    if not torch.cuda.is_available() and "VIMATTE_REQUIRE_CUDA" not in os.environ:
        pytest.skip("there is no CUDA device")
    truth, matte = person(20, 20), 0.9 * person(21, 20, seed=2)
    meters = MatteErrorMeter(), MatteErrorMeter()
    scores = []
    for device, meter in zip(("cpu", "cuda"), meters, strict=True):
        vimq, imq, released = VimqMeter("as_paper"), ImqMeter("as_paper"), ReleasedErrorMeter()
        for shift in range(5):
            p, g = (x.roll(shift, 1).to(device) for x in (matte, truth))
            meter.add(p, truth=g)
            vimq.add(p[None], truth=g[None])
            imq.add(p[None], truth=g[None])
            released.add(p[None], truth=g[None])
        averages = {name: tally.average for name, tally in released.result().items()}
        scores.append({**vimq.result().vimq, **imq.result().imq, **averages, **meter.result().to_dict()})
    for name, value in scores[0].items():
        assert scores[1][name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def test_cutting_to_where_alphas_differ_changes_nothing() -> None:
    """Errors in the middle of a picture are those of the whole picture, its borders included."""
    truth = person(30, 20)
    matte = truth.clone()
    matte[18:22, 28:31] *= 0.5
    rim = truth.clone()
    rim[0, 0], rim[-1, -1] = 0.5, 0.5
    corners = gradient_error(rim, truth=truth)
    both = torch.minimum(matte, torch.ones(()))
    both[0, 0], both[-1, -1] = 0.5, 0.5
    assert gradient_error(both, truth=truth) == pytest.approx(gradient_error(matte, truth=truth) + corners, rel=1e-9)
    whole = np.abs(matte.numpy().astype(np.float64) - truth.numpy()).mean()
    assert mad(matte, truth=truth) == pytest.approx(whole, rel=1e-12)
