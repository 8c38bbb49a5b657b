"""The files beside a model's weights that transformers and others read: its shape and its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tinygpt.checkpoints.gpt2_config import to_gpt2_config
from tinygpt.checkpoints.layout import CONFIG, TOKENIZER_CONFIG
from tinygpt.checkpoints.tokenizer_files import VOCABULARY_SHA256, to_tokenizer_config
from tinygpt.config import ModelConfig
from tinygpt.system.files import write_file
from tinygpt.system.json_records import json_bytes
from tinygpt.tokenizers import Tokenizer
from tinygpt.tokenizers.files import TOKENIZER


def write_description(
    folder: Path,
    model: ModelConfig,
    dropout: float,
    tokenizer: Tokenizer,
    shape_name: str = CONFIG,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write config.json, or a file of another name, with ``more`` keys, tokenizer.json and tokenizer_config.json.

    The configuration records the vocabulary, so that a tokenizer that takes the place of this one is noticed.

    Raises:
        OSError: the file system refused, or a file exists.
    """
    marks = dict.fromkeys(("bos_token_id", "eos_token_id"), tokenizer.end_of_text)
    own = {VOCABULARY_SHA256: tokenizer.vocabulary_sha256}
    write_file(folder / shape_name, [json_bytes({**to_gpt2_config(model, dropout), **marks, **own, **more})])
    write_file(folder / TOKENIZER, [json_bytes(tokenizer.content)])
    write_file(folder / TOKENIZER_CONFIG, [json_bytes(to_tokenizer_config(model, tokenizer))])
