from __future__ import annotations

import struct
from collections.abc import Generator, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vimatte.engine.errors import BackendError
from vimatte.engine.masks import Rle
from vimatte.engine.matting.rvm import Rvm, model
from vimatte.engine.matting.rvm.enlarge import enlarge
from vimatte.engine.matting.rvm.network import RvmNetwork
from vimatte.engine.matting.rvm.onnx_file import read_convolutions
from vimatte.engine.matting.rvm.weights import read_state
from vimatte.engine.registry import MATTING
from vimatte.engine.shot import Picture
from vimatte.engine.testing.matting_contract import crossing_shot, tracks_of
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import TrackSet


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name: str, values: np.ndarray, *, packed: bool = False, kind: int = 1) -> bytes:
    dims = (
        field(1, b"".join(varint(n) for n in values.shape)) if packed else b"".join(field(1, n) for n in values.shape)
    )
    return field(5, dims + field(2, kind) + field(8, name.encode()) + field(9, values.astype("<f4").tobytes()))


def node(op: str, *inputs: str) -> bytes:
    attribute = field(5, field(1, b"alpha") + varint(2 << 3 | 5) + struct.pack("<f", 0.5))
    return field(
        1, b"".join(field(1, i.encode()) for i in inputs) + field(2, b"out") + field(4, op.encode()) + attribute
    )


def onnx(*parts: bytes) -> bytes:
    return field(1, 6) + field(2, b"by hand") + field(7, b"".join(parts))


def onnx_of(network: RvmNetwork) -> bytes:
    """The network as the published file holds it: convolutions in the order of running, constants in any order."""
    nodes, tensors = [], []
    for index, module in enumerate(m for m in network.modules() if isinstance(m, nn.Conv2d)):
        inputs = [f"x{index}", f"w{index}"]
        tensors.append(tensor(f"w{index}", module.weight.detach().numpy(), packed=bool(index % 2)))
        if module.bias is not None:
            inputs.append(f"b{index}")
            tensors.append(tensor(f"b{index}", module.bias.detach().numpy()))
        nodes += [node("Conv", *inputs), node("Relu", f"y{index}")]
    return onnx(*tensors[::-1], *nodes)


@pytest.fixture(scope="module")
def network() -> RvmNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(11)
        return RvmNetwork().eval()


@pytest.fixture(scope="module")
def state(network: RvmNetwork) -> dict[str, Tensor]:
    return network.state_dict()


def test_convolutions_come_in_the_order_they_are_run_in_each_once(tmp_path: Path) -> None:
    one, two = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1), np.full((4, 1, 3, 3), 300, np.float32)
    path = tmp_path / "x.onnx"
    path.write_bytes(
        onnx(
            tensor("two", two, packed=True),
            node("Conv", "src", "two"),
            node("Mul", "one", "two"),
            node("Conv", "a", "one", "bias"),
            node("Conv", "b", "two"),
            tensor("bias", np.array([7, 8], np.float32)),
            tensor("one", one),
        )
    )
    first, second = read_convolutions(path)
    assert (first.name, second.name) == ("two", "one")
    assert first.bias is None
    assert second.bias is not None
    np.testing.assert_array_equal(first.weight, two)
    np.testing.assert_array_equal(second.weight, one)
    np.testing.assert_array_equal(second.bias, [7, 8])


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (b"", "not an ONNX file"),
        (b"\x80" * 30, "ten bytes"),
        (b"PK\x03\x04 a zip file, perhaps", "cannot be read"),
        (field(7, 5), "number where a message was expected"),
        (onnx(tensor("w", np.ones((1, 1, 1, 1))), node("Conv", "x", "w"))[:-9], "cut short"),
        (onnx(tensor("w", np.ones((1, 1, 1, 1)), kind=10), node("Conv", "x", "w")), "type 10"),
        (onnx(node("Conv", "x", "w")), "'w'"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, broken: bytes, said: str) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(broken)
    with pytest.raises(BackendError, match=said):
        read_convolutions(path)


