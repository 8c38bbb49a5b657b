"""The step time of each peer, and of the matrix products alone, over that of our fastest engine.

    ratio(other, preset) = median step time of the other / ours, within one run on one machine

Above 1 we are faster. The ratio of the roofline is the products' share of our step, so it is below 1; no peer can stay
below it.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from bench.arms.registry import FAST, REFERENCE, ROOFLINE, TORCH
from sitegen.figures.axes import at_size, log_domain, log_scaled, parameter_axis
from sitegen.figures.base import Drawing
from sitegen.figures.descriptions import describe_ends, describe_failures
from sitegen.figures.fields import (
    COMMAND,
    CROSS,
    EVIDENCE,
    MACHINE,
    POINT,
    PRESET,
    REASON,
    STATUS,
    TABLE,
    Field,
    exported,
    tooltip,
    written,
)  # fmt: skip
from sitegen.figures.grammar.line_names import log_level
from sitegen.figures.grammar.words import UNRESOLVED, first_machine, where
from sitegen.figures.layers import Values, limit, reference_line
from sitegen.figures.menus import in_first_view, show_menu
from sitegen.rows.cells import machine_by_machine, stack_failures
from sitegen.rows.peers import peer_frame
from sitegen.rows.results import Results
from sitegen.rows.series import tiers_of
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

FIELDS = (
    Field("variant", "peer", POINT | CROSS | TABLE),
    PRESET,
    *written("speedup", "its time over ours", quantities.ratio, "speedup_text", missing="failed"),
    Field("interval", "interval", POINT | TABLE),
    Field("verdict", "verdict", POINT | TABLE),
    Field("time_text", "its step", POINT | TABLE),
    STATUS,
    REASON,
    EVIDENCE,
    MACHINE,
    Field("protocol", "protocol", CROSS),
    COMMAND,
    *exported("state", "tier", "ours", "n_parameters", "speedup_low", "speedup_high", "slot", "measured_on"),
)


def read(results: Results) -> pd.DataFrame:
    """One row per preset and peer, roofline or slower engine of ours, failures included; none without a ratio."""
    rows = peer_frame(results.training_ratios)
    rows = rows[(rows["variant"] != REFERENCE) & (rows["variant"] != rows["ours"])]
    rows = rows[(rows["state"] == "failed") | rows["speedup"].notna()].reset_index(drop=True)
    if rows.empty or not rows["speedup"].notna().any():
        return rows.head(0)
    rows["protocol"] = [f"protocol {name[:8]}" for name in rows["protocol_hash"]]
    rows["slot"] = stack_failures(rows)
    rows["tier"] = tiers_of(rows)
    return machine_by_machine(rows, results)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of the ratio over parameters, log-log, with intervals, our own 1×, and failures at the bottom."""
    show = show_menu(rows, theme)
    ends = ("speedup_low", "speedup_high")
    failed = bool((rows["state"] == "failed").any())
    domain = log_domain(pd.concat([pd.Series([1.0]), *(rows[name] for name in ("speedup", *ends))]), int(failed))
    look = show.look
    title = "their time over that of our fastest engine (log scale)"
    place = {"x": parameter_axis(rows, look.names), "y": log_scaled(alt.Y, "speedup", title, domain, "×")}
    values = Values(place, look, tooltip(FIELDS), ends, size=95)
    chart = alt.Chart(at_size(rows)).transform_filter(show.condition)
    measured = chart.transform_filter("datum.state == 'measured'")
    peers = measured.transform_filter(f"datum.variant != '{ROOFLINE}'")
    products = measured.transform_filter(f"datum.variant == '{ROOFLINE}'")
    bottom = 15 * (int(rows["slot"].max()) + 1) if failed else 0
    words = "limit of the products"
    return alt.layer(
        *limit(products, place, "height", theme, f"height - {bottom + 8}", words),
        *reference_line("one", 1.0, theme, names=look.names),
        *values.names(peers, log_level("speedup", *map(str, domain)), theme),
        values.line(peers),
        *values.by_verdict(peers, theme),
        *values.failed(chart, rows, tooltip(FIELDS, CROSS)),
    ).add_params(*show.parameters)


def headline(rows: pd.DataFrame) -> str:
    """Count the presets at which we are ahead of PyTorch as it comes, and of the fastest peer, or behind it."""
    measured = rows[(rows["state"] == "measured") & ~rows["variant"].isin([*FAST, ROOFLINE])]
    peers = first_machine(measured)
    resolved = peers["verdict"] != UNRESOLVED
    sides = peers.assign(ahead=resolved & (peers["speedup"] > 1.0), behind=resolved & (peers["speedup"] < 1.0))
    sizes = sides.groupby("preset").agg(ahead=("ahead", "all"), behind=("behind", "any"))
    ahead, behind = int(sizes["ahead"].sum()), int(sizes["behind"].sum())
    counts = {
        "ahead": ahead,
        "behind": behind,
        UNRESOLVED: len(sizes) - ahead - behind,
    }
    words = [f"{word} at {count}" for word, count in counts.items() if count]
    if not words:
        return "No peer was measured"
    machine, total = where(measured).removeprefix(" on "), quantities.counted(len(sizes), "size")
    names, found = quantities.listed(dict.fromkeys(peers["ours"])), quantities.listed(words)
    subject = f"On {machine}, {names}" if machine else names
    installed = sides.loc[sides["variant"] == TORCH[0], "ahead"]
    plain = int(installed.sum())
    if not plain or plain == ahead:
        return f"{subject} against the fastest of PyTorch and JAX: {found} of {total}"
    verb = "is" if peers["ours"].nunique() == 1 else "are"
    lead = (
        f"{subject} {verb} faster than PyTorch as installed at {plain} of {quantities.counted(len(installed), 'size')}"
    )
    rest = f" of {len(sizes)}" * (len(sizes) != len(installed))
    return f"{lead}; against the fastest peer: {found}{rest}"


def describe(rows: pd.DataFrame) -> str:
    """Describe the ratio at the ends of each peer's range, and the number of failures."""
    ends = describe_ends(in_first_view(rows[rows["state"] == "measured"]), "speedup_text")
    return f"Step time of each peer over ours, by model size; above 1 we are faster. {ends}{describe_failures(rows)}"
