"""An evaluation on a terminal: scores beside the author's, the grade and its reasons; or the loss of a text file."""

from __future__ import annotations

import sys
import time

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinygpt.evaluation.loss import bits
from tinygpt.evaluation.measures import COPY_LENGTHS, REPEATED, SHORTEST_WORD
from tinygpt.evaluation.perplexity import TextLoss
from tinygpt.evaluation.scores import Evaluation
from tinygpt.evaluation.shares import Interval, Reference
from tinygpt.terminal.output import make_console
from tinygpt.terminal.visible import visible_text

_COPY_SHOWN = 60
_SECONDS_BETWEEN = 10.0  # lines about progress
SHARES = {
    "letters": "byte frequencies in common",
    "words": f"words of {SHORTEST_WORD} letters and more that exist",
    "pairs": "known pairs of words",
    "lines": "lines that parse",
    "triples": "known triples of pairs",
    "blocks": "blocks that parse",
    "returning": "words that return",
    "repeated": f"bytes that repeat {REPEATED} and more of the same text",
    **{f"copied_{least}": f"bytes in copies of {least} and more" for least in COPY_LENGTHS},
}
"""Name of a share → what it is the share of."""


def print_evaluation(evaluation: Evaluation, console: Console | None = None) -> None:
    """Print the scores beside those of the held-out text, and the grade."""
    console = console or make_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", style="dim")
    for heading in ("the model", "the author", "scrambled"):
        table.add_column(heading, justify="right")
    for row in _rows(evaluation):
        table.add_row(*map(escape, row))
    e = evaluation
    lines = [
        f"held-out loss {_loss(e.held_out_loss)}{_per_token(e)}, all {e.held_out_bytes:,} bytes; "
        f"training text {_loss(e.train_loss)}",
        str(e.standing),
        "counting models, bits a byte: " + ", ".join(f"{rung.order} {rung.bits:.2f}" for rung in e.ladder),
    ]
    console.print(f"evaluated on {visible_text(e.corpus)}", style="bold", highlight=False, markup=False)
    for line in lines:
        console.print(line, highlight=False, markup=False)
    console.print(table)
    copy = e.measures.longest_copy
    shown = copy if len(copy) <= _COPY_SHOWN else f"{copy[:_COPY_SHOWN]}…"
    console.print(f"the longest copy: {visible_text(' '.join(shown.split()))!r}", highlight=False, markup=False)
    console.print(f"grade, at temperature 1: {e.judgement}", style="bold", highlight=False, markup=False)
    for reason in e.judgement.reasons:
        console.print(f"  - {reason}", highlight=False, markup=False)
    for missing in e.judgement.missing:
        console.print(f"  - missing: {missing}", style="dim", highlight=False, markup=False)


def _loss(nats: float) -> str:
    return f"{nats:.3f} nats, {bits(nats):.3f} bits a byte"


def _per_token(e: Evaluation) -> str:
    """Add the loss per token of a model whose tokens are not bytes."""
    return "" if e.bytes_per_token == 1.0 else f" ({e.held_out_loss_per_token:.3f} nats a token)"


def _rows(e: Evaluation) -> list[tuple[str, str, str, str]]:
    m = e.measures
    rows = [
        (
            SHARES[name], _interval(share.texts), _interval(share.author),
            f"{share.author.floor:.0%}" if share.author.floor else "",
        )
        for name, share in m.shares.items()
    ]  # fmt: skip
    rows.append(("longest copy, bytes", f"{m.longest_bytes:,}", f"{m.author_longest_bytes:,}", ""))
    if e.swaps and e.counted_swaps:
        counted = f"{e.standing.best.name} {e.counted_swaps.right:.0%}"
        rows.append(("exchanged words noticed, not graded", f"{e.swaps.right:.0%}", "", counted))
    if e.positions:
        low, high = e.positions.used_between
        used = f"{e.positions.used} ({low} to {high}) of {e.positions.context_bytes}"
        rows.append(("context in use, bytes", used, "", ""))
    return rows


def _interval(value: Interval | Reference) -> str:
    return f"{value.share:.1%} [{value.low:.0%}, {value.high:.0%}]"


# ---- a text file -----------------------------------------------------------------------------------------------


class Announcer:
    """Prints the progress of a long evaluation to standard error."""

    def __init__(self) -> None:
        self.printed_at = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Print a line if the last one is some seconds old."""
        if time.monotonic() - self.printed_at >= _SECONDS_BETWEEN:
            self.printed_at = time.monotonic()
            print(f"{done:,} of {total:,} tokens", file=sys.stderr, flush=True)


def print_text_loss(loss: TextLoss) -> None:
    """Print the loss over a text file in all its units, and its windows."""
    first, longest = loss.context - loss.stride + 1, loss.context
    beginning = ", or fewer at the beginning of the text" if first > 1 else ""
    start = "a line break" if loss.begins_after == "\n" else visible_text(loss.begins_after)
    print(
        f"{visible_text(loss.text)}: {loss.n_bytes:,} bytes in {loss.n_tokens:,} tokens of "
        f"{visible_text(loss.tokenizer)}, {loss.n_bytes / loss.n_tokens:.2f} bytes a token\n"
        f"loss {loss.per_byte:.4f} nats a byte, {bits(loss.per_byte):.4f} bits a byte; "
        f"{loss.per_token:.4f} nats a token, perplexity {loss.perplexity:,.2f} a token\n"
        f"windows of {loss.context:,} tokens, a new one after every {loss.stride:,}: each token is predicted from the "
        f"{first:,} to {longest:,} tokens before it{beginning}; the first one from {start}"
    )
