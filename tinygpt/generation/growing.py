"""Texts that a model continues together, each with its own cache, window and random choices.

A row's cache holds the first tokens of its text, as many as its length. When a window is full, its last half is read
again from position 0, and the text forgets what is before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tinygpt.generation.inference import BatchCache, InferenceModel
from tinygpt.generation.sampling import SamplingSettings, choose_token, penalized
from tinygpt.generation.text_end import TextEnd

# (newest tokens (B,), a number) → at most so many times the next tokens (B,), at least once
Advance = Callable[[np.ndarray, int], Iterator[np.ndarray]]


def window_overlap(context_length: int) -> int:
    """Return the number of last tokens of a full window that are read again: half of them, at least 1."""
    return max(1, context_length // 2)


class GrowingTexts:
    """B texts, which are empty at first.

    Attributes:
        texts: of each row, the tokens that its window has, and the newest.
        cache: their keys and values.
        seen: tokens that each text has, (B, V), for the repetition penalty.
    """

    def __init__(self, model: InferenceModel, rows: int, settings: SamplingSettings) -> None:
        self._model, self._settings = model, settings
        self._overlap = window_overlap(model.config.context_length)
        self.texts: list[list[int]] = [[] for _ in range(rows)]
        self.cache = BatchCache(model.config, rows)
        self.seen = np.zeros((rows, model.config.vocab_size), np.bool_)

    def prepare(self) -> None:
        """Compile the loop that writes long texts, if it will be taken; compiled once, its code is kept on the disk."""
        self._advancing([])

    def read(self, row: int, tokens: np.ndarray) -> np.ndarray:
        """Add tokens (n,), at least one, to a text; return the scores after them, (V,).

        Only unread tokens are read, unless the text becomes longer than the context: then it keeps its end.
        """
        text, cache = self.texts[row], self.cache.rows[row]
        cache.length = min(cache.length, len(text))  # a text may have ended inside a turn of the compiled loop
        text.extend(tokens.tolist())
        self.seen[row, tokens] = True
        if len(text) > cache.room:
            cache.length = 0
            del text[: -min(cache.room, max(self._overlap, len(tokens)))]
        return self._model.read(np.array(text[cache.length :]), cache)

    def read_prompts(self, prompts: list[np.ndarray]) -> np.ndarray:
        """Read every prompt into its row, equal ones once; return the scores after them, (B, V)."""
        first_row: dict[bytes, int] = {}
        scores = np.empty(self.seen.shape, np.float32)
        for row, prompt in enumerate(prompts):
            source = first_row.setdefault(prompt.tobytes(), row)
            if source == row:
                scores[row] = self.read(row, prompt)
            else:
                scores[row], self.seen[row] = scores[source], self.seen[source]
                self.texts[row] = [*self.texts[source]]
                self.cache.copy_row(source, row)
        return scores

    def grow(self, scores: np.ndarray, rngs: list[np.random.Generator]) -> Iterator[np.ndarray]:
        """Continue the texts from the scores after them (B, V), until all have ended.

        Yields:
            the next token ids (B,) int64; −1 in a row whose text has ended.
        """
        ends = [TextEnd(self._settings, self._model.tokenizer) for _ in self.texts]
        for tokens in self._tokens(scores, rngs):
            taken = [token if end.takes(token) else -1 for token, end in zip(tokens.tolist(), ends, strict=True)]
            if max(taken) >= 0:
                yield np.array(taken)
            if all(end.reached for end in ends):
                return

    def _tokens(self, scores: np.ndarray, rngs: list[np.random.Generator]) -> Iterator[np.ndarray]:
        tokens = self._choose(scores, rngs)
        self._append(tokens)
        yield tokens
        remaining, advance = self._settings.max_new_tokens - 1, self._advancing(rngs)
        while remaining:
            self._make_room()
            for following in advance(tokens, remaining):
                tokens, remaining = following, remaining - 1
                self._append(tokens)
                yield tokens

    def _advancing(self, rngs: list[np.random.Generator]) -> Advance:
        if self._model.is_compiled(self._settings.max_new_tokens * len(self.texts)):
            from tinygpt.generation.compiled.rows import CompiledTurns  # imports Numba

            return CompiledTurns(self._model, self.cache, self._settings, rngs, self.seen).advance

        def one_token(tokens: np.ndarray, _most: int) -> Iterator[np.ndarray]:
            yield self._choose(self._model.step_batch(tokens, self.cache), rngs)

        return one_token

    def _choose(self, scores: np.ndarray, rngs: list[np.random.Generator]) -> np.ndarray:
        """Choose a token for each row of scores (B, V)."""
        rows = zip(scores, self.seen, rngs, strict=True)
        chosen = [choose_token(penalized(row, seen, self._settings), self._settings, rng) for row, seen, rng in rows]
        return np.array(chosen, np.min_scalar_type(scores.shape[1] - 1))

    def _append(self, tokens: np.ndarray) -> None:
        self.seen[np.arange(len(tokens)), tokens] = True
        for text, token in zip(self.texts, tokens.tolist(), strict=True):
            text.append(token)

    def _make_room(self) -> None:
        """Read the last half of a full window again, but for the newest token, which is read with other rows'."""
        for text, row in zip(self.texts, self.cache.rows, strict=True):
            if row.length == row.room:
                row.length = 0
                del text[: -self._overlap]
                if self._overlap > 1:
                    self._model.read(np.array(text[:-1]), row)
