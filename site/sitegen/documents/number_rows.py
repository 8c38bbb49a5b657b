"""The rows behind the numbers: one table of every figure that a page quotes, and the raw rows to download.

A number in a sentence links to its line here: what was measured, how often, where, when, by which command, and a file
with the rows of the runs that it was computed from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sitegen.documents.pages import Page
from sitegen.documents.posts import Pin, pin_id, pin_of
from sitegen.numbers.number import Number
from sitegen.numbers.quoted_rows import Facts
from sitegen.numbers.registry import resolve_number
from sitegen.rows.results import Results
from sitegen.text.errors import SiteError
from sitegen.text.escape import html_block
from sitegen.text.markup import TableCell, html_table

PAGE = "numbers.md"
FOLDER = "rows"  # under the generated folder

# Ids come from results, and become file names.
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_RUN_COLUMNS = [
    "cell_id",
    "kind",
    "variant",
    "preset",
    "round",
    "status",
    "corpus",
    "seed",
    "commit",
    "peak_memory_bytes",
]
_STEP_COLUMNS = ["step", "is_warmup", "seconds", "loss", "held_out_loss"]


@dataclass(frozen=True)
class QuotedNumber:
    """A number that pages ask for, under one pin.

    Attributes:
        name: of the number.
        pin: the runs it is read from; empty for the newest.
    """

    name: str
    pin: Pin

    @property
    def anchor(self) -> str:
        """The id of its line."""
        return anchor_of(self.name, self.pin)


def anchor_of(name: str, pin: Pin) -> str:
    """The id of a number's line: letters, digits and dashes."""
    tail = f"-{pin_id(pin)}" if pin else ""
    return "n-" + re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") + tail


def quoted_numbers(pages: Sequence[Page]) -> tuple[QuotedNumber, ...]:
    """Every number that a page asks for by a literal name, ordered by name, the newest before pinned ones."""
    found = {(call.name, pin_of(page)) for page in pages for call in page.calls if call.macro == "number"}
    return tuple(QuotedNumber(name, pin) for name, pin in sorted(found))


def numbers_table(quoted: Sequence[QuotedNumber], facts: dict[Pin, Facts], generated_url: str) -> str:
    """The table: number, value, evidence, rows.

    Args:
        quoted: what pages ask for.
        facts: by pin; the empty one for pages without.
        generated_url: the generated folder as seen from the page.
    """
    rows: list[list[TableCell | str]] = []
    for item in quoted:
        try:
            number = resolve_number(item.name, facts[item.pin])
        except SiteError:
            continue  # the page that asks for it stops the build, with its line
        rows.append(
            [
                TableCell(item.name, sort=item.name, html=f'<code id="{item.anchor}">{html_block(item.name)}</code>'),
                number.text or number.source,
                TableCell("", html=_links(number, generated_url)),
                "pinned" if item.pin else "newest",
                number.source if number.text else "",
            ]
        )
    return html_table("Every number that a page quotes", ["name", "value", "rows", "runs", "evidence"], rows)


def _links(number: Number, generated_url: str) -> str:
    if not number.runs:
        return f"<code>{html_block(number.command)}</code>" if number.text is None else "none"
    return " ".join(
        f'<a href="{generated_url}{FOLDER}/{run}.csv" title="{run}">{run[-4:]}</a>'
        for run in number.runs
        if _RUN_ID.fullmatch(run)
    )


def write_rows(results: Results, runs: Iterable[str], generated: Path) -> None:
    """Write the raw rows of runs as CSV, a file per run: its processes, each with its steps.

    Args:
        results: all rows.
        runs: ids; those without rows are passed over.
        generated: the folder of generated assets.
    """
    folder = generated / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    kept = set()
    for run in filter(_RUN_ID.fullmatch, sorted(set(runs))):
        processes = results.runs[results.runs["run_id"] == run]
        if processes.empty:
            continue
        steps = results.steps.loc[results.steps["run_id"] == run, ["cell_id", *_STEP_COLUMNS]]
        joined = processes[_RUN_COLUMNS].merge(steps, on="cell_id", how="left")
        joined.drop(columns="cell_id").to_csv(folder / f"{run}.csv", index=False, lineterminator="\n")
        kept.add(f"{run}.csv")
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink()


def quoted_runs(quoted: Sequence[QuotedNumber], facts: dict[Pin, Facts]) -> set[str]:
    """The runs behind every number that a page quotes."""
    runs: set[str] = set()
    for item in quoted:
        try:
            runs.update(resolve_number(item.name, facts[item.pin]).runs)
        except SiteError:
            continue  # as above
    return runs
