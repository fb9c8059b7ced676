"""Take the convolutions out of an ONNX file: their weights, in the order the graph runs them.

An ONNX file is one protobuf message. Of its format (onnx.proto3, fixed since 2017) seven fields are read here:
ModelProto.graph; GraphProto.node and .initializer; NodeProto.input and .op_type; TensorProto.dims, .data_type, .name
and .raw_data. That is less than the `onnx` package would need to be installed, checked and kept in step with protobuf
for, and it runs nothing. The caller has checked the file's sha256.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vimatte.engine.errors import BackendError

__all__ = ["Convolution", "read_convolutions"]

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OP = 1, 4
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_FLOAT = 1
_VARINT, _I64, _LEN, _I32 = 0, 1, 2, 5
"""Wire types of protobuf."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """One convolution's constants."""

    name: str
    """Of the weight, as the file calls it."""
    weight: NDArray[np.float32]
    """(out, in / groups, height, width)."""
    bias: NDArray[np.float32] | None
    """(out,)."""


def read_convolutions(path: Path) -> list[Convolution]:
    """Return every convolution of the main graph once, in the order of its first use.

    Raises BackendError when the file is no ONNX file, is cut short, or keeps its weights in another way.
    """
    try:
        return _convolutions(memoryview(path.read_bytes()))
    except (OSError, IndexError, KeyError, ValueError) as error:
        raise BackendError(
            f"The network file {path} cannot be read ({error}); delete it and fetch it again."
        ) from error


def _convolutions(data: memoryview) -> list[Convolution]:
    graph = next((_bytes(v) for number, v in _fields(data) if number == _MODEL_GRAPH), None)
    if graph is None:
        raise ValueError("it is not an ONNX file")
    tensors: dict[str, memoryview] = {}
    uses: dict[str, str | None] = {}
    for number, value in _fields(graph):
        if number == _GRAPH_INITIALIZER:
            message = _bytes(value)
            tensors[next(_text(v) for n, v in _fields(message) if n == _TENSOR_NAME)] = message
        elif number == _GRAPH_NODE:
            fields = list(_fields(_bytes(value)))
            if any(n == _NODE_OP and _text(v) == "Conv" for n, v in fields):
                inputs = [_text(v) for n, v in fields if n == _NODE_INPUT]
                uses.setdefault(inputs[1], inputs[2] if len(inputs) > 2 else None)
    return [
        Convolution(name=weight, weight=_tensor(tensors[weight]), bias=None if bias is None else _tensor(tensors[bias]))
        for weight, bias in uses.items()
    ]


def _tensor(message: memoryview) -> NDArray[np.float32]:
    shape: list[int] = []
    kind, raw = 0, memoryview(b"")
    for number, value in _fields(message):
        if number == _TENSOR_DIMS:
            # Repeated numbers come one by one or packed into one field; a reader must take both.
            shape += [value] if isinstance(value, int) else list(_varints(value))
        elif number == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_RAW:
            raw = _bytes(value)
    if kind != _FLOAT or len(raw) != 4 * math.prod(shape):
        raise ValueError(f"it holds a tensor of type {kind}, {len(raw)} bytes for the shape {shape}")
    return np.frombuffer(raw, "<f4").reshape(shape).astype(np.float32)


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value) of one message: numbers as int, everything else as its bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == _LEN:
            size, at = _varint(data, at)
        elif wire in (_I32, _I64):
            size = 4 if wire == _I32 else 8
        else:
            raise ValueError(f"it is no protobuf message: wire type {wire} at byte {at}")
        if at + size > len(data):
            raise ValueError("it is cut short")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, low first: (value, next place)."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it is no protobuf message: a number of more than ten bytes")


def _varints(data: memoryview) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("it is no ONNX file: a number where a message was expected")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_bytes(value)).decode("utf-8")
