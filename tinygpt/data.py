"""From text to batches: bytes are the tokens, and a batch is a pure function of (seed, step).

A batch's position depends on nothing but the seed and the step number, so engines that share a seed see
identical batches, and a resumed run goes on exactly where it stopped.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tinygpt.errors import CorpusError


class Tokenizer:
    """One token per byte: text ↔ UTF-8 bytes ↔ ids 0 to 255. Any byte string survives the round trip."""

    vocab_size = 256

    @staticmethod
    def encode(text: str | bytes) -> np.ndarray:
        """Text (as UTF-8) or bytes to token ids, (n,) uint8.

        Bytes of a command line that are not UTF-8, which Python keeps as surrogate escapes (PEP 383), are these bytes.
        """
        if isinstance(text, bytes):
            return np.frombuffer(text, np.uint8)
        try:
            return np.frombuffer(text.encode("utf-8", errors="surrogateescape"), np.uint8)
        except UnicodeEncodeError:  # other lone surrogates
            return np.frombuffer(text.encode("utf-8", errors="surrogatepass"), np.uint8)

    @staticmethod
    def decode_bytes(tokens: np.ndarray) -> bytes:
        """Token ids to the bytes they stand for, exactly."""
        return np.asarray(tokens, np.uint8).tobytes()

    @staticmethod
    def decode(tokens: np.ndarray) -> str:
        """Token ids to text; bytes that are not UTF-8 become U+FFFD."""
        return Tokenizer.decode_bytes(tokens).decode("utf-8", errors="replace")

    @staticmethod
    def decode_stream(tokens: Iterable[int]) -> Iterator[str]:
        """Text of a token stream as it comes, never with half a character.

        Bytes of an unfinished UTF-8 sequence are held back until it is whole; bytes that cannot be UTF-8 become U+FFFD.
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for token in tokens:
            if text := decoder.decode(bytes((token,))):
                yield text
        if rest := decoder.decode(b"", final=True):
            yield rest


@dataclass(frozen=True)
class Batch:
    """Token ids and the ids that follow them, both (B, T) int64; of K steps together, (K, B, T)."""

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
        seed: the stream of windows to draw.

    Raises:
        CorpusError: the stream is shorter than one window.
    """

    def __init__(self, tokens: np.ndarray, batch_size: int, context_length: int, seed: int) -> None:
        if len(tokens) < context_length + 1:
            raise CorpusError(
                f"the text has {len(tokens)} bytes", f"at least {context_length + 1}, the context and one more"
            )
        self.tokens = tokens
        self.batch_size = batch_size
        self.context_length = context_length
        self.seed = seed

    def batch(self, step: int, rows: slice = slice(None)) -> Batch:
        """The batch of a step, counted from 0: always the same for the same seed; of it, ``rows`` are read."""
        rng = np.random.default_rng([self.seed, step])
        last_start = len(self.tokens) - self.context_length - 1
        starts = rng.integers(0, last_start + 1, size=self.batch_size)[rows]  # (B,)
        windows = starts[:, None] + np.arange(self.context_length + 1)  # (B, T + 1)
        tokens = self.tokens[windows].astype(np.int64)
        return Batch(tokens[:, :-1], tokens[:, 1:])

    def batches(self, steps: range, rows: slice = slice(None)) -> Batch:
        """The batches of several steps as one, (K, B, T): what :meth:`Engine.train_steps` takes."""
        batches = [self.batch(step, rows) for step in steps]
        return Batch(np.stack([batch.inputs for batch in batches]), np.stack([batch.targets for batch in batches]))


def evaluation_batches(
    tokens: np.ndarray, batch_size: int, context_length: int, limit: int | None = None
) -> list[Batch]:
    """Cut a held-out stream into consecutive windows, so that every evaluation reads the same text.

    Args:
        tokens: the stream (n,).
        batch_size: rows per batch; the last batch may hold fewer.
        context_length: T.
        limit: how many batches at most, spread evenly over the stream; all when omitted.

    Raises:
        CorpusError: the stream is shorter than one window.
    """
    n_windows = (len(tokens) - 1) // context_length
    if n_windows < 1:
        raise CorpusError(
            f"the held-out text has {len(tokens)} bytes", f"at least {context_length + 1}, the context and one more"
        )
    starts = np.arange(n_windows) * context_length
    if limit is not None and n_windows > limit * batch_size:
        starts = starts[np.linspace(0, n_windows - 1, limit * batch_size).astype(np.int64)]
    windows = starts[:, None] + np.arange(context_length + 1)
    rows = tokens[windows].astype(np.int64)  # (windows, T + 1)
    return [Batch(rows[i : i + batch_size, :-1], rows[i : i + batch_size, 1:]) for i in range(0, len(rows), batch_size)]
