"""One file with model and tokenizer, as llama.cpp and programs built on it read them, read again before it counts.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Matrices are stored output-first there, so ours are
transposed. The vocabulary is that of GPT-2's byte-level BPE, in the letters of its bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.errors import ExportError
from tinygpt.params import parameter_shapes
from tinygpt.tokenizers import Tokenizer
from tinygpt.tokenizers.byte_tokenizer import LETTERS

_ARCHITECTURE = "gpt2"
# Our parts of a parameter's name → those of the format.
_PLACES = {
    "wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm", "ln_1": "attn_norm", "ln_2": "ffn_norm",
    "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
}  # fmt: skip
# The format has no empty list. This pair of bytes is in no text, as texts there end at a byte 0.
_NO_MERGES = [f"{LETTERS[0]} {LETTERS[0]}"]


def write(model: Checkpoint, out: Path) -> str:
    """Write the file; return a line about its check.

    Raises:
        ExportError: the tokenizer cannot be expressed, or other numbers come back.
    """
    shape = model.config
    writer = gguf.GGUFWriter(out, _ARCHITECTURE)
    writer.add_name("TinyGPT")
    writer.add_block_count(shape.n_layers)
    writer.add_context_length(shape.context_length)
    writer.add_embedding_length(shape.d_model)
    writer.add_feed_forward_length(shape.d_hidden)
    writer.add_head_count(shape.n_heads)
    writer.add_layer_norm_eps(shape.layer_norm_eps)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_tokenizer(writer, model.tokenizer)
    for name, array in _tensors(model):
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return _check(model, out)


def _tensors(model: Checkpoint) -> Iterator[tuple[str, np.ndarray]]:
    """Name and array of every parameter as the format has them."""
    for name in parameter_shapes(model.config):
        place, _, kind = name.rpartition(".")
        prefix, _, rest = place.partition(".")
        layer, _, part = rest.partition(".")
        array = np.asarray(model.weights[name], np.float32)
        in_block = prefix == "h"
        # Embeddings are rows of tokens and places there too.
        turned = array.T if in_block and array.ndim == 2 else array
        yield (
            f"blk.{layer}.{_PLACES[part]}.{kind}" if in_block else f"{_PLACES[place]}.{kind}",
            np.ascontiguousarray(turned),
        )


def _add_tokenizer(writer: Any, tokenizer: Tokenizer) -> None:
    content = tokenizer.content
    _require_plain(tokenizer)
    vocab = {token: text for text, token in content["model"]["vocab"].items()}
    added = {item["id"]: item["content"] for item in content.get("added_tokens") or []}
    merges = content["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([added.get(token) or vocab[token] for token in range(tokenizer.vocab_size)])
    kinds = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    writer.add_token_types([kinds[token in added] for token in range(tokenizer.vocab_size)])
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in merges] or _NO_MERGES)
    # Without an end the readers take token 11, which here may be any. A byte 0 ends every text there.
    end = max(added, default=content["model"]["vocab"][LETTERS[0]])
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)


def _require_plain(tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer that cuts words otherwise than GPT-2's, for which the format has a name each."""
    if not (content := tokenizer.content)["model"]["merges"]:
        return
    cut = content.get("pre_tokenizer") or {}
    expected = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    found = {"use_regex": True} | {key: value for key, value in cut.items() if key in expected}
    if found != expected or content.get("normalizer"):
        problem = f"tokenizer {tokenizer.name!r} cuts words by {json.dumps(cut)[:80]}, which GGUF has no name for here"
        raise ExportError(problem, "byte-level BPE that cuts words as GPT-2 does", "invoke export --format onnx")


def _check(model: Checkpoint, path: Path) -> str:
    read = gguf.GGUFReader(path)
    found = {tensor.name: tensor for tensor in read.tensors}
    for name, array in _tensors(model):
        # The sizes are in the format's order, the fastest first.
        if [*reversed(found[name].shape.tolist())] != [*array.shape] or not np.array_equal(found[name].data, array):
            raise ExportError(f"{name} reads back with other numbers", "the numbers that were written")
    tokens = read.fields["tokenizer.ggml.tokens"].contents()
    if len(tokens) != model.config.vocab_size:
        raise ExportError(f"{len(tokens):,} tokens read back", f"{model.config.vocab_size:,}")
    return f"the package gguf reads all {len(found)} tensors back, and {len(tokens):,} tokens"