def test_every_weight_of_the_file_reaches_its_place(network: RvmNetwork, tmp_path: Path) -> None:
    path = tmp_path / "rvm.onnx"
    path.write_bytes(onnx_of(network))
    found = read_state(path)
    wanted = network.state_dict()
    assert set(found) == set(wanted)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(onnx(tensor("w", np.ones((1, 1, 1, 1))), node("Conv", "x", "w")))
    with pytest.raises(BackendError, match="holds 1 convolutions"):
        read_state(path)


def test_the_number_of_weights_is_the_published_one(network: RvmNetwork) -> None:
    assert sum(p.numel() for p in network.parameters()) == 3_736_072
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == 82


@pytest.mark.parametrize("size", [(64, 96), (37, 53), (1, 1), (3, 130)])
def test_sizes_of_everything_whatever_the_size(network: RvmNetwork, size: tuple[int, int]) -> None:
    full = torch.rand(1, 3, 3 * size[0], 3 * size[1], generator=torch.Generator().manual_seed(0))
    small = nn.functional.interpolate(full, size=size, mode="bilinear", align_corners=False)
    with torch.inference_mode():
        found = network(full, small, None)
    assert found.alpha.shape == (1, 1, *full.shape[2:])
    assert found.foreground.shape == full.shape
    shapes = [tuple(h.shape[1:]) for h in found.state]
    expected = [tuple(-(-n // 2**i) for n in size) for i in (1, 2, 3, 4)]
    assert shapes == [(c, *s) for c, s in zip((16, 20, 40, 64), expected, strict=True)]


def test_no_state_is_a_state_of_zeros_and_a_state_matters(network: RvmNetwork) -> None:
    pictures = torch.rand(2, 1, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        first = network(pictures[0], pictures[0], None)
        fresh = network(pictures[1], pictures[1], None)
        zeros = network(pictures[1], pictures[1], tuple(torch.zeros_like(h) for h in first.state))
        after = network(pictures[1], pictures[1], first.state)
    assert torch.equal(fresh.state[0], zeros.state[0])
    assert not torch.allclose(fresh.state[0], after.state[0], atol=1e-4)


def test_missing_weights_are_one_sentence_with_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path))
    with pytest.raises(BackendError, match=r"vimatte weights pull rvm .*GPL-3\.0.*--matting classical"):
        Rvm()


def test_damaged_weights_are_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path))
    (tmp_path / "rvm").mkdir()
    (tmp_path / "rvm" / "rvm_mobilenetv3_fp32.onnx").write_bytes(b"something else")
    with pytest.raises(BackendError, match="sha256"):
        Rvm()


def test_weights_that_do_not_fit_are_refused(state: dict[str, Tensor]) -> None:
    with pytest.raises(BackendError, match="do not fit"):
        Rvm(state={k: v for k, v in state.items() if k != "project.bias"})


def test_settings_name_the_weights(state: dict[str, Tensor]) -> None:
    other = {**state, "project.bias": state["project.bias"] + 1}
    assert Rvm(state=state).settings["weights.rvm"] != Rvm(state=other).settings["weights.rvm"]


def test_is_in_the_table() -> None:
    assert MATTING.load("rvm") is Rvm


class Counted(MemoryShot):
    """Remembers which pictures were asked for."""

    def __init__(self, pictures: list[Picture]) -> None:
        super().__init__(pictures)
        self.read: list[int] = []

    def pictures(self, numbers: Iterable[int]) -> Generator[tuple[int, Picture]]:
        for number in numbers:
            self.read.append(number)
            yield number, self.picture(number)


@pytest.fixture
def crossing() -> tuple[Counted, TrackSet]:
    pictures, alphas = crossing_shot(11, height=40, width=56)
    return Counted(pictures), tracks_of([[a > 0.5 for a in f] for f in alphas], height=40, width=56)


