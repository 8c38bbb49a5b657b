"""The token ids of a corpus: its bytes themselves, or files in the cache folder that are mapped into memory.

A tokenizer encodes a text once, in stretches, into ``tokens/CORPUS-TOKENIZER-PART.TYPE`` (the starts of both hashes):
ids one after the other, uint8, uint16 or uint32 by the size of the vocabulary. Batches read the pages that they need,
so neither the text nor its ids have to fit into memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tinygpt.corpora.corpus import Corpus
from tinygpt.system.files import replace_file
from tinygpt.system.home import cache_folder
from tinygpt.tokenizers import BYTES, Tokenizer
from tinygpt.tokenizers.json_tokenizer import stretches


@dataclass(frozen=True)
class CorpusTokens:
    """A corpus as a tokenizer reads it.

    Attributes:
        train: ids of the training part (n,).
        held_out: ids of the held-out part (m,).
        bytes_per_token: of the training part.
    """

    tokenizer: Tokenizer
    train: np.ndarray = field(repr=False)
    held_out: np.ndarray = field(repr=False)
    bytes_per_token: float


def corpus_tokens(corpus: Corpus, tokenizer: Tokenizer) -> CorpusTokens:
    """Return the ids of both parts, from the cache folder if they were encoded before.

    Raises:
        ConfigError: the tokenizer cannot represent the text.
        MissingDependencyError: the package ``tokenizers`` is not installed, and the ids are not in the cache.
        StorageError: the ids cannot be written.
    """
    if tokenizer is BYTES:
        return CorpusTokens(tokenizer, corpus.train_tokens, corpus.held_out_tokens, 1.0)
    stem = f"{corpus.sha256[:16]}-{tokenizer.hash[:16]}"
    train = _encoded(corpus.train, tokenizer, f"{stem}-train")
    held_out = _encoded(corpus.held_out, tokenizer, f"{stem}-held-out")
    return CorpusTokens(tokenizer, train, held_out, len(corpus.train) / max(1, len(train)))


def _encoded(text: bytes | memoryview, tokenizer: Tokenizer, name: str) -> np.ndarray:
    path = cache_folder() / "tokens" / f"{name}.{tokenizer.dtype.name}"
    if not path.exists():
        replace_file(path, (tokenizer.encode(part).tobytes() for part in stretches(text)))
    return _mapped(path, tokenizer)


def _mapped(path: Path, tokenizer: Tokenizer) -> np.ndarray:
    if not path.stat().st_size:  # an empty file cannot be mapped
        return np.empty(0, tokenizer.dtype)
    return np.memmap(path, tokenizer.dtype, mode="r")
