"""Read a TensorFlow Lite file: its operators in order and its constants, as plain values.

Only what the pose networks use is understood (format: tensorflow/lite/schema/schema.fbs); anything else is refused
by name, so that a wrong file cannot be half read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from vimatte.engine.errors import BackendError

__all__ = ["Graph", "Op", "read_graph"]

_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
_DTYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
_INDEX_VECTORS = {
    tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
    tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
    tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
}
_OPTIONS: Mapping[str, tuple[Any, tuple[str, ...]]] = {
    "CONV_2D": (
        tflite.Conv2DOptions,
        ("Padding", "StrideH", "StrideW", "DilationHFactor", "DilationWFactor", "FusedActivationFunction"),
    ),
    "DEPTHWISE_CONV_2D": (
        tflite.DepthwiseConv2DOptions,
        ("Padding", "StrideH", "StrideW", "DilationHFactor", "DilationWFactor", "FusedActivationFunction"),
    ),
    "ADD": (tflite.AddOptions, ("FusedActivationFunction",)),
    "MAX_POOL_2D": (
        tflite.Pool2DOptions,
        ("Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth", "FusedActivationFunction"),
    ),
    "RESIZE_BILINEAR": (tflite.ResizeBilinearOptions, ("AlignCorners", "HalfPixelCenters")),
    "DEPTH_TO_SPACE": (tflite.DepthToSpaceOptions, ("BlockSize",)),
    "CONCATENATION": (tflite.ConcatenationOptions, ("Axis", "FusedActivationFunction")),
    "PAD": (None, ()),
    "RESHAPE": (None, ()),
    "LOGISTIC": (None, ()),
}
_FOLDED = {"DEQUANTIZE", "DENSIFY"}
"""Operators that only turn a stored constant into a dense float one."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operator: tensors are meant by their index in the file; -1 stands for an input left out."""

    name: str
    inputs: tuple[int, ...]
    output: int
    options: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Graph:
    """A network as a list of operators over numbered tensors, layout NHWC as in the file."""

    ops: tuple[Op, ...]
    constants: Mapping[int, NDArray[Any]]
    shapes: Mapping[int, tuple[int, ...]]
    input: int
    outputs: tuple[int, ...]


def read_graph(path: Path) -> Graph:
    """Read the first subgraph of a .tflite file. Raises BackendError when it is not one, or uses unknown operators."""
    try:
        return _read(path.read_bytes())
    except (OSError, IndexError, ValueError, TypeError, AttributeError, KeyError, AssertionError) as error:
        raise BackendError(
            f"The network file {path} cannot be read ({error}); delete it and fetch it again."
        ) from error


def _read(data: bytes) -> Graph:
    if not tflite.Model.ModelBufferHasIdentifier(data, 0):
        raise ValueError("not a TensorFlow Lite file")
    model = tflite.Model.GetRootAsModel(data, 0)
    graph = model.Subgraphs(0)
    shapes = {i: tuple(int(n) for n in _ints(graph.Tensors(i).ShapeAsNumpy())) for i in range(graph.TensorsLength())}
    constants = {i: c for i in shapes if (c := _constant(model, graph.Tensors(i), shapes[i])) is not None}
    ops: list[Op] = []
    for i in range(graph.OperatorsLength()):
        op = graph.Operators(i)
        code = model.OperatorCodes(op.OpcodeIndex())
        name = _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = tuple(int(n) for n in op.InputsAsNumpy())
        output = int(op.Outputs(0))
        if name in _FOLDED:
            constants[output] = constants[inputs[0]].astype(np.float32)
            continue
        if name not in _OPTIONS:
            raise ValueError(f"it uses the operator {name}, which is not known here")
        ops.append(Op(name, inputs, output, _options(op, name)))
    return Graph(
        ops=tuple(ops),
        constants={k: v for k, v in constants.items() if any(k in op.inputs for op in ops)},
        shapes=shapes,
        input=int(graph.Inputs(0)),
        outputs=tuple(int(graph.Outputs(i)) for i in range(graph.OutputsLength())),
    )


def _options(op: Any, name: str) -> dict[str, int]:
    kind, fields = _OPTIONS[name]
    if kind is None:
        return {}
    options = kind()
    table = op.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return {field: int(getattr(options, field)()) for field in fields}


def _constant(model: Any, tensor: Any, shape: tuple[int, ...]) -> NDArray[Any] | None:
    buffer = model.Buffers(tensor.Buffer())
    if buffer is None or buffer.DataLength() == 0:
        return None
    values = np.frombuffer(buffer.DataAsNumpy().tobytes(), dtype=_DTYPES[tensor.Type()])
    sparsity = tensor.Sparsity()
    return values.reshape(shape) if sparsity is None else _dense(values, sparsity, shape)


def _dense(values: NDArray[Any], sparsity: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Spread compressed rows: every dimension dense but the last, which lists the columns that are not zero."""
    dims = [sparsity.DimMetadata(i) for i in range(sparsity.DimMetadataLength())]
    order = list(_ints(sparsity.TraversalOrderAsNumpy()))
    if [d.Format() for d in dims] != [0] * (len(shape) - 1) + [1] or order != list(range(len(shape))):
        raise ValueError("its sparse tensors are laid out in a way not known here")
    last = dims[-1]
    starts = _index_vector(last.ArraySegments(), last.ArraySegmentsType())
    columns = _index_vector(last.ArrayIndices(), last.ArrayIndicesType())
    rows = np.repeat(np.arange(starts.size - 1), np.diff(starts))
    dense = np.zeros((starts.size - 1, shape[-1]), values.dtype)
    dense[rows, columns] = values
    return dense.reshape(shape)


def _index_vector(table: Any, kind: int) -> NDArray[np.int64]:
    vector = _INDEX_VECTORS[kind]()
    vector.Init(table.Bytes, table.Pos)
    return _ints(vector.ValuesAsNumpy())


def _ints(values: Any) -> NDArray[np.int64]:
    # The flatbuffer reader answers 0 for an empty vector.
    return np.atleast_1d(np.asarray(values, dtype=np.int64)) if not np.isscalar(values) else np.zeros(0, np.int64)
