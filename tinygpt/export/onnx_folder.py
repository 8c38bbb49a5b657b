"""A folder with the model in ONNX, as Optimum's ORTModelForCausalLM reads it, run in onnxruntime before it counts.

model.onnx         the graph, with its weights if they are small
model.onnx_data    the weights of a larger model: a file of the format has at most 2 GiB
config.json, tokenizer.json, tokenizer_config.json
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.description import write_description
from tinygpt.config import ModelConfig
from tinygpt.errors import ExportError
from tinygpt.export.onnx_graph import onnx_model, stored_tensor
from tinygpt.export.onnx_session import OnnxSession
from tinygpt.generation.inference import InferenceModel, KeyValueCache
from tinygpt.params import Arrays, parameter_shapes
from tinygpt.system.files import write_file

GRAPH, DATA = "model.onnx", "model.onnx_data"
INSIDE = 1 << 30  # bytes of weights that the graph's own file may hold
_ALIGNMENT = 4096  # of a tensor in the file of weights, so that it can be mapped into memory

# onnxruntime adds float32 products in another order. The second number is a share of the largest score.
TOLERANCE, _OF_LARGE = 1e-4, 1e-5
_CHECKED_TOKENS = 24


def write(model: Checkpoint, out: Path) -> str:
    """Write the folder; return a line about its check.

    Raises:
        ExportError: onnxruntime computes other scores.
    """
    out.mkdir()
    write_graph(model.config, model.weights, out)
    write_description(out, model.config, model.train.dropout, model.tokenizer)
    return _check(model, out / GRAPH)


def write_graph(model: ModelConfig, weights: Arrays, folder: Path) -> None:
    """Write the graph and its weights, in one file or two."""
    ordered = {name: np.ascontiguousarray(weights[name], np.float32) for name in parameter_shapes(model)}
    outside = sum(array.nbytes for array in ordered.values()) > INSIDE
    tensors = [*_outside_tensors(ordered)] if outside else [stored_tensor(*item) for item in ordered.items()]
    write_file(folder / GRAPH, [onnx_model(model, tensors).SerializeToString()])
    if outside:
        write_file(folder / DATA, _chunks(ordered))
    onnx.checker.check_model(str(folder / GRAPH))


def _outside_tensors(weights: Arrays) -> Iterator[onnx.TensorProto]:
    """Make tensors that name their place in the file of weights."""
    start = 0
    for name, array in weights.items():
        tensor = onnx.TensorProto(
            name=name, data_type=onnx.TensorProto.FLOAT, dims=array.shape, data_location=onnx.TensorProto.EXTERNAL
        )
        for key, value in (("location", DATA), ("offset", start), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        yield tensor
        start += array.nbytes + -array.nbytes % _ALIGNMENT


def _chunks(weights: Arrays) -> Iterator[bytes | memoryview]:
    for array in weights.values():
        yield array.reshape(-1).data.cast("B")
        yield bytes(-array.nbytes % _ALIGNMENT)


def _check(model: Checkpoint, path: Path) -> str:
    """Compare scores with ours: of a text in one pass, and of its first half with the rest token by token."""
    shape = model.config
    n = min(_CHECKED_TOKENS, shape.context_length)
    tokens = np.random.default_rng(0).integers(0, shape.vocab_size, n)
    expected = InferenceModel(model, compiled=False).extend(tokens, KeyValueCache(shape))  # (n, V)
    session = OnnxSession(path, shape)
    whole = session.read(tokens)
    session.forget()
    half = max(1, n // 2)
    parts = np.concatenate([session.read(part) for part in np.split(tokens, range(half, n))])
    difference = max(float(np.abs(scores - expected).max()) for scores in (whole, parts))
    allowed = max(TOLERANCE, _OF_LARGE * float(np.abs(expected).max()))
    if not difference <= allowed:
        raise ExportError(f"onnxruntime computes scores that differ by {difference:.2g}", f"at most {allowed:.2g}")
    return f"onnxruntime computes the same scores within {difference:.1g}, in one pass and token by token"
