"""A warning before training that a model will memorize its text.

A text is too small if one of these holds:

- it has fewer than 300 windows of the context, so that every batch repeats windows;
- it has fewer than one byte per four parameters. Language models store up to about 3.6 bits a
  parameter (Morris et al. 2025, "How much do language models memorize?") and English costs a small model about 2
  bits a byte, so a model four times as large as its text can hold all of it about seven times over. The bound is
  generous on purpose: between it and capacity a text is memorized only after many passes, and the held-out loss shows
  that.
"""

from __future__ import annotations

from tinygpt.config import ModelConfig
from tinygpt.corpora.corpus import Corpus

CONTEXTS_AT_LEAST = 300
PARAMETERS_PER_BYTE_AT_MOST = 4


def memorization_warning(corpus: Corpus, model: ModelConfig, is_trained: bool = False) -> str | None:
    """Return a warning, or None if the text is large enough for the model.

    Args:
        is_trained: the weights know another text already, so that few passes over this one are enough.
    """
    n_bytes = len(corpus.train)
    against_context = CONTEXTS_AT_LEAST * model.context_length
    against_model = 0 if is_trained else model.n_parameters // PARAMETERS_PER_BYTE_AT_MOST
    enough = max(against_context, against_model)
    if n_bytes >= enough:
        return None
    if n_bytes < against_context:
        times = f"{n_bytes / model.context_length:.0f} times the context of {model.context_length} bytes"
        reason = f"only {times}: the model will memorize it and repeat it word for word"
    else:
        reason = f"little for {model.n_parameters:,} parameters: trained for long, the model will memorize it"
    return (
        f"the training part of {corpus.name} has {n_bytes:,} bytes, {reason}. "
        f"A low training loss will not mean that it writes well; watch the held-out loss. "
        f"Take a text of at least {enough:,} bytes, or a {'shorter context' if is_trained else 'smaller preset'}."
    )
