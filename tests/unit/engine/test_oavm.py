from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import permutations

import cv2
import numpy as np
import OpenImageIO as oiio
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from vimatte.engine.checkpoints import digest_of
from vimatte.engine.errors import BackendError, ConfigError
from vimatte.engine.masks import BoolMask, Rle
from vimatte.engine.matting.oavm import Oavm, OavmConfig, model
from vimatte.engine.matting.oavm.attention import attend, attend_near, sine_positions
from vimatte.engine.matting.oavm.correction import Correction, guidance_of
from vimatte.engine.matting.oavm.losses import alpha_loss, instance_loss, mask_loss
from vimatte.engine.matting.oavm.matching import Memory, PixelMatching
from vimatte.engine.matting.oavm.merging import Clip, merge, random_merge
from vimatte.engine.matting.oavm.network import OavmNetwork, OavmState
from vimatte.engine.matting.oavm.objects import Instances
from vimatte.engine.matting.oavm.people import Group, kept, newcomers, present
from vimatte.engine.matting.oavm.weights import load_backbone, load_network
from vimatte.engine.registry import MATTING
from vimatte.engine.testing.matting_contract import crossing_shot, tracks_of
from vimatte.engine.testing.shots import MemoryShot

from support.cli_runner import vim_batch

SMALL = OavmConfig(width=32, queries=4, heads=4)
H, W = 48, 64


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(11)
        yield


@cache
def small_weights() -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return OavmNetwork(SMALL).state_dict()


def small_network() -> OavmNetwork:
    network = OavmNetwork(SMALL)
    network.load_state_dict(small_weights())
    return network.eval()


def clip(frames: int) -> Tensor:
    return torch.randn(frames, 3, H, W)


def two_masks() -> Tensor:
    masks = torch.zeros(1, 2, H, W)
    masks[0, 0, :32, :32] = 1.0
    masks[0, 1, 16:, 32:] = 1.0
    return masks


def run(network: OavmNetwork, pictures: Tensor, masks: Tensor) -> tuple[list[Tensor], OavmState]:
    state = network.start(masks)
    alphas = []
    for picture in pictures:
        found, state = network(network.encode(picture[None]), state)
        alphas.append(found.alpha_BNHW)
    return alphas, state


# -- attention ---------------------------------------------------------------------------------------------------------


def naive_near(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """Equation 4 as it is written, one cell at a time."""
    _, h, w, channels = query.shape
    half = window // 2
    rows = []
    for y in range(h):
        for x in range(w):
            area = slice(max(0, y - half), y + half + 1), slice(max(0, x - half), x + half + 1)
            keys, values = (t[:, area[0], area[1]].flatten(1, 2) for t in (key, value))
            weights = torch.softmax(keys @ query[:, y, x, :, None] / channels**0.5, dim=1)
            rows.append((weights * values).sum(1))
    return torch.stack(rows, 1).unflatten(1, (h, w))


@pytest.mark.parametrize("window", [1, 3, 15])
@pytest.mark.parametrize("size", [(1, 1), (3, 17), (8, 8), (19, 10)])
def test_local_attention_is_exact_and_so_are_its_gradients(size: tuple[int, int], window: int) -> None:
    query, key = (torch.randn(2, *size, 6, dtype=torch.float64, requires_grad=True) for _ in range(2))
    value = torch.randn(2, *size, 5, dtype=torch.float64, requires_grad=True)
    found, wanted = attend_near(query, key, value, window=window), naive_near(query, key, value, window)
    assert torch.allclose(found, wanted, atol=1e-12)
    weights = torch.randn_like(wanted)
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), (query, key, value)),
        torch.autograd.grad((wanted * weights).sum(), (query, key, value)),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-12)


def test_global_attention_in_blocks_is_exact() -> None:
    query, key = torch.randn(2, 1030, 6, dtype=torch.float64), torch.randn(2, 50, 6, dtype=torch.float64)
    value = torch.randn(2, 50, 3, dtype=torch.float64)
    wanted = torch.softmax(query @ key.transpose(1, 2) / 6**0.5, dim=2) @ value
    assert torch.allclose(attend(query, key, value), wanted, atol=1e-12)


