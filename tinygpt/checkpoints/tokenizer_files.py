"""A folder's tokenizer. With tokenizer.json and tokenizer_config.json, transformers needs no line of code.

>>> transformers.pipeline("text-generation", model=folder)("Once upon a time")
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinygpt.checkpoints.layout import shape_file
from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.system.json_records import read_json
from tinygpt.tokenizers import BYTES, Tokenizer
from tinygpt.tokenizers.files import TOKENIZER, read_content
from tinygpt.tokenizers.json_tokenizer import tokenizer_of
from tinygpt.tokenizers.tokenizer import END_OF_TEXT

VOCABULARY_SHA256 = "vocabulary_sha256"  # in config.json, where transformers keeps and ignores it

_RUN = "AutoTokenizer.from_pretrained(NAME).save_pretrained(DIR) in transformers writes it"

_PADDED_TO, _MOST_PADDING = 64, 128  # products are faster where a table's rows are a multiple of 64 or 128


def to_tokenizer_config(model: ModelConfig, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the contents of tokenizer_config.json: the class that reads tokenizer.json as it is, context and marks."""
    marks = {} if tokenizer.end_of_text is None else dict.fromkeys(("bos_token", "eos_token"), END_OF_TEXT)
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model.context_length,
        "clean_up_tokenization_spaces": False,
        **marks,
    }


def is_padded(vocab_size: int, n_tokens: int) -> bool:
    """Return whether a table's number of rows was only rounded up, as to 50,304 for 50,257 tokens."""
    return 0 < vocab_size - n_tokens < _MOST_PADDING and vocab_size % _PADDED_TO == 0


def read_tokenizer(
    files: Mapping[str, Path], folder: Path, vocab_size: int, name: str = "", may_pad: bool = False
) -> Tokenizer:
    """Read a folder's tokenizer; without one, 256 tokens are bytes.

    Args:
        files: the folder's files by name.
        folder: for messages.
        vocab_size: of the weights.
        name: the tokenizer's name; by default that of its file.
        may_pad: the weights may have rows beyond the tokenizer's, as :func:`is_padded` knows them.

    Raises:
        CheckpointError: there is none, it is damaged or no byte-level BPE, or it has another number of tokens.
    """
    found = read_content(files)
    if found is None:
        if vocab_size == BYTES.vocab_size:
            return BYTES
        problem = f"{folder} holds no {TOKENIZER}, and its vocab_size is {vocab_size:,}"
        raise CheckpointError(problem, f"a folder with {TOKENIZER}, or 256 for bytes", _RUN)
    file, content = found
    try:
        tokenizer = tokenizer_of(name or file, content)
    except ConfigError as error:
        raise CheckpointError(f"{folder / file}: {error.problem}", error.allowed) from None
    if tokenizer.vocab_size != vocab_size and not (may_pad and is_padded(vocab_size, tokenizer.vocab_size)):
        problem = f"{folder / file} has {tokenizer.vocab_size:,} tokens and the weights {vocab_size:,}"
        raise CheckpointError(problem, "the tokenizer that the model was trained with", _RUN)
    return tokenizer


def require_same_tokens(tokenizer: Tokenizer, files: Mapping[str, Path], folder: Path) -> None:
    """Raise a CheckpointError if a folder's configuration records another vocabulary than the tokenizer's."""
    name = shape_file(files)
    recorded = read_json(files[name]).get(VOCABULARY_SHA256) if name in files else None
    if recorded not in (None, tokenizer.vocabulary_sha256):
        problem = f"the tokenizer of {folder} has other tokens than those that {name} records"
        allowed = f"the tokenizer that the model was trained with, or a {name} without {VOCABULARY_SHA256}"
        raise CheckpointError(problem, allowed)
