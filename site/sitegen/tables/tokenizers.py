"""The table of tokens of several sizes in equal times."""

from __future__ import annotations

from sitegen.rows.machines import machine_label
from sitegen.rows.results import Results
from sitegen.rows.tokenizers import TOKENIZERS_COMMAND, best_of_each_kind, compared
from sitegen.text.markup import html_table, nothing_yet, number_cell
from tinygpt.terminal import quantities
from tinygpt.tokenizers import BYTES

_loss = "{:.4f}".format


def _signed(share: float) -> str:
    return quantities.signed_percent(share, 1)


def tokenizers_table(results: Results) -> str:
    """The loss of each shape and vocabulary, and the time of its steps on two cores; the lowest loss first."""
    found = compared(results)
    pair = best_of_each_kind(found)
    if not found:
        return nothing_yet("No comparison of tokenizers is recorded", TOKENIZERS_COMMAND)
    lowest = None if pair is None else pair[0].loss
    return html_table(
        "Tokens of several sizes in equal times",
        [
            {
                "tokens": "bytes" if one.vocab_size == BYTES.vocab_size else f"BPE, {quantities.whole(one.vocab_size)}",
                "preset": one.first.preset,
                "dropout": number_cell(one.dropout, "{:g}".format),
                "steps": number_cell(one.first.steps_done, quantities.whole),
                "tokens read": number_cell(one.first.steps_done * one.first.tokens_per_step, quantities.short_count),
                "a step on the processor": number_cell(one.step_seconds, quantities.milliseconds),
                "all steps there": number_cell(one.processor_seconds, quantities.duration),
                "processor": "–" if one.pace is None else machine_label(one.pace[0]),
                "held-out loss": number_cell(one.loss, _loss),
                "seeds": number_cell(len(one.runs), quantities.whole),
                "against bytes": number_cell(None if lowest is None else one.loss / lowest - 1.0, _signed),
            }
            for one in found
        ],
    )
