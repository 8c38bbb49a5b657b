"""Tables of the peers' page: a step's time and a generated text's rate, with a column for each peer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bench.arms.registry import COMPARED, JAX_ON_CPU, OURS, PEERS, ROOFLINE, TORCH
from bench.records.grouping import grouped
from bench.statistics.peer_ratios import PeerRatio, fastest
from sitegen.rows.machines import machine_label
from sitegen.rows.peers import GENERATION_COMMAND, TRAINING_COMMAND
from sitegen.rows.results import Results
from sitegen.tables.ratio_cells import ratio_cell
from sitegen.text.markup import TableCell, html_table, nothing_yet, number_cell
from tinygpt.terminal import quantities


def training_table(results: Results) -> str:
    """Milliseconds of a step by preset: a column for each peer, and the ratios to ours."""
    rows = results.training_ratios
    if not rows:
        return nothing_yet("No peer is measured", TRAINING_COMMAND)
    names = _measured_names(rows, (*PEERS, ROOFLINE))
    lines: list[dict[str, TableCell | str]] = []
    for at_preset in grouped(rows, lambda row: row.cell.place).values():
        by_variant = {row.cell.variant: row for row in at_preset}
        ours, torch, best = by_variant.get(OURS), by_variant.get("torch"), fastest(at_preset, TORCH)
        lines.append(
            {
                "preset": _preset_cell(at_preset[0]),
                OURS: _seconds_cell(ours),
                **_speedup_cells(by_variant),
                "over PyTorch's best": _speedup_cell(best),
                "share of the roofline": _share_cell(ours),
                **{name: _seconds_cell(by_variant.get(name)) for name in names},
                "peak memory: ours": _memory_cell(ours),
                "torch's": _memory_cell(torch),
                "PyTorch's best": _memory_cell(best),
                "machine": machine_label(at_preset[0].cell),
            }
        )
    return html_table("Milliseconds of a training step, against the peers", lines)


def generation_table(results: Results) -> str:
    """Tokens per second by preset: a column for each generator, and our ratios."""
    rows = results.generation_ratios
    if not rows:
        return nothing_yet("No generation is measured", GENERATION_COMMAND)
    names = _measured_names(rows, (OURS, JAX_ON_CPU, *PEERS))
    lines: list[dict[str, TableCell | str]] = []
    for at_preset in grouped(rows, lambda row: row.cell.place).values():
        by_variant = {row.cell.variant: row for row in at_preset}
        rates = {
            name: _cell(by_variant.get(name), lambda row: row.cell.tokens_per_second, quantities.significant)
            for name in names
        }
        lines.append(
            {
                "preset": _preset_cell(at_preset[0]),
                **{name: rate for name, rate in rates.items() if name == OURS},
                **_speedup_cells(by_variant),
                "over PyTorch's best": _speedup_cell(fastest(at_preset, TORCH)),
                **rates,
                "machine": machine_label(at_preset[0].cell),
            }
        )
    return html_table("Tokens a second, against the peers", lines)


def _measured_names(rows: Iterable[PeerRatio], names: Iterable[str]) -> list[str]:
    known = {row.cell.variant for row in rows}
    return [name for name in names if name in known]


def _preset_cell(row: PeerRatio) -> TableCell:
    return TableCell(row.cell.preset, sort=row.cell.n_parameters)


def _seconds_cell(row: PeerRatio | None) -> TableCell:
    return _cell(row, lambda row: row.cell.seconds.median, quantities.milliseconds)


def _speedup_cells(by_variant: Mapping[str, PeerRatio]) -> dict[str, TableCell]:
    return {heading: _speedup_cell(by_variant.get(name)) for heading, name in COMPARED.items()}


def _speedup_cell(row: PeerRatio | None) -> TableCell:
    if row is None or not row.ratio:
        return _cell(row, lambda row: row.speedup, quantities.ratio)
    return ratio_cell(row.ratio)


def _share_cell(row: PeerRatio | None) -> TableCell:
    if row is None or not row.of_roofline:
        return _cell(row, lambda row: row.share, quantities.percent)
    return ratio_cell(row.of_roofline, quantities.percent)


def _memory_cell(row: PeerRatio | None) -> TableCell:
    return _cell(row, lambda row: row.cell.peak_memory_bytes, quantities.megabytes)


def _cell(
    row: PeerRatio | None, value: Callable[[PeerRatio], float | None], write: Callable[[float], str]
) -> TableCell:
    """A value, the status of a cell that failed, or a dash."""
    if row is not None and not row.cell.n_rounds:
        return TableCell(row.cell.status)
    return number_cell(None if row is None else value(row), write)