class _Largest(TorchDispatchMode):
    """Remembers the size of the largest tensor that anything gives."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.numbers = max(self.numbers, out.numel())
        return out


def test_no_attention_makes_a_matrix_of_all_cells_by_all_cells() -> None:
    """On the meta device, at the cells of 1920x1088 and 3840x2176: four times the cells."""
    largest: dict[str, list[int]] = {"near": [], "far": []}
    for h, w in ((68, 120), (136, 240)):
        query = torch.empty(1, h, w, 128, device="meta")
        value = torch.empty(1, h, w, 130, device="meta")
        with _Largest() as seen:
            attend_near(query, query, value, window=15)
        largest["near"].append(seen.numbers)
        with _Largest() as seen:
            attend(query.flatten(1, 2), query.flatten(1, 2), value.flatten(1, 2))
        largest["far"].append(seen.numbers)
    assert largest["far"] == [1024 * 8160, 1024 * 32640]
    assert largest["near"][0] < 8160 * 8160 / 20
    assert largest["near"][1] < 4.2 * largest["near"][0]


def test_positions_differ_everywhere_and_do_not_depend_on_the_scale() -> None:
    places = sine_positions(6, 9, 32, device=torch.device("cpu"))
    assert places.shape == (54, 32)
    assert torch.cdist(places, places).add(torch.eye(54) * 9).min() > 0.05
    # The lower right cell is at 2 pi in both, whatever the number of cells.
    assert torch.allclose(places[-1], sine_positions(3, 4, 32, device=torch.device("cpu"))[-1], atol=1e-5)


# -- matching ----------------------------------------------------------------------------------------------------------


def test_matching_is_equation_2_for_each_person() -> None:
    matching = PixelMatching(5, width=8, window=3).double()
    now, then = (matching.cells(torch.randn(1, 5, 4, 6, dtype=torch.float64)) for _ in range(2))
    memories = [
        Memory(key_BPC=c.key_BPC, value_BPC=c.value_BPC, mask_BNP=torch.rand(1, 3, 24, dtype=torch.float64))
        for c in (then, now)
    ]
    found = matching.match(now, long=memories[0], short=memories[1])
    for person in range(3):
        values = [m.value_BPC + matching.foreground(m.mask_BNP[:, person, :, None]) for m in memories]
        far = torch.softmax(now.query_BPC @ memories[0].key_BPC.transpose(1, 2) / 8**0.5, dim=2) @ values[0]
        near = naive_near(*(x.unflatten(1, (4, 6)) for x in (now.query_BPC, memories[1].key_BPC, values[1])), 3)
        wanted = matching.norm(now.feature_BPC + matching.far(far) + matching.near(near.flatten(1, 2)))
        assert torch.allclose(found[:, person], wanted, atol=1e-12)


def test_the_first_frame_attends_to_itself_and_to_the_given_mask() -> None:
    network = small_network()
    first, other = (network.encode(p[None]) for p in clip(2))
    start = network.start(two_masks())

    def own(cells, mask):
        return Memory(key_BPC=cells.key_BPC, value_BPC=cells.value_BPC, mask_BNP=mask)

    found, after = network(first, start)
    itself = own(first.cells, start.mask_BNP)
    same, _ = network(first, replace(start, long=itself, short=itself))
    assert torch.equal(found.alpha_BNHW, same.alpha_BNHW)
    elsewhere = own(other.cells, start.mask_BNP)
    for changed in (replace(start, long=elsewhere, short=itself), replace(start, long=itself, short=elsewhere)):
        assert not torch.allclose(network(first, changed)[0].alpha_BNHW, found.alpha_BNHW, atol=1e-5)
    assert after.long is not None
    assert torch.equal(after.long.key_BPC, first.cells.key_BPC)
    assert after.short is after.long


def test_the_first_frame_stays_in_memory_and_the_last_one_is_replaced() -> None:
    network = small_network()
    frames = [network.encode(p[None]) for p in clip(3)]
    state = network.start(two_masks())
    for frame in frames:
        found, state = network(frame, state)
    assert state.long is not None
    assert state.short is not None
    assert torch.equal(state.long.key_BPC, frames[0].cells.key_BPC)
    assert torch.equal(state.short.key_BPC, frames[2].cells.key_BPC)
    small = nn.functional.avg_pool2d(torch.sigmoid(found.mask_logits_BNHW), 16).flatten(2)
    assert torch.equal(state.mask_BNP, small)
    assert torch.equal(state.short.mask_BNP, small)


# -- guidance ----------------------------------------------------------------------------------------------------------


def test_guidance_is_the_dilated_mask_above_a_half() -> None:
    mask = torch.zeros(1, 2, 5, 6)
    mask[0, 0, 2, 3] = 0.6
    mask[0, 0, 0, 0] = 0.5
    seen = guidance_of(mask.flatten(2), (5, 6), dilation=3).unflatten(2, (5, 6))
    wanted = torch.zeros(5, 6, dtype=torch.bool)
    wanted[1:4, 2:5] = True
    assert torch.equal(seen[0, 0], wanted)
    assert seen[0, 1].all(), "an empty mask hides nothing"
    assert guidance_of(mask.flatten(2), (5, 6), dilation=1)[0, 0].sum() == 1


@pytest.mark.parametrize("guided", [True, False])
def test_guidance_hides_everything_outside_from_the_queries(guided: bool) -> None:
    correction = Correction(16, queries=3, heads=4, dilation=3 if guided else None)
    told: list[Tensor] = []
    correction.look.register_forward_hook(lambda _m, _i, out: told.append(out))
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:4, 2:4] = 1.0
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[1:5, 1:5] = True
    feature, objects = torch.randn(1, 1, 64, 16), torch.randn(1, 3, 16)
    for where in (None, ~inside, inside):
        changed = feature.clone()
        if where is not None:
            changed[:, :, where.flatten()] += 1.0
        correction(changed, objects, last_mask_BNP=mask.flatten(2), grid=(8, 8))
    plain, outside_changed, inside_changed = told
    assert torch.equal(plain, outside_changed) == guided
    assert not torch.allclose(plain, inside_changed, atol=1e-4)


# -- the whole network -------------------------------------------------------------------------------------------------


def test_two_people_swapped_give_swapped_mattes() -> None:
    network = small_network()
    pictures, masks = clip(3), two_masks()
    with torch.no_grad():
        # Untrained, a network that looks at everything evenly hardly tells people apart.
        network.matching.foreground.weight *= 100.0
        network.matching.query.weight *= 5.0
        one, _ = run(network, pictures, masks)
        other, _ = run(network, pictures, masks.flip(1))
        alone, _ = run(network, pictures, masks[:, 1:])
    for a, b, c in zip(one, other, alone, strict=True):
        assert not torch.allclose(a[:, 0], a[:, 1], atol=1e-3), "people with other masks get other mattes"
        assert torch.allclose(a, b.flip(1), atol=1e-5)
        assert torch.allclose(a[:, 1:], c, atol=1e-5)


def test_a_longer_clip_costs_as_many_times_more_and_remembers_no_more() -> None:
    network = small_network().requires_grad_(False)
    costs, sizes = [], []
    for frames in (2, 4, 8):
        with FlopCounterMode(display=False) as counter:
            _, state = run(network, clip(frames), two_masks())
        costs.append(counter.get_total_flops())
        assert state.long is not None
        assert state.short is not None
        sizes.append(sum(t.numel() for m in (state.long, state.short) for t in (m.key_BPC, m.value_BPC, m.mask_BNP)))
    assert costs[1] == 2 * costs[0]
    assert costs[2] == 4 * costs[0]
    assert len(set(sizes)) == 1


def test_several_clips_at_once_are_what_each_is_alone() -> None:
    network = small_network()
    pictures, masks = torch.randn(2, 2, 3, H, W), torch.cat([two_masks(), two_masks().flip(1)])
    with torch.no_grad():
        every = network.encode(pictures.flatten(0, 1))
        state = network.start(masks)
        for at in range(2):
            found, state = network(every.clip([at, 2 + at]), state)
        for row in range(2):
            alone, _ = run(network, pictures[row], masks[row : row + 1])
            assert torch.allclose(found.alpha_BNHW[row : row + 1], alone[-1], atol=1e-5)


CONFIGS = {
    "whole": SMALL,
    "no guidance": replace(SMALL, guidance=False),
    "queries without correction": replace(SMALL, correction=False),
    "neither": replace(SMALL, object_queries=False, correction=False),
    "resnet50": replace(SMALL, backbone="resnet50"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_every_parameter_learns(name: str) -> None:
    network = OavmNetwork(CONFIGS[name]).train()
    pictures, masks = clip(3), two_masks()
    frames = network.encode(pictures, instances=True)
    loss = instance_loss(frames.instances, masks.expand(3, -1, -1, -1)) if frames.instances else torch.zeros(())
    state = network.start(masks)
    for at in range(3):
        found, state = network(frames.clip([at]), state)
        loss = loss + alpha_loss(found.alpha_BNHW, masks) + mask_loss(found.mask_logits_BNHW, masks)
    loss.backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    still += [n for n, p in network.named_parameters() if p.grad is not None and not p.grad.any()]
    assert still == []
    assert len(frames.instances) == (4 if CONFIGS[name].object_queries else 0)


def test_what_the_queries_say_is_made_only_when_asked_for() -> None:
    network = small_network()
    with torch.no_grad():
        plain, told = (network.encode(clip(1), instances=asked) for asked in (False, True))
    assert plain.instances == ()
    assert [i.masks_BOhw.shape for i in told.instances] == [(1, 4, H // 4, W // 4)] * 4
    assert [i.logits_BOK.shape for i in told.instances] == [(1, 4, 2)] * 4


def test_ablations_take_their_parts_out() -> None:
    def parts(config: OavmConfig) -> set[str]:
        return {key.partition(".")[0] for key in OavmNetwork(config).state_dict()}

    every = {"backbone", "matching", "objects", "correction", "decoder"}
    assert parts(CONFIGS["whole"]) == parts(CONFIGS["no guidance"]) == parts(CONFIGS["resnet50"]) == every
    assert parts(CONFIGS["queries without correction"]) == every - {"correction"} | {"recall"}
    assert parts(CONFIGS["neither"]) == every - {"objects", "correction"}


def test_sizes_of_the_paper() -> None:
    config = OavmConfig()
    assert (config.width, config.window, config.dilation) == (128, 15, 3)
    with torch.device("meta"):
        assert len(OavmNetwork().objects.layers) == 3


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"object_queries": False}, "object queries"),
        ({"dilation": 2}, "dilation"),
        ({"window": 0}, "window"),
        ({"width": 30}, "width"),
        ({"queries": 0}, "query"),
    ],
)
def test_shapes_that_cannot_be_are_refused(wrong: dict[str, int], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        OavmConfig(**wrong)


def test_pictures_that_are_no_multiples_of_16_are_refused() -> None:
    with pytest.raises(ValueError, match="40x48"):
        small_network().encode(torch.zeros(1, 3, 48, 40))


# -- weights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backbone", "parameters", "keys"),
    [
        # torchvision's published counts less the classifiers': 5,483,032 - 2,511,080 and 25,557,032 - 2,049,000.
        (
            "mobilenet_v3_large",
            2_971_952,
            {
                "features.0.0.weight": (16, 3, 3, 3),
                "features.1.block.0.0.weight": (16, 1, 3, 3),
                "features.1.block.1.1.running_var": (16,),
                "features.4.block.2.fc1.weight": (24, 72, 1, 1),
                "features.4.block.3.0.weight": (40, 72, 1, 1),
                "features.13.block.1.0.weight": (672, 1, 5, 5),
                "features.16.1.bias": (960,),
            },
        ),
        (
            "resnet50",
            23_508_032,
            {
                "conv1.weight": (64, 3, 7, 7),
                "bn1.running_mean": (64,),
                "layer1.0.downsample.0.weight": (256, 64, 1, 1),
                "layer3.5.conv2.weight": (256, 256, 3, 3),
                "layer4.2.bn3.weight": (2048,),
            },
        ),
    ],
)
def test_backbones_have_the_keys_of_torchvisions_files(
    backbone: str, parameters: int, keys: dict[str, tuple[int, ...]]
) -> None:
    network = OavmNetwork(replace(SMALL, backbone=backbone))
    assert sum(p.numel() for p in network.backbone.parameters()) == parameters
    state = network.backbone.state_dict()
    assert {key: tuple(state[key].shape) for key in keys} == keys
    published = {k: torch.randn_like(v) for k, v in state.items() if not k.endswith("num_batches_tracked")}
    load_backbone(network, {**published, "classifier.0.weight": torch.zeros(2), "fc.bias": torch.zeros(2)})
    assert all(torch.equal(network.backbone.state_dict()[k], v) for k, v in published.items())
    published.pop(next(iter(keys)))
    with pytest.raises(BackendError, match=next(iter(keys))):
        load_backbone(network, published)


def test_backbones_halve_the_picture_four_times() -> None:
    for name in ("mobilenet_v3_large", "resnet50"):
        backbone = OavmNetwork(replace(SMALL, backbone=name)).backbone.eval()
        with torch.no_grad():
            features = backbone(clip(1))
        assert [f.shape for f in features] == [
            (1, c, H // s, W // s) for c, s in zip(backbone.channels, (2, 4, 8, 16), strict=True)
        ]


def test_weights_that_do_not_fit_are_refused_in_one_sentence() -> None:
    with pytest.raises(BackendError, match=r"objects\.queries") as error:
        load_network(OavmNetwork(SMALL), OavmNetwork(CONFIGS["neither"]).state_dict())
    assert "\n" not in str(error.value)


def test_weights_come_from_the_cache_and_their_digest_goes_into_the_header(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path))
    with pytest.raises(BackendError, match="vimatte weights import oavm"):
        MATTING.load("oavm")(device="cpu")
    (tmp_path / "oavm").mkdir()
    save_file(OavmNetwork().state_dict(), tmp_path / "oavm" / "model.safetensors")
    assert len(str(Oavm(device="cpu").settings["weights.oavm"])) == 64


def test_digests_tell_weights_apart() -> None:
    weights = small_weights()
    other = {**weights, "objects.queries": weights["objects.queries"] + 1e-6}
    assert digest_of(weights) == digest_of(dict(reversed(weights.items()))) != digest_of(other)


# -- people ------------------------------------------------------------------------------------------------------------


def test_who_leaves_is_dropped_and_who_comes_begins_in_a_group_of_their_own() -> None:
    memory = Memory(
        key_BPC=torch.zeros(1, 4, 2), value_BPC=torch.zeros(1, 4, 2), mask_BNP=torch.arange(3.0)[None, :, None]
    )
    group = Group((2, 5, 8), OavmState(mask_BNP=memory.mask_BNP, long=memory, short=memory))
    assert kept([group], [2, 5, 8, 11]) == [group]
    assert kept([group], [11]) == []
    (left,) = kept([group], [8, 2])
    assert left.ids == (2, 8)
    assert left.state.short is not None
    assert left.state.short.mask_BNP.flatten().tolist() == left.state.mask_BNP.flatten().tolist() == [0.0, 2.0]
    assert newcomers([left], [1, 2, 3, 5, 8, 9], most=3) == [(1, 3, 5), (9,)]
    assert newcomers([left], [2, 8], most=3) == []


def moving(frames: int) -> tuple[MemoryShot, list[list[BoolMask | None]], tuple[int, int]]:
    pictures, alphas = crossing_shot(frames, height=H, width=W)
    return MemoryShot(pictures), [[a > 0.5 for a in on_frame] for on_frame in alphas], (H, W)


def mattes(shot, tracks, frames=None) -> dict[int, np.ndarray]:
    one = Oavm(state=small_weights(), config=SMALL)
    return {m.number: m.alphas for m in one.mattes(shot, tracks, list(shot.frames) if frames is None else frames)}


def test_any_chunking_over_several_stretches_gives_the_same_bytes(monkeypatch) -> None:
    monkeypatch.setattr(model, "_LENGTH", 3)
    monkeypatch.setattr(model, "_WARM_UP", 2)
    shot, masks, (height, width) = moving(8)
    masks[1][0] = masks[4][1] = masks[5][1] = None
    tracks = tracks_of(masks, height=height, width=width)
    whole = mattes(shot, tracks)
    numbers = list(shot.frames)
    for chunk in (numbers[:2], numbers[2:], numbers[4:5], [numbers[0], numbers[7]], numbers[1::3]):
        for number, alphas in mattes(shot, tracks, chunk).items():
            assert alphas.tobytes() == whole[number].tobytes(), f"frame {number} of {chunk}"


def test_masks_count_where_a_stretch_begins_and_nowhere_else(monkeypatch) -> None:
    """Stretches 1001-1003 and 1004-1006, the second warmed up from 1003: frames 1001 and 1003 are beginnings."""
    monkeypatch.setattr(model, "_LENGTH", 3)
    monkeypatch.setattr(model, "_WARM_UP", 1)
    shot, masks, (height, width) = moving(6)
    tracks = tracks_of(masks, height=height, width=width)
    before = mattes(shot, tracks)
    one = tracks.ids[0]
    for changed, felt in ((1001, {1001, 1002, 1003}), (1002, set()), (1003, {1004, 1005, 1006}), (1004, set())):
        other = Rle.encode(np.roll(tracks.mask(one, changed), 20, axis=1))
        after = mattes(shot, replace(tracks, masks={**tracks.masks, one: {**tracks.masks[one], changed: other}}))
        assert {n for n in before if not np.array_equal(before[n], after[n])} == felt


def test_who_comes_back_begins_anew_from_that_mask() -> None:
    shot, masks, (height, width) = moving(5)
    masks[2][0] = None
    tracks = tracks_of(masks, height=height, width=width)
    one = tracks.ids[0]
    before = mattes(shot, tracks)
    other = Rle.encode(np.roll(tracks.mask(one, 1004), 20, axis=1))
    after = mattes(shot, replace(tracks, masks={**tracks.masks, one: {**tracks.masks[one], 1004: other}}))
    assert not before[1003][0].any()
    assert {n for n in before if not np.array_equal(before[n], after[n])} == {1004, 1005}


def test_people_in_several_batches_get_the_mattes_they_get_in_one(monkeypatch) -> None:
    shot, masks, (height, width) = moving(3)
    many = [on_frame * 3 for on_frame in masks]
    tracks = tracks_of(many, height=height, width=width)
    together = mattes(shot, tracks)
    monkeypatch.setattr(model, "_PIXELS_AT_ONCE", 4 * height * width)
    for number, alphas in mattes(shot, tracks).items():
        assert np.allclose(alphas, together[number], atol=1e-4)
        assert np.allclose(alphas[0], alphas[2], atol=1e-4)
        assert np.allclose(alphas[0], alphas[4], atol=1e-4)


def test_presence_is_a_mask_on_the_frame() -> None:
    _, masks, (height, width) = moving(2)
    masks[1][0] = None
    tracks = tracks_of(masks, height=height, width=width)
    assert (present(tracks, 1001), present(tracks, 1002), present(tracks, 7)) == (tracks.ids, tracks.ids[1:], ())


@pytest.mark.footage
def test_the_command_runs_on_filmed_people(footage, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path))
    (tmp_path / "oavm").mkdir()
    save_file(OavmNetwork().state_dict(), tmp_path / "oavm" / "model.safetensors")
    (tmp_path / "masks").mkdir()
    for name, left in (("boy", 150), ("girl", 340)):
        mask = np.zeros((540, 960), np.uint8)
        mask[150:400, left : left + 120] = 255
        assert cv2.imwrite(str(tmp_path / "masks" / f"{name}.png"), mask)
    shot = footage / "clip_sam2_bedroom" / "bedroom.mp4"
    options = ["--masks", tmp_path / "masks", "--matting", "oavm", "--frames", "1001-1002", "--proxy", "4"]
    run = vim_batch(shot, "--out", tmp_path / "layers.exr", "--device", "cpu", *options)
    assert run.code == 0, run.err
    for number in (1001, 1002):
        image = oiio.ImageInput.open(str(tmp_path / f"layers.{number}.exr"))
        assert list(image.spec().channelnames) == ["R", "G", "B", "A", "boy.A", "girl.A"]
        assert "weights.oavm" in image.spec().getattribute("vimatte/models")
        image.close()


# -- training ----------------------------------------------------------------------------------------------------------


def test_losses_are_least_for_the_truth() -> None:
    true = two_masks()
    wrong = true.roll(9, dims=3)
    assert alpha_loss(true, true) == 0
    assert alpha_loss(wrong, true) > alpha_loss(true * 0.9, true) > 0
    sure = true * 40 - 20
    assert mask_loss(sure, true) < 1e-3
    assert mask_loss(-sure, true) > 10
    assert alpha_loss(torch.ones(1, 1, 3, 3), torch.zeros(1, 1, 3, 3)) > 1, "small pictures have fewer levels"


def test_object_queries_are_assigned_one_to_one_at_least_cost() -> None:
    """The loss is that of the best of all assignments, whatever the order of queries and objects; nobody counts not."""
    true = two_masks()
    small = nn.functional.interpolate(true, scale_factor=0.25, mode="area")
    logits = torch.tensor([[[0.0, 0.0], [4.0, -4.0], [-4.0, 4.0], [4.0, -4.0]]])
    masks = torch.randn(1, 4, H // 4, W // 4)
    masks[:, [1, 3]] = (small * 10 - 5).flip(1)
    losses = [
        instance_loss([Instances(logits_BOK=logits[:, list(order)], masks_BOhw=masks[:, list(order)])], objects)
        for order in permutations(range(4))
        for objects in (true, true.flip(1), torch.cat([true, torch.zeros(1, 1, H, W)], dim=1))
    ]
    assert max(losses) - min(losses) < 1e-4
    # Both found, one undecided query among four: its class alone costs.
    assert losses[0] < 0.5
    worse = instance_loss([Instances(logits_BOK=logits, masks_BOhw=-masks)], true)
    assert worse > 10 * losses[0]
    nobody = instance_loss([Instances(logits_BOK=logits, masks_BOhw=masks)], torch.zeros(1, 2, H, W))
    assert nobody.isfinite()


def test_merging_is_equations_8_to_10() -> None:
    chance = np.random.default_rng(3)
    first, second = (
        Clip(colour=chance.random((2, 4, 5, 3), np.float32), alpha=chance.random((2, 4, 5), np.float32))
        for _ in range(2)
    )
    background = chance.random((2, 4, 5, 3), np.float32)
    a1, a2 = first.alpha[..., None], second.alpha[..., None]
    behind = a2 * second.colour + (1 - a2) * background
    for together in (False, True):
        found = merge(first, second, background, together=together)
        assert np.allclose(found.pictures, a1 * first.colour + (1 - a1) * behind, atol=1e-6)
        union = first.alpha + second.alpha - first.alpha * second.alpha
        assert np.allclose(found.alpha, union if together else first.alpha, atol=1e-6)
        assert np.array_equal(found.masks, np.stack([first.alpha > 0.5, second.alpha > 0.5]))
    alone = merge(first, None, background)
    assert np.allclose(alone.pictures, a1 * first.colour + (1 - a1) * background, atol=1e-6)
    assert alone.masks.shape == (1, 2, 4, 5)


def test_merging_is_as_frequent_as_in_the_paper() -> None:
    ones = np.ones((1, 1, 1), np.float32)
    first = Clip(colour=ones[..., None].repeat(3, -1), alpha=ones * 0.5)
    chance = np.random.default_rng(4)
    found = [random_merge(first, first, np.zeros((1, 1, 1, 3), np.float32), chance=chance) for _ in range(2000)]
    merged = [m for m in found if len(m.masks) == 2]
    assert abs(len(merged) / 2000 - 0.4) < 0.04
    assert abs(sum(float(m.alpha[0, 0, 0]) == 0.5 for m in merged) / len(merged) - 0.5) < 0.06
