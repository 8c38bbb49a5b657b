"""The favicon and the social card (the picture of a shared link), drawn from the measured curve.

Both show the engines' ratios with the baseline that was measured at most sizes, on the quoted machine: x is
log(parameters), y is log(times faster), and the bottom is the baseline, 1×. Without results there are only axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import vl_convert

from sitegen.figures.axes import spread
from sitegen.rows.cells import primary_cells
from sitegen.rows.ratios import ratio_frame
from sitegen.rows.results import Results, row_dicts
from sitegen.rows.series import series_colors
from sitegen.text.escape import html_attribute, html_block
from sitegen.text.palette import DARK, FONT_FAMILY, family, order_variants
from tinygpt.terminal import quantities

FAVICON, TOUCH_ICON, CARD = "favicon.svg", "touch-icon.png", "social.png"
CARD_WIDTH, CARD_HEIGHT = 1200, 630  # pixels: 1.91 to 1, which no service crops
_ICON = 48  # side of the favicon in its own units
_LETTER = 0.55  # width of a letter over the font's size, at most
_TOUCH_SCALE = 3.75  # to 180 pixels, for a phone's home screen

TITLE = "TinyGPT"
TAGLINE = "Small GPTs, trained from scratch on a CPU. Every step measured."


@dataclass(frozen=True)
class CurvePoint:
    """A measured ratio: ``speedup`` is how many times faster than the baseline."""

    preset: str
    n_parameters: int
    speedup: float


@dataclass(frozen=True)
class Curve:
    """Ratios with one baseline on one machine: engine → points by size. The baseline is empty without results."""

    baseline: str
    lines: dict[str, tuple[CurvePoint, ...]]


@dataclass(frozen=True)
class _Plot:
    """The rectangle of a curve, in the picture's units; y grows downwards."""

    left: float
    right: float
    top: float
    bottom: float

    def place(self, points: Sequence[CurvePoint], within: Sequence[CurvePoint]) -> list[tuple[float, float]]:
        """Points → (x, y); ``within`` gives the ranges. Ratios below 1× are put on the bottom line."""
        sizes = sorted({point.n_parameters for point in within})
        places = dict(zip(sizes, spread(sizes), strict=True))
        left, right = places[sizes[0]], places[sizes[-1]]
        reach = max(math.log(max(point.speedup for point in within)), 1e-9)
        span = max(right - left, 1e-9)
        return [
            (
                self.left + (self.right - self.left) * (places[point.n_parameters] - left) / span,
                self.bottom - (self.bottom - self.top) * max(0.0, math.log(point.speedup)) / reach,
            )
            for point in points
        ]


def speedup_curve(results: Results) -> Curve:
    """The engines that beat the baseline at some size; the baseline is the slowest of those with most ratios."""
    ratios = primary_cells(ratio_frame(results).assign(state="measured"))
    engines = [*map(family, order_variants(ratios["variant"].tolist()))]
    ratios = ratios[ratios["variant"].isin(engines) & ratios["baseline"].isin(engines)].sort_values("n_parameters")
    reach = ratios.groupby("baseline")["preset"].nunique()
    if reach.empty:
        return Curve("", {})
    baseline = max(order_variants([*reach.index]), key=lambda name: int(reach[name]))
    lines = {}
    for variant, rows in ratios[ratios["baseline"] == baseline].groupby("variant", sort=False):
        points = [CurvePoint(row["preset"], int(row["n_parameters"]), float(row["speedup"])) for row in row_dicts(rows)]
        if max(point.speedup for point in points) > 1:
            lines[str(variant)] = tuple(points)
    return Curve(baseline, {name: lines[name] for name in order_variants([*lines])})


def write_icons(results: Results, folder: Path, fonts: Path) -> None:
    """Write the favicon, the icon for home screens and the card to a folder; ``fonts`` has the card's font."""
    curve = speedup_curve(results)
    icon = favicon_svg(curve)
    (folder / FAVICON).write_text(icon, encoding="utf-8")
    (folder / TOUCH_ICON).write_bytes(vl_convert.svg_to_png(icon, scale=_TOUCH_SCALE))
    vl_convert.register_font_directory(str(fonts))
    (folder / CARD).write_bytes(vl_convert.svg_to_png(card_svg(curve), scale=1.0))


