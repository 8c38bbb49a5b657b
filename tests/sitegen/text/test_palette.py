"""Colours as readers with and without colour blindness see them.

Dichromats' vision is simulated by the matrices of Machado, Oliveira and Fernandes (2009), at severity 1 on linear RGB;
distances are Euclidean in OKLab (Ottosson 2020), where a difference of 0.02 is about the smallest that is noticed.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sitegen.text.palette import DARK, LIGHT, THEMES, Theme, css_variables, in_dark

VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
APART = {"normal": 0.07, "protanopia": 0.06, "deuteranopia": 0.06, "tritanopia": 0.06}
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def seen(color: str, vision: str) -> np.ndarray:
    """OKLab coordinates of ``#rrggbb`` as a reader with this vision sees it."""
    return TO_LAB @ np.cbrt(TO_CONES @ np.clip(VISION[vision] @ linear(color), 0, 1))


def test_the_distance_knows_black_white_and_what_the_colour_blind_confuse() -> None:
    assert np.linalg.norm(seen("#ffffff", "normal") - seen("#000000", "normal")) == pytest.approx(1, abs=1e-3)
    red, green = "#b35900", "#7a7300"
    normal = np.linalg.norm(seen(red, "normal") - seen(green, "normal"))
    assert np.linalg.norm(seen(red, "deuteranopia") - seen(green, "deuteranopia")) < normal / 2


def test_every_colour_of_a_chart_has_one_dark_counterpart() -> None:
    roles = ("background", "raised", "ink", "muted", "line", "link", "accent", "good", "bad", "rival", "limit")
    pairs = [(getattr(LIGHT, role), getattr(DARK, role)) for role in roles]
    pairs += [(LIGHT.engines[engine], DARK.engines[engine]) for engine in LIGHT.engines]
    pairs += zip(LIGHT.spare, DARK.spare, strict=True)
    light, dark = zip(*pairs, strict=True)
    assert in_dark(" ".join(light)) == " ".join(dark)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_lines_of_a_chart_stay_apart_for_every_reader(theme: Theme, vision: str) -> None:
    colors = theme.engines | dict(enumerate(theme.spare))
    distances = {
        (a, b): float(np.linalg.norm(seen(colors[a], vision) - seen(colors[b], vision)))
        for a, b in combinations(colors, 2)
    }
    close = {pair: round(distance, 3) for pair, distance in distances.items() if distance < APART[vision]}
    assert close == {}


def contrast(one: str, other: str) -> float:
    """Contrast of two colours as WCAG 2 defines it."""
    luminances = sorted(float(np.array([0.2126, 0.7152, 0.0722]) @ linear(color)) for color in (one, other))
    return (luminances[1] + 0.05) / (luminances[0] + 0.05)


def linear(color: str) -> np.ndarray:
    coded = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_mark_and_every_text_is_seen_on_its_background(theme: Theme) -> None:
    marks = {**theme.engines, **{f"spare {index}": color for index, color in enumerate(theme.spare)}}
    marks |= {"rival": theme.rival}
    texts = {name: getattr(theme, name) for name in ("ink", "muted", "link", "good", "bad")}
    weak = {name: color for name, color in marks.items() if contrast(color, theme.background) < 3.0}
    weak |= {name: color for name, color in texts.items() if contrast(color, theme.background) < 4.5}
    weak |= {"text on the limit": theme.muted} if contrast(theme.muted, theme.limit) < 4.5 else {}
    assert weak == {}
    assert contrast(theme.limit, theme.background) > 1.1  # a band that is seen


def test_paper_is_light_whatever_the_screen_is() -> None:
    screen, _, paper = css_variables().partition("@media print")
    dark = f'[data-md-color-scheme="{DARK.scheme}"]'
    assert f"--tg-background: {DARK.background}" in screen.partition(dark)[2]
    assert f"--tg-background: {LIGHT.background}" in paper.partition(dark)[2]
    assert DARK.background not in paper
