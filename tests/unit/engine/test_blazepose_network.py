"""The reader and runner of TensorFlow Lite graphs, on tiny hand-made graphs; no weights needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

from vimatte.engine.errors import BackendError
from vimatte.engine.vis.blazepose.flatbuffer import Graph, Op, read_graph
from vimatte.engine.vis.blazepose.network import Network

RELU6, SAME, VALID = 3, 0, 1


def run(
    ops: list[Op], shapes: dict[int, tuple[int, ...]], constants: dict[int, NDArray[np.generic]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    graph = Graph(ops=tuple(ops), constants=constants, shapes=shapes, input=0, outputs=(ops[-1].output,))
    values = np.random.default_rng(1).standard_normal(shapes[0]).astype(np.float32)
    (out,) = Network(graph)(torch.from_numpy(values))
    assert tuple(out.shape) == shapes[ops[-1].output]
    return values, out.numpy()


def conv_options(padding: int, stride: int, activation: int = 0) -> dict[str, int]:
    return {
        "Padding": padding,
        "StrideH": stride,
        "StrideW": stride,
        "DilationHFactor": 1,
        "DilationWFactor": 1,
        "FusedActivationFunction": activation,
    }


def windows(values: NDArray[np.float32], size: int, stride: int, pads: tuple[int, int]) -> NDArray[np.float32]:
    """(out, out, size, size, c) windows of (1, n, n, c) padded by (before, after) zeros."""
    padded = np.pad(values[0], (pads, pads, (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))
    return view[::stride, ::stride].transpose(0, 1, 3, 4, 2)


@pytest.mark.parametrize(("stride", "pads"), [(1, (1, 1)), (2, (0, 1))])
def test_convolution_pads_as_tensorflow_does(stride: int, pads: tuple[int, int]) -> None:
    weight = np.random.default_rng(2).standard_normal((5, 3, 3, 2)).astype(np.float32)
    bias = np.arange(5, dtype=np.float32)
    size = 8 // stride
    values, out = run(
        [Op("CONV_2D", (0, 1, 2), 3, conv_options(SAME, stride, RELU6))],
        {0: (1, 8, 8, 2), 3: (1, size, size, 5)},
        {1: weight, 2: bias},
    )
    expected = np.einsum("yxijc,oijc->yxo", windows(values, 3, stride, pads), weight) + bias
    np.testing.assert_allclose(out[0], np.clip(expected, 0, 6), atol=1e-5)


def test_depthwise_convolution() -> None:
    weight = np.random.default_rng(2).standard_normal((1, 3, 3, 4)).astype(np.float16)
    values, out = run(
        [Op("DEPTHWISE_CONV_2D", (0, 1, 2), 3, conv_options(VALID, 1))],
        {0: (1, 6, 6, 4), 3: (1, 4, 4, 4)},
        {1: weight, 2: np.zeros(4, np.float32)},
    )
    expected = np.einsum("yxijc,ijc->yxc", windows(values, 3, 1, (0, 0)), weight[0].astype(np.float32))
    np.testing.assert_allclose(out[0], expected, atol=1e-5)


def test_depth_to_space_takes_channels_in_tensorflow_order() -> None:
    values, out = run([Op("DEPTH_TO_SPACE", (0,), 1, {"BlockSize": 2})], {0: (1, 2, 3, 8), 1: (1, 4, 6, 2)}, {})
    expected = values.reshape(1, 2, 3, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(1, 4, 6, 2)
    np.testing.assert_array_equal(out, expected)


def test_reshape_and_concatenation_keep_the_files_order() -> None:
    values, out = run(
        [Op("RESHAPE", (0,), 1, {}), Op("CONCATENATION", (1, 1), 2, {"Axis": 1, "FusedActivationFunction": 0})],
        {0: (1, 2, 2, 6), 1: (1, 8, 3), 2: (1, 16, 3)},
        {},
    )
    np.testing.assert_array_equal(out, np.concatenate([values.reshape(1, 8, 3)] * 2, axis=1))


def test_pad_resize_add_and_sigmoid() -> None:
    pads = np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32)
    values, out = run(
        [
            Op("PAD", (0, 1), 2, {}),
            Op("RESIZE_BILINEAR", (2, 3), 4, {"AlignCorners": 0, "HalfPixelCenters": 1}),
            Op("ADD", (4, 4), 5, {"FusedActivationFunction": 0}),
            Op("LOGISTIC", (5,), 6, {}),
        ],
        {0: (1, 3, 4, 2), 2: (1, 6, 5, 2), 4: (1, 12, 10, 2), 5: (1, 12, 10, 2), 6: (1, 12, 10, 2)},
        {1: pads, 3: np.array([12, 10], np.int32)},
    )
    padded = torch.from_numpy(np.pad(values, pads)).permute(0, 3, 1, 2)
    resized = F.interpolate(padded, size=(12, 10), mode="bilinear").permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(out, 1 / (1 + np.exp(-2 * resized)), atol=1e-6)


def test_outputs_that_are_not_wanted_are_not_computed() -> None:
    graph = Graph(
        ops=(Op("LOGISTIC", (0,), 1, {}), Op("NO_SUCH_OPERATOR", (0,), 2, {})),
        constants={},
        shapes={0: (1, 2, 2, 1), 1: (1, 2, 2, 1), 2: (1, 2, 2, 1)},
        input=0,
        outputs=(2, 1),
    )
    (out,) = Network(graph, wanted=(1,))(torch.zeros(1, 2, 2, 1))
    assert (out == 0.5).all()
    with pytest.raises(ValueError, match="NO_SUCH_OPERATOR"):
        Network(graph)


def test_a_file_that_is_no_network_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"\x00" * 64)
    with pytest.raises(BackendError, match=r"broken\.tflite cannot be read"):
        read_graph(path)
    with pytest.raises(BackendError, match="fetch it again"):
        read_graph(tmp_path / "missing.tflite")
