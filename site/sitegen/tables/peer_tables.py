"""Tables of the peers' page: for each machine a heat table of ratios, peers by presets, and the times behind it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from bench.arms.registry import FAST, JAX_ON_CPU, PEERS, ROOFLINE, ROUNDED, TORCH
from bench.records.grouping import grouped
from bench.records.rows import PUBLISHED
from bench.statistics.noise import cell_verdict
from bench.statistics.peer_ratios import PeerRatio, fastest
from sitegen.rows.cells import machine_order
from sitegen.rows.machines import machine_label
from sitegen.rows.peers import GENERATION_COMMAND, TRAINING_COMMAND, evidence, peer_frame
from sitegen.rows.results import Results
from sitegen.rows.series import label_of
from sitegen.tables.facets import facets
from sitegen.tables.ratio_cells import heat_cell, heat_key, ratio_cell
from sitegen.text.escape import html_attribute, html_block
from sitegen.text.markup import TableCell, doubted_cell, grid_table, nothing_yet, status_cell
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

BEST = "PyTorch's best"
_REASON = 48  # characters of a reason in a cell; all of it is in the tooltip

AtPreset = Mapping[str, PeerRatio]  # by variant
ByPreset = Mapping[str, AtPreset]


def training_table(results: Results) -> str:
    """Ratios of a training step by peer and preset; folded, the times, peaks of memory and shares of the roofline."""
    return _tables(
        results.training_ratios,
        nothing_yet("No peer is measured", TRAINING_COMMAND),
        TRAINING_COMMAND,
        "a training step",
        ("Times behind the ratios, memory, and shares of the roofline", _step_cell, (*FAST, *PEERS, ROOFLINE)),
    )


def generation_table(results: Results) -> str:
    """The same of generation; folded, tokens per second."""
    return _tables(
        results.generation_ratios,
        nothing_yet("No generation is measured", GENERATION_COMMAND),
        GENERATION_COMMAND,
        "generation",
        ("Tokens per second behind the ratios", _rate_cell, (*FAST, *ROUNDED, JAX_ON_CPU, *PEERS)),
    )


Behind = tuple[str, Callable[[PeerRatio], TableCell], Sequence[str]]  # title, cell, and the variants of its rows


def _tables(rows: Sequence[PeerRatio], nothing: str, command: str, subject: str, behind: Behind) -> str:
    if not rows:
        return nothing
    machines = grouped(rows, lambda row: machine_label(row.cell))
    order = sorted(machine_order(peer_frame(rows)), key=lambda name: machines[name][0].cell.origin != PUBLISHED)
    return heat_key() + facets((name, _machine(machines[name], command, subject, behind)) for name in order)


def _machine(rows: Sequence[PeerRatio], command: str, subject: str, behind: Behind) -> str:
    presets: ByPreset = {
        preset: {row.cell.variant: row for row in group}
        for preset, group in grouped(rows, lambda row: row.cell.preset).items()
    }
    title, cell, variants = behind
    others = [row for row in rows if row.cell.variant != row.ours]
    days = {preset: _day(found.values()) for preset, found in presets.items()}
    ours = {preset: next(iter(found.values())).ours for preset, found in presets.items()}
    headings = [TableCell("", html=_heading(preset, ours[preset], days[preset])) for preset in presets]
    ratios = grid_table(
        f"{subject.capitalize()}: each peer's time over ours",
        ["its time ÷ ours", *headings],
        [
            [
                BEST,
                *(_heat(fastest(found.values(), TORCH), "", days[at], names=True) for at, found in presets.items()),
            ],
            *(
                [
                    _name(name),
                    *(
                        _heat(found.get(name), f"{command} --presets {shlex.quote(at)}", days[at])
                        for at, found in presets.items()
                    ),
                ]
                for name in _known(others, (*FAST, *ROUNDED, JAX_ON_CPU, *PEERS))
            ),
        ],
    )
    times = grid_table(
        title,
        ["median", *headings],
        [
            *(
                [_name(name), *(_behind(found.get(name), cell) for found in presets.values())]
                for name in _known(rows, variants)
            ),
            *_shares(presets),
        ],
    )
    return f"{ratios}<details><summary>{html_block(title)}</summary>{times}</details>"


def _day(rows: Collection[PeerRatio]) -> str:
    """The day of the run that most cells of a column come from."""
    [(chosen, _)] = Counter(row.cell.run_id for row in rows).most_common(1)
    return quantities.day(min(row.cell.started_at for row in rows if row.cell.run_id == chosen))


def _heading(preset: str, ours: str, day: str) -> str:
    """A preset, our engine there, and the day of its column."""
    return f'{html_block(preset)} <small>{ours}</small> <small><time datetime="{day}">{day}</time></small>'


def _known(rows: Iterable[PeerRatio], names: Iterable[str]) -> list[str]:
    known = {row.cell.variant for row in rows}
    return [name for name in names if name in known]


def _name(variant: str) -> TableCell:
    label = label_of(variant)
    small = f" <small>{html_block(variant)}</small>" * (label != variant)
    return TableCell(variant, variant, f"{html_block(label)}{small}")


def _heat(row: PeerRatio | None, command: str, day: str, names: bool = False) -> TableCell:
    """A ratio, with its peer's name if the row has none, and with its day if that is not its column's."""
    if row is None:
        absent = f'<span class="tg-absent" title="{html_attribute(command)}">not measured</span>'
        return TableCell("", html=absent, classes="tg-heat")
    if row.cell.variant == row.ours:
        return TableCell("", html='<span class="tg-absent">ours</span>', classes="tg-heat")
    if row.ratio is None:
        return _failed(row)
    own = quantities.day(row.cell.started_at)
    return heat_cell(row.ratio, f"; {row.cell.variant}" * names + f"; {own}" * (own != day))


def _behind(row: PeerRatio | None, cell: Callable[[PeerRatio], TableCell]) -> TableCell:
    if row is None:
        return TableCell("–")
    return cell(row) if row.cell.n_rounds else _failed(row)


def _failed(row: PeerRatio) -> TableCell:
    """The status of a cell without a ratio, and why."""
    if row.cell.n_rounds:
        return TableCell("", html='<span class="tg-absent">no common round</span>', classes="tg-heat")
    reason, state = one_line(row.reason, 300), status_cell(row.cell.status).html
    small = f'<small title="{html_attribute(reason)}">{html_block(one_line(reason, _REASON))}</small>'
    return TableCell("", html=f"{state} {small}", classes="tg-heat")


def _step_cell(row: PeerRatio) -> TableCell:
    seconds, memory = row.cell.seconds.median, row.cell.peak_memory_bytes
    text = quantities.milliseconds(seconds)
    if memory is None or row.cell.variant == ROOFLINE:
        return doubted_cell(text, seconds, quantities.gflops(row.flops_per_second), "rate of the products")
    verdict = cell_verdict(row.cell)
    doubt = "" if verdict == "stable" else f", {verdict}"
    return doubted_cell(text, seconds, quantities.megabytes(memory) + doubt, f"{evidence(row)}; peak memory")


def _rate_cell(row: PeerRatio) -> TableCell:
    rate = row.cell.tokens_per_second
    return TableCell(quantities.significant(rate), sort=rate)


def _shares(presets: ByPreset) -> list[list[TableCell | str]]:
    """Our engines' shares of the roofline, where there are any."""
    lines: list[list[TableCell | str]] = []
    for name in FAST:
        ours = [found.get(name) for found in presets.values()]
        if any(row and row.of_roofline for row in ours):
            cells = (ratio_cell(row.of_roofline if row else None, quantities.percent) for row in ours)
            # Without a sort key: a share has no place among times.
            lines.append([f"share of the roofline: {name}", *(replace(cell, sort=None) for cell in cells)])
    return lines
