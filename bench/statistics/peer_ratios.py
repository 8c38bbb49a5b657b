"""Where this project's engine stands among its rivals: one run's times side by side, ratios, share of the roofline.

    ratio   t_rival / t_ours, with the interval of bench.statistics.summary; above 1 we are faster
    share   t_roofline / t_ours: of a step's time, what the matrix products alone would take

All of it is formed within one run, preset by preset. Where several runs measured a preset, one speaks for it: clean
published code before uncommitted changes, then more rounds, then the newest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from bench.arms.registry import JAX_ON_CPU, OURS, PEERS, REFERENCE, ROOFLINE
from bench.arms.step_work import step_products, total_flops
from bench.statistics.summary import Ratio, cell_summary, ratio_of_rounds
from tinygpt.presets import get_preset

_PLACE = ["origin", "machine_hash", "preset"]
_TOGETHER = [*_PLACE, "protocol_hash", "run_id"]
COLUMNS = [
    *_TOGETHER,
    "machine",
    "variant",
    "n_parameters",
    "status",
    "reason",
    "command",
    "started_at",
    "seconds",
    "seconds_low",
    "seconds_high",
    "peak_memory_bytes",
    "tokens_per_second",
    *Ratio.__dataclass_fields__,
    "flops_per_second",
    "share",
]


def training_standings(runs: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """Step times of one run per preset and machine: ours, the rivals' and the roofline's.

    Args:
        runs: the table ``runs``.
        steps: the table ``steps``.

    Returns:
        columns ``COLUMNS``, a row per variant, the reference and this project's engine first, then the rivals in their
        table's order, then ``roofline`` (the faster of its arrangements). ``speedup`` and its interval are ours over
        the row's; ``flops_per_second`` counts a step's matrix products; ``share`` is the roofline's time over the
        row's. NaN where a side is missing, failed cells included.
    """
    summary = pd.concat(
        [cell_summary(runs, steps, kind) for kind in ("bench", "peer", ROOFLINE) if (runs["kind"] == kind).any()]
        or [cell_summary(runs, steps)],
        ignore_index=True,
    )
    return _standings(summary, (REFERENCE, OURS, *PEERS))


def generation_standings(runs: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """The same for generation: a step is one text, ``tokens_per_second`` counts its tokens, no roofline is known."""
    return _standings(cell_summary(runs, steps, "generation"), (OURS, JAX_ON_CPU, *PEERS))


def fastest(rows: pd.DataFrame, variants: Sequence[str]) -> pd.Series | None:
    """The fastest measured row of some variants; None if none is measured."""
    measured = rows[rows["variant"].isin(variants) & rows["seconds"].notna()]
    return None if measured.empty else measured.sort_values("seconds").iloc[0]


def _standings(summary: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """The chosen run's rows of every place, compared."""
    frames = [
        _compare(group, order)
        for key, group in summary.groupby(_TOGETHER, sort=False)
        if set(group["variant"]) & {*PEERS}
    ]
    if not frames:
        return pd.DataFrame(columns=COLUMNS)
    rows = pd.concat(frames, ignore_index=True)
    chosen = rows["run_id"] == rows.groupby(_PLACE)["rank"].transform(lambda ranks: max(ranks)[-1])
    ranked = rows[chosen].assign(unpublished=rows["origin"] != "published")
    by = ["unpublished", "machine_hash", "n_parameters", "position"]
    return ranked.sort_values(by, kind="stable", ignore_index=True)[COLUMNS]


def _compare(group: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """One run's rows at one preset, with ratios and shares."""
    is_roofline = group["engine"] == ROOFLINE
    rows = group[~is_roofline & group["variant"].isin(order)]
    products = group[is_roofline & (group["n_rounds"] > 0)]
    if len(products):
        best = products.sort_values("median_step_seconds").head(1)
        rows = pd.concat([rows, best.assign(variant=ROOFLINE)])
    floor = float(products["median_step_seconds"].min()) if len(products) else math.nan
    mine = group[(group["variant"] == OURS) & (group["n_rounds"] > 0)]
    preset = get_preset(str(group.iloc[0]["preset"]))
    flops = total_flops(step_products(preset.model, preset.train.batch_size))
    # A clean published run beats a dirty one, more rivals beat fewer, deep beats shallow, new beats old; the id decides
    # and names the run.
    clean = bool((group["origin"] != "published").all() or not group["dirty"].any())
    measured = rows.loc[rows["n_rounds"] > 0, "variant"].nunique()
    rounds = int(mine["n_rounds"].max()) if len(mine) else 0
    rank = (len(mine) > 0, clean, measured, rounds, str(group.iloc[0]["run_id"]))
    names = [*order, ROOFLINE]
    records = []
    for row in rows.to_dict("records"):
        seconds = float(row["median_step_seconds"])
        found = (
            ratio_of_rounds(mine.iloc[0]["round_times"], row["round_times"]) if len(mine) and row["n_rounds"] else None
        )
        reason = str(row["error_tail"] or "").strip().splitlines()
        records.append(
            {name: row[name] for name in (*_TOGETHER, "machine", "variant", "n_parameters", "status", "command")}
            | {name: row[name] for name in ("started_at", "n_rounds", "peak_memory_bytes", "tokens_per_second")}
            | {
                "reason": reason[-1] if reason and row["status"] != "ok" else "",
                "seconds": seconds,
                "seconds_low": row["low_step_seconds"],
                "seconds_high": row["high_step_seconds"],
                "flops_per_second": flops / seconds,
                "share": floor / seconds,
                "rank": rank,
                "position": names.index(row["variant"]),
            }
            | _ratio_fields(found, row["n_rounds"])
        )
    return pd.DataFrame(records)


def _ratio_fields(found: Ratio | None, n_rounds: int) -> dict[str, Any]:
    """A ratio's fields, NaN without one; the count of rounds stays the row's own."""
    if found is None:
        return {"speedup": math.nan, "speedup_low": math.nan, "speedup_high": math.nan, "ratio_basis": ""}
    return asdict(found) | {"n_rounds": n_rounds}
