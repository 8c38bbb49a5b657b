"""Medians, intervals and ratios, computed when rows are read and never stored.

Centre and interval of a cell.  With at least six rounds the observations are the medians of the rounds: rounds are
independent processes, steps within one are not. With fewer, they are the measured steps themselves, and the column
``interval_basis`` says ``steps``: such an interval shows the jitter within processes, not the drift between them.

Interval.  Order statistics (the sign test turned round): for sorted x_1 ≤ … ≤ x_n the median lies between x_k and
x_{n+1−k} with probability 1 − 2 P(Binomial(n, ½) < k), whatever the distribution. The largest k that keeps 95 % is
taken; six observations are the fewest that can. Nothing is resampled.

Grouping.  One run of the pipeline is one sample: rounds of different runs may have been measured at different commits
and are never pooled. Which run speaks for a cell is decided in ``bench.statistics.chosen_runs``.

Ratio.  Both sides come from one run of the pipeline on one machine under one protocol. With at least six rounds that
both have, it is the median of log(t_baseline / t_engine) over rounds, with its interval; with fewer, the ratio of
the medians, and the interval goes from the extremes of both.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from bench.records.protocol import require_same

CONFIDENCE = 0.95
MIN_ROUNDS = 6  # the fewest observations whose extremes hold the median with 95 %

RoundTimes = dict[int, np.ndarray]  # round → seconds of the measured steps

GROUP = ["origin", "machine_hash", "protocol_hash", "run_id", "variant", "preset"]
_TOGETHER = [name for name in GROUP if name != "variant"]  # what both sides of a ratio share

Row = dict[str, Any]


@dataclass(frozen=True)
class Interval:
    """A median with the interval that holds it.

    Attributes:
        median: centre of the observations.
        low: lower end.
        high: upper end.
        coverage: probability that such an interval holds the true median; below 0.95 for few observations.
    """

    median: float
    low: float
    high: float
    coverage: float


def median_interval(values: Sequence[float] | np.ndarray) -> Interval:
    """Median and its order-statistics interval at ``CONFIDENCE``.

    If there are too few values for that, the extremes are taken and the coverage says so.

    Args:
        values: observations (n,), n at least 1, finite.
    """
    x = np.sort(np.asarray(values, np.float64))
    k, coverage = _order_statistics(len(x))
    return Interval(_middle(x), float(x[k - 1]), float(x[-k]), coverage)


@cache
def _order_statistics(n: int) -> tuple[int, float]:
    """Which of n sorted values bound the interval, the k-th from either end, and its coverage."""
    below = [1]  # 2^n P(Binomial(n, ½) ≤ i), a sum of binomial coefficients and so an integer
    ways = 1
    for i in range(1, n // 2 + 1):
        ways = ways * (n - i + 1) // i
        below.append(below[-1] + ways)
    # Largest k with P(Binomial(n, ½) < k) ≤ (1 − CONFIDENCE) / 2; positions are counted from 1.
    k = max(1, sum(count / 2**n <= (1.0 - CONFIDENCE) / 2.0 for count in below[: n // 2]))
    return k, max(0.0, 1.0 - 2.0 * (below[k - 1] / 2**n))


def _middle(x: np.ndarray) -> float:
    """The median of sorted values (n,)."""
    half = len(x) // 2
    return float(x[half]) if len(x) % 2 else float((x[half - 1] + x[half]) / 2)


def _median(values: np.ndarray) -> float:
    return _middle(np.sort(values))


# ---- cells ---------------------------------------------------------------------------------------------

_SUMMARY_COLUMNS = [
    *GROUP,
    "engine",
    "corpus",
    "commit",
    "dirty",
    "suite",
    "status",
    "n_attempts",
    "n_failed",
    "n_rounds",
    "n_steps",
    "median_step_seconds",
    "low_step_seconds",
    "high_step_seconds",
    "interval_basis",
    "interval_coverage",
    "tokens_per_step",
    "tokens_per_second",
    "peak_memory_bytes",
    "setup_seconds",
    "loss_drift",
    "n_parameters",
    "limit_seconds",
    "wall_seconds",
    "resolved_variant",
    "started_at",
    "command",
    "error_tail",
    "protocol",
    "machine",
    "round_times",
]


_FROM_NEWEST = ("engine", "corpus", "commit", "suite", "limit_seconds", "resolved_variant", "started_at", "command",
                "protocol", "machine")  # fmt: skip
_NUMBERS = ("peak_memory_bytes", "setup_seconds", "loss_drift", "wall_seconds")  # of a process, NaN where it has none
_READ = (*GROUP, *_FROM_NEWEST, *_NUMBERS, "cell_id", "round", "status", "dirty", "error_tail", "tokens_per_step",
         "n_parameters")  # fmt: skip


def cell_summary(runs: pd.DataFrame, steps: pd.DataFrame, kinds: Collection[str] = ("bench",)) -> pd.DataFrame:
    """One row for each engine variant and preset that a run tried, per origin, machine and protocol.

    Args:
        runs: the table ``runs``.
        steps: the table ``steps``.
        kinds: of the rows that are summarized, one or several; others are left out.

    Returns:
        the group's keys (``origin``, ``machine_hash``, ``protocol_hash``, ``run_id``, ``variant``, ``preset``), and:
        ``status`` (ok if any round is, else the newest failure's), ``n_attempts``, ``n_failed`` (a cell that somebody
        stopped and that was measured when the run went on is neither), ``n_rounds`` and ``n_steps`` that are ok,
        ``median_step_seconds`` with ``low_step_seconds`` and ``high_step_seconds`` (NaN
        without an ok round), ``interval_basis`` (``rounds`` or ``steps``), ``interval_coverage``,
        ``tokens_per_second`` (of the median), ``peak_memory_bytes`` (largest of the rounds), ``setup_seconds``
        (median), ``error_tail`` (newest failure's), ``round_times`` ({round: step times, s}), and the newest row's
        ``command``, ``commit``, ``suite``, ``limit_seconds``, ``resolved_variant``, ``started_at``, ``protocol`` and
        ``machine``. ``dirty`` is true if it is for any row, ``wall_seconds`` the longest of the processes. Ordered by
        model size, then variant, then time.
    """
    bench = runs[runs["kind"].isin([kinds] if isinstance(kinds, str) else [*kinds])]
    if "origin" not in bench:
        bench = bench.assign(origin="local")
    if bench.empty:
        return pd.DataFrame(columns=_SUMMARY_COLUMNS)
    numbers = {name: pd.to_numeric(bench[name]).astype(np.float64) for name in _NUMBERS}
    attempts: dict[tuple[Any, ...], list[Row]] = {}
    for row in _plain_rows(bench.assign(**numbers), _READ):
        attempts.setdefault(tuple(row[name] for name in GROUP), []).append(row)
    seconds = _measured_seconds(steps, bench["cell_id"])
    rows = [
        _summarize(dict(zip(GROUP, key, strict=True)), sorted(group, key=lambda row: row["started_at"]), seconds)
        for key, group in attempts.items()
    ]
    summary = pd.DataFrame(rows, columns=_SUMMARY_COLUMNS)
    return summary.sort_values(["n_parameters", "variant", "started_at"], kind="stable", ignore_index=True)


def _plain_rows(frame: pd.DataFrame, columns: Sequence[str]) -> list[Row]:
    """Rows of plain values: to make a small frame of every group would take longer than all that is computed."""
    values = (frame[name].tolist() for name in columns)
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _measured_seconds(steps: pd.DataFrame, cells: pd.Series) -> dict[str, np.ndarray]:
    """Cell → seconds of its measured steps, in the order in which they ran."""
    measured = steps[steps["cell_id"].isin(cells) & ~steps["is_warmup"].astype(bool)]
    numbers, names = pd.factorize(measured["cell_id"])
    seconds = measured["seconds"].to_numpy(np.float64)[np.argsort(numbers, kind="stable")]
    counts = np.bincount(numbers, minlength=len(names))
    ends = np.cumsum(counts)
    return {str(name): seconds[end - count : end] for name, count, end in zip(names, counts, ends, strict=True)}


def _summarize(key: Row, group: list[Row], seconds: Mapping[str, np.ndarray]) -> Row:
    ok = [row for row in group if row["status"] == "ok"]
    done = {row["round"] for row in ok}
    group = [row for row in group if row["status"] != "interrupted" or row["round"] not in done]
    failed = [row for row in group if row["status"] != "ok"]
    speaking = ok or group
    newest = speaking[-1]
    times = {int(row["round"]): seconds[str(row["cell_id"])] for row in ok if str(row["cell_id"]) in seconds}
    round_seconds = [_median(values) for values in times.values()]
    by_rounds = len(round_seconds) >= MIN_ROUNDS
    interval = Interval(math.nan, math.nan, math.nan, math.nan)
    if times:
        interval = median_interval(round_seconds if by_rounds else np.concatenate([*times.values()]))
    tokens = int(newest["tokens_per_step"])
    return key | {
        **{name: newest[name] for name in _FROM_NEWEST},
        "dirty": any(row["dirty"] is True for row in group),
        "status": "ok" if times else str(newest["status"]),
        "n_attempts": len(group),
        "n_failed": len(failed),
        "n_rounds": len(times),
        "n_steps": sum(len(values) for values in times.values()),
        "median_step_seconds": interval.median,
        "low_step_seconds": interval.low,
        "high_step_seconds": interval.high,
        "interval_basis": "rounds" if by_rounds else "steps",
        "interval_coverage": interval.coverage,
        "tokens_per_step": tokens,
        "tokens_per_second": tokens / interval.median,
        "peak_memory_bytes": _largest(speaking, "peak_memory_bytes"),
        "setup_seconds": _median(_known(ok, "setup_seconds")),
        "loss_drift": _largest(ok, "loss_drift"),
        "n_parameters": int(newest["n_parameters"]),
        "wall_seconds": _largest(speaking, "wall_seconds"),
        "error_tail": failed[-1]["error_tail"] if failed else None,
        "round_times": times,
    }


def _known(rows: list[Row], name: str) -> np.ndarray:
    """The numbers of a column that are there; NaN alone where none is."""
    return np.array([row[name] for row in rows if row[name] == row[name]] or [math.nan])


def _largest(rows: list[Row], name: str) -> float:
    return float(_known(rows, name).max())


# ---- ratios --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ratio:
    """How many times faster an engine is than a baseline.

    Attributes:
        speedup: t_baseline / t_engine.
        speedup_low: lower end of its interval.
        speedup_high: upper end.
        n_rounds: rounds in which both were measured.
        ratio_basis: ``rounds`` (median log-ratio over rounds) or ``steps`` (extremes of both cells' intervals).
    """

    speedup: float
    speedup_low: float
    speedup_high: float
    n_rounds: int
    ratio_basis: str


def ratio(engine: Mapping[str, Any] | pd.Series, baseline: Mapping[str, Any] | pd.Series) -> Ratio | None:
    """Ratio of two rows of :func:`cell_summary` that were measured in one run.

    Returns:
        None if their runs differ, or a side has no round that is ok.

    Raises:
        ResultsError: their machines or protocols differ; every differing field is named.
    """
    require_same("protocol", str(baseline["protocol"]), str(engine["protocol"]))
    require_same("machine", str(baseline["machine"]), str(engine["machine"]))
    if engine["run_id"] != baseline["run_id"] or not engine["round_times"] or not baseline["round_times"]:
        return None
    return ratio_of_rounds(engine["round_times"], baseline["round_times"])


def ratio_from(row: Mapping[str, Any]) -> Ratio:
    """A row of :func:`speedups` as a :class:`Ratio` again."""
    return Ratio(**{name: row[name] for name in Ratio.__dataclass_fields__})


def ratio_of_rounds(ours: RoundTimes, theirs: RoundTimes) -> Ratio:
    """t_theirs / t_ours, by rounds of equal number where there are six of them.

    Args:
        ours: step times by round, at least one round.
        theirs: the baseline's; planned rounds may differ (slow engines get one).
    """
    both = sorted(set(ours) & set(theirs))
    if len(both) >= MIN_ROUNDS:
        logs = median_interval([math.log(_median(theirs[number]) / _median(ours[number])) for number in both])
        return Ratio(math.exp(logs.median), math.exp(logs.low), math.exp(logs.high), len(both), "rounds")
    a, b = (median_interval(np.concatenate([*side.values()])) for side in (ours, theirs))
    return Ratio(b.median / a.median, b.low / a.high, b.high / a.low, len(both), "steps")


_SPEEDUP_COLUMNS = [*GROUP, "engine", "corpus", "n_parameters", "commit", "dirty", "started_at"]
_COMPARED = (*_SPEEDUP_COLUMNS, "median_step_seconds", "protocol", "machine", "round_times")


def speedups(summary: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """How many times faster than a baseline every variant is, within one run, machine and protocol.

    Args:
        summary: of :func:`cell_summary`.
        baseline: a variant, such as ``numpy``.

    Returns:
        a row per run, variant and preset that was measured together with the baseline, the baseline itself (1×)
        included: the group's keys, ``commit``, ``dirty``, ``started_at``, ``baseline``, ``speedup``, ``speedup_low``,
        ``speedup_high``, ``n_rounds``, ``ratio_basis``, ``median_step_seconds`` and ``baseline_step_seconds``.

    Raises:
        ResultsError: rows that share their hashes differ in protocol or machine (a damaged file).
    """
    names = [*_SPEEDUP_COLUMNS, "baseline", *Ratio.__dataclass_fields__, "median_step_seconds", "baseline_step_seconds"]
    together: dict[tuple[Any, ...], list[Row]] = {}
    for row in _plain_rows(summary[summary["n_rounds"] > 0] if len(summary) else summary, _COMPARED):
        together.setdefault(tuple(row[name] for name in _TOGETHER), []).append(row)
    rows: list[Row] = []
    for group in together.values():
        base = next((row for row in group if row["variant"] == baseline), None)
        if base is None:
            continue
        for row in group:
            found = ratio(row, base)
            if found is not None and row["variant"] == baseline:
                found = replace(found, speedup=1.0, speedup_low=1.0, speedup_high=1.0)  # against itself, by definition
            if found is not None:
                rows.append(
                    {name: row[name] for name in _SPEEDUP_COLUMNS}
                    | asdict(found)
                    | {
                        "baseline": baseline,
                        "median_step_seconds": row["median_step_seconds"],
                        "baseline_step_seconds": base["median_step_seconds"],
                    }
                )
    return pd.DataFrame(rows, columns=names)
