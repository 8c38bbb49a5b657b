"""A model's loss over a whole text file: per byte, in bits, per token, and as perplexity.

Every byte of the text is scored, so that all tokenizers are compared over the same text: the first token is predicted
after the mark between texts where the tokenizer has one, and else after a line break, where a text begins for samples
too. Only the loss per byte compares models of different tokenizers, and only windows of one size compare models of
different contexts. So the stride of the windows is part of the result.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tinygpt.corpora.textfile import read_file
from tinygpt.engines import DEFAULT_ENGINE
from tinygpt.errors import CorpusError
from tinygpt.evaluation.loss import bits, scoring_engine, token_losses
from tinygpt.generation.decoding import EMPTY_PROMPT
from tinygpt.generation.inference import LanguageModel
from tinygpt.tokenizers import Tokenizer
from tinygpt.tokenizers.json_tokenizer import stretches


@dataclass(frozen=True)
class TextLoss:
    """The loss over a text.

    Attributes:
        text: the file's name.
        tokenizer: the model's.
        begins_after: the token before the first one, which is not scored.
        n_bytes: bytes of the text.
        n_tokens: its tokens.
        nats: the sum of their losses.
        context: tokens of a window.
        stride: tokens from one window to the next.
    """

    text: str
    tokenizer: str
    begins_after: str
    n_bytes: int
    n_tokens: int
    nats: float
    context: int
    stride: int

    @property
    def per_byte(self) -> float:
        """Nats per byte."""
        return self.nats / self.n_bytes

    @property
    def per_token(self) -> float:
        """Nats per token."""
        return self.nats / self.n_tokens

    @property
    def perplexity(self) -> float:
        """The number of equally likely tokens that would be as hard to guess."""
        return math.exp(self.per_token)

    def as_json(self) -> str:
        """Return the loss in all its units as JSON."""
        own = {"loss_per_byte": self.per_byte, "bits_per_byte": bits(self.per_byte)}
        own |= {"loss_per_token": self.per_token, "perplexity_per_token": self.perplexity}
        return json.dumps(asdict(self) | own, indent=2, allow_nan=False)


def text_file_loss(
    model: LanguageModel,
    path: str | Path,
    stride: int | None = None,
    engine: str = DEFAULT_ENGINE,
    scored: Callable[[int, int], None] = lambda _done, _all: None,
) -> TextLoss:
    """Score a text file.

    Args:
        model: a checkpoint or another model.
        path: the file.
        stride: tokens from one window to the next, at most the model's context, which is the default.
        engine: the engine that computes the losses.
        scored: receives the number of tokens that have a loss and the number of all, from time to time.

    Raises:
        CorpusError: there is no such file, or it is empty.
        ConfigError: the stride is out of range, or the tokenizer cannot represent the text.
    """
    try:
        text = read_file("file", str(path))
    except CorpusError as error:
        raise CorpusError(error.problem, error.allowed, "the same command with another --text") from None
    scorer = scoring_engine(model, engine)
    tokenizer, context = scorer.tokenizer, scorer.config.context_length
    before = _before_a_text(tokenizer)
    tokens = np.concatenate([before, *(tokenizer.encode(part) for part in stretches(text))])
    n_tokens = len(tokens) - len(before)
    losses = token_losses(scorer, tokens, stride, lambda done: scored(min(done, n_tokens), n_tokens))[-n_tokens:]
    begins_after, own_stride = tokenizer.decode(before), stride or context
    nats = float(losses.sum())
    return TextLoss(Path(path).name, tokenizer.name, begins_after, len(text), n_tokens, nats, context, own_stride)


def _before_a_text(tokenizer: Tokenizer) -> np.ndarray:
    """Return the ids that the first token of a text is predicted from."""
    if tokenizer.end_of_text is None:
        return tokenizer.encode(EMPTY_PROMPT)
    return np.array([tokenizer.end_of_text], tokenizer.dtype)
