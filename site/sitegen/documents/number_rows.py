"""The rows behind the numbers: a table of every measured number that a page quotes, and raw rows to download.

A number in a sentence links to its row here: the measurement, its rounds, machine, day and command, and a file with the
rows of the runs that it was computed from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.records.export import csv_bytes
from sitegen.documents.pages import Page
from sitegen.documents.posts import Pin, pin_id, pin_of
from sitegen.numbers.number import Number
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import resolve_number
from sitegen.rows.results import Results
from sitegen.text.errors import SiteError
from sitegen.text.escape import html_block
from sitegen.text.markup import TableCell, html_table

PAGE = "numbers.md"
FOLDER = "rows"  # under the generated folder

# Run ids come from results and become file names.
_MOST = 100  # runs that a number links
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_RUN_COLUMNS = [
    "cell_id", "kind", "variant", "preset", "round", "status", "corpus", "seed", "commit", "peak_memory_bytes",
]  # fmt: skip
_STEP_COLUMNS = ["step", "is_warmup", "seconds", "loss", "held_out_loss"]


@dataclass(frozen=True)
class QuotedNumber:
    """A number that pages quote under one pin: its name, and the runs it is read from (none for the newest)."""

    name: str
    pin: Pin

    @property
    def anchor(self) -> str:
        """The id of its row in the table."""
        return anchor_of(self.name, self.pin)


def anchor_of(name: str, pin: Pin) -> str:
    """The id of a number's row in the table: letters, digits and dashes."""
    tail = f"-{pin_id(pin)}" if pin else ""
    return "n-" + re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") + tail


def quoted_numbers(pages: Sequence[Page]) -> tuple[QuotedNumber, ...]:
    """Every number that a page quotes by a literal name, ordered by name, newest rows before pinned ones."""
    found = {(call.name, pin_of(page)) for page in pages for call in page.calls if call.kind == "number"}
    return tuple(QuotedNumber(name, pin) for name, pin in sorted(found))


def _resolved(quoted: Sequence[QuotedNumber], rows: Mapping[Pin, QuotedRows]) -> Iterator[tuple[QuotedNumber, Number]]:
    for item in quoted:
        try:
            yield item, resolve_number(item.name, rows[item.pin])
        except SiteError:  # the page that quotes it stops the build, and names the line
            continue


def numbers_table(quoted: Sequence[QuotedNumber], rows: Mapping[Pin, QuotedRows], generated_url: str) -> str:
    """Return the table of numbers; ``generated_url`` is the generated folder as seen from the page."""
    return html_table(
        "Every number that a page quotes",
        [
            {
                "name": TableCell(item.name, item.name, f'<code id="{item.anchor}">{html_block(item.name)}</code>'),
                "value": number.text or number.source,
                "rows": TableCell("", html=_links(number, generated_url)),
                "runs": "pinned" if item.pin else "newest",
                "evidence": number.source if number.text else "",
            }
            for item, number in _resolved(quoted, rows)
        ],
    )


def _links(number: Number, generated_url: str) -> str:
    if not number.runs:
        return f"<code>{html_block(number.command)}</code>" if number.text is None else "none"
    linked = _linked(number)
    links = [f'<a href="{generated_url}{FOLDER}/{run}.csv" title="{run}">{run[-4:]}</a>' for run in linked]
    return " ".join(links) + (f" and {len(number.runs) - len(linked):,} more" if len(number.runs) > _MOST else "")


def _linked(number: Number) -> list[str]:
    """The runs of a number whose rows are a click away: the newest of very many."""
    return [run for run in number.runs if _RUN_ID.fullmatch(run)][-_MOST:]


def quoted_runs(quoted: Sequence[QuotedNumber], rows: Mapping[Pin, QuotedRows]) -> set[str]:
    """The runs behind every number that a page quotes, as far as the page links them."""
    return {run for _, number in _resolved(quoted, rows) for run in _linked(number)}


def write_rows(results: Results, runs: Iterable[str], generated: Path) -> None:
    """Write the raw rows of runs, processes joined with their steps, into the generated folder: a CSV file per run.

    Ids without rows are skipped, and files of other runs are deleted.
    """
    folder = generated / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = set()
    for run in filter(_RUN_ID.fullmatch, sorted(set(runs))):
        processes = results.runs[results.runs["run_id"] == run]
        if processes.empty:
            continue
        steps = results.steps.loc[results.steps["run_id"] == run, ["cell_id", *_STEP_COLUMNS]]
        joined = processes[_RUN_COLUMNS].merge(steps, on="cell_id", how="left")
        (folder / f"{run}.csv").write_bytes(csv_bytes(joined.drop(columns="cell_id")))
        written.add(f"{run}.csv")
    for path in folder.iterdir():
        if path.name not in written:
            path.unlink()
