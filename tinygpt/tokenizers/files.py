"""The files of a tokenizer in a folder: tokenizer.json, or the older pair of GPT-2, vocab.json and merges.txt.

vocab.json         letters of a token (see byte_tokenizer.py) → id
merges.txt         two tokens a line, which become one; the first line is a version
added_tokens.json  further tokens → id, if there are any
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinygpt.errors import CheckpointError
from tinygpt.system.files import require_regular
from tinygpt.system.json_records import read_json
from tinygpt.tokenizers.byte_tokenizer import BYTES
from tinygpt.tokenizers.tokenizer import END_OF_TEXT

TOKENIZER = "tokenizer.json"
VOCABULARY, MERGES, ADDED = "vocab.json", "merges.txt", "added_tokens.json"
TOKENIZER_FILES = (TOKENIZER, VOCABULARY, MERGES, ADDED)

_VERSION = "#version"
_LARGEST = 2**24  # bytes


def read_content(files: Mapping[str, Path]) -> tuple[str, dict[str, Any]] | None:
    """Return a folder's tokenizer as a name for messages and a parsed tokenizer.json, or None if it has none.

    Args:
        files: the folder's files by name.

    Raises:
        CheckpointError: a file is damaged.
    """
    if TOKENIZER in files:
        return TOKENIZER, read_json(files[TOKENIZER])
    if not files.keys() >= {VOCABULARY, MERGES}:
        return None
    vocabulary = read_json(files[VOCABULARY])
    added = read_json(files[ADDED]) if ADDED in files else {}
    added |= {END_OF_TEXT: vocabulary[END_OF_TEXT]} if END_OF_TEXT in vocabulary else {}
    content, splits_words = BYTES.content, {"use_regex": True}
    return VOCABULARY, {
        **content,
        "added_tokens": [
            {"id": token, "content": text, "special": True, "normalized": False}
            | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
            for text, token in added.items()
        ],
        "pre_tokenizer": content["pre_tokenizer"] | splits_words,
        "decoder": content["decoder"] | splits_words,
        "model": content["model"] | {"vocab": vocabulary, "merges": _merges(files[MERGES])},
    }


def has_tokenizer(folder: Path) -> bool:
    """Return whether a folder has the files of a tokenizer."""
    return (folder / TOKENIZER).exists() or ((folder / VOCABULARY).exists() and (folder / MERGES).exists())


def _merges(path: Path) -> list[str]:
    """Read the lines of merges.txt; a merge itself may begin with #."""
    try:
        require_regular(path)
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"more than {_LARGEST:,} bytes")
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path} ({error})", "the pairs of a vocabulary, a pair a line") from None
    return [line for number, line in enumerate(lines) if line and not (number == 0 and line.startswith(_VERSION))]
