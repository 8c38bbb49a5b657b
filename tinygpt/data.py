"""From text to batches: bytes are the tokens, and a batch is a pure function of (seed, step).

So engines with the same seed read identical batches, and a resumed run continues exactly where it stopped.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tinygpt.arguments import instance, whole_number, wrong
from tinygpt.errors import CorpusError


class Tokenizer:
    """One token per byte: text ↔ UTF-8 bytes ↔ ids 0 to 255. Every byte string round-trips."""

    vocab_size = 256

    @staticmethod
    def encode(text: str | bytes) -> np.ndarray:
        """Encode text (as UTF-8) or bytes as token ids, (n,) uint8.

        Surrogate escapes, which Python makes of command-line bytes that are not UTF-8 (PEP 383), become these bytes.

        Raises:
            ConfigError: it is neither text nor bytes.
        """
        instance("the text", text, (str, bytes), "a string or bytes")
        if isinstance(text, bytes):
            return np.frombuffer(text, np.uint8)
        try:
            return np.frombuffer(text.encode("utf-8", errors="surrogateescape"), np.uint8)
        except UnicodeEncodeError:  # other lone surrogates
            return np.frombuffer(text.encode("utf-8", errors="surrogatepass"), np.uint8)

    @staticmethod
    def decode_bytes(tokens: np.ndarray) -> bytes:
        """Decode token ids to bytes."""
        return np.asarray(tokens, np.uint8).tobytes()

    @staticmethod
    def decode(tokens: np.ndarray) -> str:
        """Decode token ids to text; bytes that are not UTF-8 become U+FFFD."""
        return Tokenizer.decode_bytes(tokens).decode("utf-8", errors="replace")

    @staticmethod
    def decode_stream(tokens: Iterable[int]) -> Iterator[str]:
        """Decode a token stream as it arrives, in whole characters.

        An incomplete UTF-8 sequence is held back until it is complete; bytes that are not UTF-8 become U+FFFD.
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for token in tokens:
            if text := decoder.decode(bytes((token,))):
                yield text
        if rest := decoder.decode(b"", final=True):
            yield rest


@dataclass(frozen=True)
class Batch:
    """Token ids and the ids that follow them, both (B, T) int64, or (K, B, T) for K steps."""

    inputs: np.ndarray
    targets: np.ndarray

    def __repr__(self) -> str:
        return f"<batch of {' × '.join(map(str, self.inputs.shape))} tokens>"


class BatchSampler:
    """Random windows of a token stream.

    Args:
        tokens: the stream (n,), at least T + 1 long.
        batch_size: B.
        context_length: T.
        seed: seeds the windows' positions.

    Raises:
        ConfigError: the stream is no such array, or a number is outside its range.
        CorpusError: the stream is shorter than one window.
    """

    def __init__(self, tokens: np.ndarray, batch_size: int, context_length: int, seed: int) -> None:
        if not isinstance(tokens, np.ndarray) or tokens.ndim != 1 or tokens.dtype.kind not in "iu":
            raise wrong("tokens", tokens, "an array of token ids (n,), such as corpus.train_tokens")
        self.tokens = tokens
        self.batch_size = whole_number("batch_size", batch_size, 1)
        self.context_length = whole_number("context_length", context_length, 1)
        self.seed = whole_number("seed", seed)
        if len(tokens) < context_length + 1:
            raise _too_short("the text", len(tokens), context_length)

    def __repr__(self) -> str:
        shape = f"{self.batch_size} × {self.context_length}"
        return f"<batches of {shape} tokens from {len(self.tokens):,}, seed {self.seed}>"

    def batch(self, step: int, rows: slice = slice(None)) -> Batch:
        """Return a step's batch, or ``rows`` of it; steps are counted from 0."""
        rng = np.random.default_rng([self.seed, step])
        last_start = len(self.tokens) - self.context_length - 1
        starts = rng.integers(0, last_start + 1, size=self.batch_size)[rows]  # (B,)
        windows = starts[:, None] + np.arange(self.context_length + 1)  # (B, T + 1)
        tokens = self.tokens[windows].astype(np.int64)
        return Batch(tokens[:, :-1], tokens[:, 1:])

    def batches(self, steps: range, rows: slice = slice(None)) -> Batch:
        """Return the batches of K steps as one, (K, B, T), for :meth:`Engine.train_steps`."""
        batches = [self.batch(step, rows) for step in steps]
        return Batch(np.stack([batch.inputs for batch in batches]), np.stack([batch.targets for batch in batches]))


def _too_short(text: str, n_bytes: int, context_length: int) -> CorpusError:
    return CorpusError(f"{text} has {in_bytes(n_bytes)}", f"at least {context_length + 1}, the context and one more")


def in_bytes(count: int) -> str:
    """Write a text's length in words: 1 byte, 2 bytes."""
    return f"{count:,} byte{'' if count == 1 else 's'}"


def evaluation_batches(
    tokens: np.ndarray, batch_size: int, context_length: int, limit: int | None = None
) -> list[Batch]:
    """Cut a held-out stream into consecutive windows, so that every evaluation reads the same text.

    Args:
        tokens: the stream (n,).
        batch_size: rows per batch; the last batch may have fewer.
        context_length: T.
        limit: the largest number of batches, spread evenly over the stream; by default all.

    Raises:
        CorpusError: the stream is shorter than one window.
    """
    n_windows = (len(tokens) - 1) // context_length
    if n_windows < 1:
        raise _too_short("the held-out text", len(tokens), context_length)
    starts = np.arange(n_windows) * context_length
    if limit is not None and n_windows > limit * batch_size:
        starts = starts[np.linspace(0, n_windows - 1, limit * batch_size).astype(np.int64)]
    windows = starts[:, None] + np.arange(context_length + 1)
    rows = tokens[windows].astype(np.int64)  # (windows, T + 1)
    return [Batch(rows[i : i + batch_size, :-1], rows[i : i + batch_size, 1:]) for i in range(0, len(rows), batch_size)]
