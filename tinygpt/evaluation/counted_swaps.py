"""The swap probe of a corpus's counting models, which take seconds to count: kept in the cache folder."""

from __future__ import annotations

from dataclasses import asdict, fields

from tinygpt.corpora import Corpus
from tinygpt.evaluation.counting import CountingModel
from tinygpt.evaluation.swaps import SwapResult, swap_probe
from tinygpt.system.kept_values import kept_value

_PROBE = "swaps of modified Kneser-Ney 2"  # part of the cache's key: other pairs get another number


def counted_swaps(corpus: Corpus, order: int) -> SwapResult:
    """Return the outcome of the swap probe for a counting model, from the cache folder if it was measured before.

    Raises:
        ConfigError: the order is out of range.
        CorpusError: the training text is shorter than the order, or the held-out text has no pair.
    """

    def measure() -> dict[str, float]:
        return asdict(swap_probe(CountingModel(corpus.train, order), corpus.held_out))

    key = f"{_PROBE} {order} {corpus.sha256}"
    found = kept_value("the swap probe", "swaps.json", key, measure, _is_result)
    return SwapResult(int(found["n_pairs"]), found["right"], found["low"], found["high"])


def _is_result(value: object) -> bool:
    names = {field.name for field in fields(SwapResult)}
    return isinstance(value, dict) and value.keys() == names and all(isinstance(v, int | float) for v in value.values())
