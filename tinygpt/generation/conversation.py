"""A text that a reader and a model write in turns, with one cache: a turn reads only what is new."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygpt.generation.growing import GrowingTexts
from tinygpt.generation.inference import InferenceModel, LanguageModel
from tinygpt.generation.inference.model import as_inference_model, model_tokenizer, require_model
from tinygpt.generation.sampling import SamplingSettings

_BREAK = b"\n"


class Conversation:
    """A text and the model that continues it.

    Args:
        model: as in :func:`tinygpt.generation.decoding.generate`.
        settings: of every turn; turn i, from 0, has the seed ``settings.seed + i``.
        threads: likewise.

    Attributes:
        turns: number of turns so far.
        n_tokens: tokens in the whole text, of which the model sees at most its context.
        newest: the bytes of the last of them.

    Raises:
        ConfigError: the model is none.
    """

    def __init__(
        self, model: LanguageModel | InferenceModel, settings: SamplingSettings, threads: int | None = None
    ) -> None:
        require_model(model, threads)
        self._settings = settings
        self._tokenizer = model_tokenizer(model)
        self._texts = GrowingTexts(as_inference_model(model, threads), 1, settings)
        self._texts.prepare()  # now, and not in the middle of a turn
        self.turns = self.n_tokens = 0
        self.newest = b""

    def say(self, text: str | bytes) -> Iterator[int]:
        """Add a text, a line break if it is empty, and yield the token ids that continue it.

        The iterator may be left at any token. The next turn then follows the last one that it yielded.
        """
        tokens = self._tokenizer.encode(text if len(text) else _BREAK)
        rng = np.random.default_rng(self._settings.seed + self.turns)
        self.turns += 1
        self.n_tokens, self.newest = self.n_tokens + len(tokens), self._tokenizer.decode_bytes(tokens[-1:])
        for (token,) in self._texts.grow(self._texts.read(0, tokens)[None], [rng]):
            self.n_tokens, self.newest = self.n_tokens + 1, self._tokenizer.decode_bytes((int(token),))
            yield int(token)

    def say_line(self, line: bytes) -> Iterator[int]:
        """Add a line of its own, without its line break, as :meth:`say` does."""
        begun = _BREAK if self.newest and not self.newest.endswith(_BREAK) else b""
        return self.say(begun + line + _BREAK)