def favicon_svg(curve: Curve) -> str:
    """Axes and the fastest engine's line, readable at 16 pixels."""
    plot = _Plot(left=18, right=38, top=12, bottom=33)
    line = ""
    if curve.lines:
        variant = max(curve.lines, key=lambda name: max(point.speedup for point in curve.lines[name]))
        color = DARK.engines.get(variant, DARK.accent)
        places = plot.place(curve.lines[variant], curve.lines[variant])
        line = f'<path d="{_path(places)}" fill="none" stroke="{color}" stroke-width="4.5" {_ROUND}/>' + "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{color}"/>' for x, y in (places[0], places[-1])
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_ICON}" height="{_ICON}" viewBox="0 0 {_ICON} {_ICON}">'
        f'<rect width="{_ICON}" height="{_ICON}" rx="10" fill="{DARK.header}"/>'
        f'<path d="M9 9v30h31" fill="none" stroke="{DARK.muted}" stroke-width="3.5" {_ROUND}/>{line}</svg>'
    )


def card_svg(curve: Curve) -> str:
    """The name, a sentence, and the curve with its sizes and its highest ratio."""
    plot = _Plot(left=130, right=CARD_WIDTH - 220, top=290, bottom=520)
    parts = [
        f'<rect width="{CARD_WIDTH}" height="{CARD_HEIGHT}" fill="{DARK.background}"/>',
        f'<rect width="{CARD_WIDTH}" height="12" fill="{DARK.accent}"/>',
        _text(90, 128, TITLE, 88, DARK.ink),
        _text(90, 190, TAGLINE, 35, DARK.muted),
        f'<path d="M90 250V{plot.bottom}H{CARD_WIDTH - 90}" fill="none" stroke="{DARK.muted}" stroke-width="3"/>',
    ]
    points = [point for line in curve.lines.values() for point in line]
    if not points:
        parts.append(_text(90, 400, "Nothing measured yet: invoke bench", 35, DARK.muted))
    for (variant, line), color in zip(curve.lines.items(), series_colors([*curve.lines], DARK), strict=True):
        places = plot.place(line, points)
        parts.append(f'<path d="{_path(places)}" fill="none" stroke="{color}" stroke-width="6" {_ROUND}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="10" fill="{color}"/>' for x, y in places]
        x, y = places[-1]
        parts.append(_text(x + 22, y + 9, variant, 26, color))
        best = max(range(len(line)), key=lambda index: line[index].speedup)
        x, y = places[best]
        parts.append(_text(x, y - 24, quantities.ratio(line[best].speedup), 34, color, "middle"))
    if points:
        presets = {point.preset: point for point in sorted(points, key=lambda point: point.n_parameters)}
        free = 0.0  # right of the last label
        for name, (x, _) in zip(presets, plot.place([*presets.values()], points), strict=True):
            half = _LETTER * 25 * len(name) / 2
            if x - half < free:  # no room between its neighbours
                continue
            free = x + half + 8
            parts.append(_text(x, plot.bottom + 38, name, 25, DARK.muted, "middle"))
        caption = f"times faster than {curve.baseline}, over the model's size"
        parts.append(_text(90, CARD_HEIGHT - 28, caption, 25, DARK.muted))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{CARD_WIDTH}" height="{CARD_HEIGHT}"'
        f' viewBox="0 0 {CARD_WIDTH} {CARD_HEIGHT}">{"".join(parts)}</svg>'
    )


_ROUND = 'stroke-linecap="round" stroke-linejoin="round"'


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def _text(x: float, y: float, words: str, size: int, color: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="{html_attribute(FONT_FAMILY)}" font-size="{size}"'
        f' fill="{color}" text-anchor="{anchor}">{html_block(words)}</text>'
    )
