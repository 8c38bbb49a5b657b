"""An evaluation on a terminal: scores, verdict and reasons."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinygpt.evaluation.loss import bits
from tinygpt.evaluation.scores import Evaluation
from tinygpt.terminal.output import make_console
from tinygpt.terminal.visible import visible_text

_COPY_SHOWN = 60


def print_evaluation(evaluation: Evaluation, console: Console | None = None) -> None:
    """Print the scores beside those of the held-out text, and the verdict."""
    console = console or make_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", style="dim")
    table.add_column("the model", justify="right")
    table.add_column("held-out text", justify="right")
    for row in _rows(evaluation):
        table.add_row(*map(escape, row))
    console.print(f"evaluated on {visible_text(evaluation.corpus)}", style="bold", highlight=False, markup=False)
    console.print(table)
    copy = evaluation.longest_copy
    shown = copy if len(copy) <= _COPY_SHOWN else f"{copy[:_COPY_SHOWN]}…"
    console.print(f"the longest copy: {visible_text(' '.join(shown.split()))!r}", highlight=False, markup=False)
    console.print(f"verdict: {evaluation.verdict.word}", style="bold", highlight=False, markup=False)
    for reason in evaluation.verdict.reasons:
        console.print(f"  - {reason}", highlight=False, markup=False)


def _rows(e: Evaluation) -> list[tuple[str, str, str]]:
    def loss(value: float) -> str:
        return f"{value:.3f} nats, {bits(value):.3f} bits"

    names = ("distinct words", "distinct word pairs", "distinct word triples")
    return [
        (f"held-out loss per byte, all {e.held_out_bytes:,} bytes", loss(e.held_out_loss), ""),
        (f"training loss per byte, {e.train_bytes:,} bytes", loss(e.train_loss), ""),
        ("gap", f"{e.gap:+.3f} nats", ""),
        (f"words that exist, of {e.words:,}", f"{e.real_words:.1%}", f"{e.held_out_real_words:.1%}"),
        *((name, f"{a:.1%}", f"{b:.1%}") for name, a, b in zip(names, e.distinct, e.held_out_distinct, strict=True)),
        ("verbatim 50-byte windows", f"{e.verbatim_windows:.2%}", f"{e.held_out_verbatim_windows:.2%}"),
        ("longest verbatim copy", f"{len(e.longest_copy.encode()):,} bytes", ""),
    ]
