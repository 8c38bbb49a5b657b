"""The loss of a model by the length of its context, as an inline drawing that follows the page's colours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sitegen.text.escape import html_attribute

_WIDTH, _HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 10, 34  # margins
_TICKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def curve_svg(losses: Sequence[float], used: int, label: str) -> str:
    """Draw the losses at 1, 2, … bytes of context over a log scale, and the context in use; one line of HTML."""
    longest = len(losses)
    top = math.ceil(max(losses) * 2) / 2

    def x(context: float) -> float:
        share = math.log(context) / max(1e-9, math.log(longest))
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(loss: float) -> float:
        return _TOP + (1 - loss / top) * (_HEIGHT - _TOP - _BOTTOM)

    floor = y(0)
    # A point for each pixel: most lengths of a context are closer together.
    points = {round(x(context)): f"{x(context):.1f},{y(loss):.1f}" for context, loss in enumerate(losses, 1)}
    ticks = [tick for tick in _TICKS if tick <= longest]
    along = "".join(
        f'<text x="{x(tick):.1f}" y="{floor + 13:.1f}" text-anchor="middle">{tick}</text>' for tick in ticks
    )
    whole = range(int(top) + 1)
    upward = "".join(
        f'<line class="tg-curve__grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y(value) + 3.5:.1f}" text-anchor="end">{value}</text>'
        for value in whole
    )
    side = "end" if x(used) > _WIDTH / 2 else "start"
    nudge = -5 if side == "end" else 5
    return (
        f'<svg class="tg-curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html_attribute(label)}">'
        f"{upward}{along}"
        f'<line class="tg-curve__used" x1="{x(used):.1f}" x2="{x(used):.1f}" y1="{_TOP}" y2="{floor:.1f}"/>'
        f'<text x="{x(used) + nudge:.1f}" y="{_TOP + 9}" text-anchor="{side}">in use: {used}</text>'
        f'<polyline class="tg-curve__line" points="{" ".join(points.values())}"/>'
        f'<text x="{(_WIDTH + _LEFT) / 2:.0f}" y="{_HEIGHT - 5}" text-anchor="middle">bytes of context</text>'
        f'<text x="{_LEFT + 4}" y="{_TOP + 9}">nats</text>'
        "</svg>"
    )
