"""The model as an ONNX graph: several tokens or one, after those that a key-value cache has.

    input_ids, position_ids (B, n)    past_key_values.i.key, past_key_values.i.value (B, H, P, C)
    logits (B, n, V)                  present.i.key, present.i.value (B, H, P + n, C)

The names are those of Hugging Face's Optimum. A position is the token's place in its text, and a token sees the places
up to its own: an empty cache and the positions 0 … n − 1 read a prompt in one pass, and each further token reads one
row. All operators are of the standard set (https://onnx.ai/onnx/operators/), and the token table is stored once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper

from tinygpt.config import ModelConfig
from tinygpt.params import Arrays, parameter_shapes

OPSET, IR_VERSION = 20, 9  # the first with Gelu, and the format's version of its time
_BELOW_ALL = np.float32(-3e38)  # the score of a place that a token does not see; infinite ones are not portable


class _Nodes:
    """Nodes in the order of use, and the constants that they read. A node's result has a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: Arrays = {}

    def constant(self, value: Any) -> str:
        """Name a constant; equal ones have one name."""
        array = np.asarray(value)
        name = f"constant.{array.dtype}.{'.'.join(map(str, array.ravel().tolist()))}.{array.ndim}"
        self.constants[name] = array
        return name

    def __call__(self, kind: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """Add a node with one result, and return its name."""
        return self.several(kind, *inputs, to=(to or f"{kind.lower()}.{len(self.nodes)}",), **attributes)[0]

    def several(self, kind: str, *inputs: str, to: tuple[str, ...], **attributes: Any) -> tuple[str, ...]:
        """Add a node with several results of these names."""
        self.nodes.append(helper.make_node(kind, inputs, to, name=f"{kind}.{len(self.nodes)}", **attributes))
        return to


def onnx_model(model: ModelConfig, weights: list[TensorProto]) -> ModelProto:
    """Make the model.

    Args:
        model: the shape.
        weights: under the names of ``parameter_shapes``.
    """
    names = [tensor.name for tensor in weights]
    assert names == list(parameter_shapes(model))
    node = _Nodes()
    allowed = _visible(node)
    x = node("Add", node("Gather", "wte.weight", "input_ids"), node("Gather", "wpe.weight", "position_ids"))
    for layer in range(model.n_layers):
        h = f"h.{layer}"
        x = node("Add", x, _attention(node, model, _norm(node, model, x, f"{h}.ln_1"), layer, allowed))
        wide = _linear(node, _norm(node, model, x, f"{h}.ln_2"), f"{h}.mlp.c_fc")
        x = node("Add", x, _linear(node, node("Gelu", wide, approximate="tanh"), f"{h}.mlp.c_proj"))
    head = node("Transpose", "wte.weight", perm=[1, 0])
    node("MatMul", _norm(node, model, x, "ln_f"), head, to="logits")
    graph = _graph(node, model, weights)
    return helper.make_model(
        graph, producer_name="tinygpt", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )


def past_names(model: ModelConfig) -> list[str]:
    """Return the names of the cache's inputs, in order; ``present`` in place of their first word names the results."""
    return [f"past_key_values.{layer}.{part}" for layer in range(model.n_layers) for part in ("key", "value")]


def present_name(past: str) -> str:
    """Return the result that is the next pass's input."""
    return past.replace("past_key_values", "present")


def _graph(node: _Nodes, model: ModelConfig, weights: list[TensorProto]) -> GraphProto:
    def tensor(name: str, kind: int, *sizes: str | int) -> Any:
        return helper.make_tensor_value_info(name, kind, sizes)

    past = ("batch", model.n_heads, "past", model.head_dim)
    present = ("batch", model.n_heads, "past + tokens", model.head_dim)
    ids = [tensor(name, TensorProto.INT64, "batch", "tokens") for name in ("input_ids", "position_ids")]
    caches = past_names(model)
    logits = tensor("logits", TensorProto.FLOAT, "batch", "tokens", model.vocab_size)
    return helper.make_graph(
        node.nodes,
        "gpt2",
        [*ids, *(tensor(name, TensorProto.FLOAT, *past) for name in caches)],
        [logits, *(tensor(present_name(name), TensorProto.FLOAT, *present) for name in caches)],
        [*weights, *(stored_tensor(name, value) for name, value in node.constants.items())],
    )


def stored_tensor(name: str, value: np.ndarray) -> TensorProto:
    """Make a tensor with its numbers inside the model's file."""
    kind = helper.np_dtype_to_tensor_dtype(value.dtype)
    return helper.make_tensor(name, kind, value.shape, np.ascontiguousarray(value).tobytes(), raw=True)


def _visible(node: _Nodes) -> str:
    """Places that each token sees, (B, 1, n, P + n): those up to its own."""
    ids, past = node("Shape", "input_ids", start=1), node("Shape", "past_key_values.0.key", start=2, end=3)
    total = node("Squeeze", node("Add", past, ids), node.constant(np.array([0])))
    places = node("Range", node.constant(np.int64(0)), total, node.constant(np.int64(1)))
    own = node("Unsqueeze", "position_ids", node.constant(np.array([1, 3])))
    return node("LessOrEqual", places, own)


def _norm(node: _Nodes, model: ModelConfig, x: str, name: str) -> str:
    inputs = x, f"{name}.weight", f"{name}.bias"
    return node("LayerNormalization", *inputs, epsilon=model.layer_norm_eps, axis=-1)


def _linear(node: _Nodes, x: str, name: str) -> str:
    return node("Add", node("MatMul", x, f"{name}.weight"), f"{name}.bias")


def _attention(node: _Nodes, model: ModelConfig, x: str, layer: int, allowed: str) -> str:
    """(B, n, D) → (B, n, D); the new keys and values, after those of the cache, are results of the graph."""
    heads = node.constant(np.array([0, 0, model.n_heads, model.head_dim]))
    parts = node.several(
        "Split", _linear(node, x, f"h.{layer}.attn.c_attn"), to=tuple(f"{part}.{layer}" for part in "qkv"),
        axis=-1, num_outputs=3,
    )  # fmt: skip
    q, k, v = (node("Transpose", node("Reshape", part, heads), perm=[0, 2, 1, 3]) for part in parts)  # (B, H, n, C)
    past = f"past_key_values.{layer}"
    keys = node("Concat", f"{past}.key", k, to=present_name(f"{past}.key"), axis=2)  # (B, H, P + n, C)
    values = node("Concat", f"{past}.value", v, to=present_name(f"{past}.value"), axis=2)
    q = node("Mul", q, node.constant(np.float32(1.0 / math.sqrt(model.head_dim))))
    scores = node("MatMul", q, node("Transpose", keys, perm=[0, 1, 3, 2]))  # (B, H, n, P + n)
    shares = node("Softmax", node("Where", allowed, scores, node.constant(_BELOW_ALL)), axis=-1)
    mixed = node("Transpose", node("MatMul", shares, values), perm=[0, 2, 1, 3])  # (B, n, H, C)
    flat = node("Reshape", mixed, node.constant(np.array([0, 0, model.d_model])))
    return _linear(node, flat, f"h.{layer}.attn.c_proj")
