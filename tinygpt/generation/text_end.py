"""The end of a text before its last token: a stop string that a token completes, or the end mark, which is no part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tinygpt.generation.sampling import SamplingSettings
from tinygpt.tokenizers import Tokenizer


class TextEnd:
    """Follows a text to its end.

    Attributes:
        reached: the text has ended.
    """

    def __init__(self, settings: SamplingSettings, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stops, self._mark = settings.stops, settings.eos_token_id
        self._longest = max(map(len, self._stops), default=0)
        self._last = b""
        self.reached = False

    def takes(self, token: int) -> bool:
        """Return whether the next token belongs to the text."""
        if self.reached or token == self._mark:
            self.reached = True
            return False
        if self._stops:
            text = self._last + self._tokenizer.decode_bytes((token,))
            self.reached = any(stop in text for stop in self._stops)
            self._last = text[-self._longest :]
        return True


def until_end(tokens: Iterable[int], settings: SamplingSettings, tokenizer: Tokenizer) -> Iterator[int]:
    """Yield the tokens up to the text's end."""
    end = TextEnd(settings, tokenizer)
    for token in tokens:
        if end.takes(token):
            yield token
        if end.reached:
            return
