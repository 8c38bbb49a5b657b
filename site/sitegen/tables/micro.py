"""A step of preset ``micro`` beside the figures that authors of "microgpt" programs published for theirs.

The two are not compared in any number: their steps are of other texts, on other machines.
"""

from __future__ import annotations

from dataclasses import dataclass

from sitegen.rows.cells import shown_cells
from sitegen.rows.machines import machine_label
from sitegen.rows.results import Results
from sitegen.text.escape import html_attribute, html_block
from sitegen.text.markup import TableCell, html_table, nothing_yet, number_cell
from tinygpt.presets import PRESETS
from tinygpt.terminal import quantities

COMMAND = "invoke bench --suite standard --presets micro --engines python,numpy,vectorized,compiled"
_PRESET = PRESETS["micro"]


@dataclass(frozen=True)
class Published:
    """A published time of a program with one layer, 16 wide, four heads, context 16, one name a step.

    Attributes:
        words: the time as its source has it.
        seconds: of a step, from that.
        source: whose, and when.
    """

    program: str
    words: str
    seconds: float
    machine: str
    source: str
    address: str


_GUIDE = ("A. Karpathy, 12 February 2026", "http://karpathy.github.io/2026/02/12/microgpt/")
_PORT = ("README of microgpt.cpp, 5 March 2026", "https://github.com/Charbel199/microgpt.cpp")
_LAPTOP = "Intel Core Ultra 7 165H"
PUBLISHED = (
    Published("microgpt.py", "about 1 minute for 1,000 steps", 60.0 / 1000, "a MacBook", *_GUIDE),
    Published("microgpt.py in CPython", "22 min 4 s for 10,000 steps", 1324.0 / 10_000, _LAPTOP, *_PORT),
    Published("microgpt.py in PyPy 7.3.17", "3 min 16 s for 10,000 steps", 196.0 / 10_000, _LAPTOP, *_PORT),
    Published("microgpt.cpp, and rust-microgpt", "1.3 s for 10,000 steps", 1.3 / 10_000, _LAPTOP, *_PORT),
)


def micro_table(results: Results) -> str:
    """Our engines at micro on the machine that measured it last, the fastest first, then the published times."""
    cells = [cell for cell in shown_cells(results) if cell.preset == _PRESET.name and cell.n_rounds]
    cells.sort(key=lambda cell: cell.seconds.median)
    newest = max(cells, key=lambda cell: cell.started_at, default=None)
    rows: list[dict[str, TableCell | str]] = [
        {
            "program": cell.variant,
            "a step": number_cell(cell.seconds.median, quantities.duration),
            "as published": "",
            "machine": machine_label(cell),
            "source": quantities.day(cell.started_at),
        }
        for cell in cells
        if newest and cell.scope == newest.scope
    ]
    rows += [
        {
            "program": one.program,
            "a step": number_cell(one.seconds, quantities.duration),
            "as published": one.words,
            "machine": one.machine,
            "source": TableCell("", html=f'<a href="{html_attribute(one.address)}">{html_block(one.source)}</a>'),
        }
        for one in PUBLISHED
    ]
    table = html_table("A step of micro, and of microgpt programs", rows)
    return table if cells else f"{nothing_yet('No engine of ours is measured at micro', COMMAND)}{table}"
