"""Byte-level BPE trained on a text: the pair of tokens that occurs most often becomes a token, again and again.

From 256 bytes to V tokens in V − 256 merges (Sennrich et al. 2016, "Neural Machine Translation of Rare Words with
Subword Units"), inside the words of GPT-2's pattern. Only the training part of a corpus is read: a token that a
held-out text made would know something of that text.
"""

from __future__ import annotations

import json
import logging

from tinygpt.errors import CheckpointError, ConfigError, StorageError
from tinygpt.system.files import replace_file
from tinygpt.system.home import cache_folder
from tinygpt.system.json_records import read_json
from tinygpt.tokenizers.json_tokenizer import JsonTokenizer, library, stretches

FEWEST, MOST = 257, 65_536  # 256 bytes and a merge; ids of two bytes
_FEWEST_PAIRS = 2  # occurrences that make a token

_log = logging.getLogger(__name__)


def cached_bpe(size: int, text: bytes | memoryview, sha256: str) -> JsonTokenizer:
    """Return the tokenizer of ``size`` tokens of a text, from the cache folder if it was trained before.

    Args:
        size: the largest number of tokens; a small text has fewer pairs.
        text: the training part.
        sha256: the corpus's hash, part of the file's name.

    Raises:
        MissingDependencyError: the package ``tokenizers`` is not installed.
    """
    name, path = f"bpe:{size}", cache_folder() / f"bpe-{size}-{sha256[:16]}.json"
    if path.exists():
        try:
            return JsonTokenizer(name, read_json(path))
        except (CheckpointError, ConfigError) as error:
            _log.warning("training the tokenizer again: %s", error.problem)
    trained = train_bpe(name, size, text)
    try:
        replace_file(path, [json.dumps(trained.content, ensure_ascii=False).encode()])
    except StorageError as error:
        _log.warning("the tokenizer is not kept in the cache, and will be trained again: %s", error.problem)
    return trained


def train_bpe(name: str, size: int, text: bytes | memoryview) -> JsonTokenizer:
    """Train a tokenizer; bytes that are not UTF-8 make no tokens of several bytes."""
    tokenizers = library(name)
    byte_level = tokenizers.pre_tokenizers.ByteLevel
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer, made.decoder = byte_level(add_prefix_space=False), tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size, min_frequency=_FEWEST_PAIRS, initial_alphabet=byte_level.alphabet(), show_progress=False
    )
    made.train_from_iterator((part.decode("utf-8", errors="ignore") for part in stretches(text)), trainer)
    return JsonTokenizer(name, json.loads(made.to_str()))
