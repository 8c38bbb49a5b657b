"""A folder's tokenizer. With tokenizer.json and tokenizer_config.json, transformers needs no line of code.

>>> transformers.pipeline("text-generation", model=folder)("Once upon a time")
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.tokenizers import BYTES, Tokenizer
from tinygpt.tokenizers.files import TOKENIZER, read_content
from tinygpt.tokenizers.json_tokenizer import tokenizer_of
from tinygpt.tokenizers.tokenizer import END_OF_TEXT

_RUN = "AutoTokenizer.from_pretrained(NAME).save_pretrained(DIR) in transformers writes it"


def to_tokenizer_config(model: ModelConfig, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the contents of tokenizer_config.json: the class that reads tokenizer.json as it is, context and marks."""
    marks = {} if tokenizer.end_of_text is None else dict.fromkeys(("bos_token", "eos_token"), END_OF_TEXT)
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model.context_length,
        "clean_up_tokenization_spaces": False,
        **marks,
    }


def read_tokenizer(files: Mapping[str, Path], folder: Path, vocab_size: int, name: str = "") -> Tokenizer:
    """Read a folder's tokenizer; without one, 256 tokens are bytes.

    Args:
        files: the folder's files by name.
        folder: for messages.
        vocab_size: of the weights.
        name: the tokenizer's name; by default that of its file.

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
    if tokenizer.vocab_size != vocab_size:
        problem = f"{folder / file} has {tokenizer.vocab_size:,} tokens and the weights {vocab_size:,}"
        raise CheckpointError(problem, "the tokenizer that the model was trained with", _RUN)
    return tokenizer