def test_states_begin_where_the_shot_says(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor], crossing: tuple[Counted, TrackSet]
) -> None:
    monkeypatch.setattr(model, "_LENGTH", 4)
    monkeypatch.setattr(model, "_WARM_UP", 2)
    shot, tracks = crossing
    rvm = Rvm(state=state)
    whole = {m.number: m.alphas.tobytes() for m in rvm.mattes(shot, tracks, shot.frames.numbers)}
    assert shot.read == [1001, 1002, 1003, 1004, *range(1003, 1009), *range(1007, 1012)]
    shot.read.clear()
    for chunk in ([1006], [1001, 1011], [1004, 1005], list(range(1007, 1011))):
        for mattes in rvm.mattes(shot, tracks, chunk):
            assert mattes.alphas.tobytes() == whole[mattes.number]
    assert shot.read[:4] == [1003, 1004, 1005, 1006]


def test_large_plates_are_looked_at_small_and_matted_at_full_size(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor], crossing: tuple[Counted, TrackSet]
) -> None:
    monkeypatch.setattr(model, "_LONG_SIDE", 28)
    rvm = Rvm(state=state)
    seen = []
    rvm._network.register_forward_pre_hook(lambda _, given: seen.append([tuple(g.shape[2:]) for g in given[:2]]))
    shot, tracks = crossing
    (mattes,) = rvm.mattes(shot, tracks, [1001])
    assert seen == [[(40, 56), (20, 28)]]
    assert mattes.alphas.shape == (2, 40, 56)
    assert mattes.alphas.any(axis=(1, 2)).all()


def test_other_masks_on_other_frames_change_nothing(
    state: dict[str, Tensor], crossing: tuple[Counted, TrackSet]
) -> None:
    shot, tracks = crossing
    one = tracks.ids[0]
    nobody = {n: r for n, r in tracks.masks[one].items() if n == 1003}
    alone = TrackSet(
        width=56, height=40, frames=tracks.frames, instances=tracks.instances, masks={**tracks.masks, one: nobody}
    )
    (before,), (after,) = (list(Rvm(state=state).mattes(shot, t, [1003])) for t in (tracks, alone))
    np.testing.assert_array_equal(before.alphas, after.alphas)


def test_a_person_who_is_away_has_zeros_and_the_network_goes_on(
    state: dict[str, Tensor], crossing: tuple[Counted, TrackSet]
) -> None:
    shot, tracks = crossing
    one = tracks.ids[1]
    empty = {one: {1002: Rle.encode(tracks.mask(one, 1002))}}
    away = TrackSet(width=56, height=40, frames=tracks.frames, instances=tracks.instances, masks=empty)
    mattes = list(Rvm(state=state).mattes(shot, away, [1001, 1002, 1003]))
    assert [m.alphas.any(axis=(1, 2)).tolist() for m in mattes] == [[False, False], [False, True], [False, False]]
    (_, with_all, _) = Rvm(state=state).mattes(shot, tracks, [1001, 1002, 1003])
    assert with_all.alphas.any(axis=(1, 2)).all()


def test_enlarging_finds_the_detail_of_the_full_alpha_again() -> None:
    y, x = np.mgrid[:96, :128].astype(np.float32)
    stripes = ((x // 3) % 2 == 0) & (np.abs(y - 48) < 40) & (np.abs(x - 64) < 50)
    truth = cv2.GaussianBlur(stripes.astype(np.float32), (0, 0), 0.7)
    picture = truth[..., None] * np.array([0.7, 0.3, 0.2], np.float32) + (1 - truth[..., None]) * np.float32(0.4)
    small = cv2.resize(truth, (32, 24), interpolation=cv2.INTER_AREA)
    (found,) = enlarge(picture.astype(np.float32), truth, small[None])
    plain = cv2.resize(small, (128, 96), interpolation=cv2.INTER_LINEAR)
    assert np.abs(found - truth).mean() < 0.2 * np.abs(plain - truth).mean()


def test_enlarging_follows_the_people_where_they_left_the_alpha() -> None:
    alpha = np.zeros((64, 64), np.float32)
    divided = np.zeros((2, 32, 32), np.float32)
    divided[0, 8:24, 8:24] = 1
    picture = np.full((64, 64, 3), 0.3, np.float32)
    picture[16:48, 16:48] = 0.8
    found = enlarge(picture, alpha, divided)
    assert found[0, 20:44, 20:44].min() > 0.99
    assert found[1].max() == 0
