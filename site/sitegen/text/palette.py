"""One palette for pages and charts, light and dark.

The engines' hues are those of Okabe and Ito (2008, "Color universal design"), lightened in the dark theme. A search
found the spare colours: all nine can be told apart in normal vision and in each of the three forms of colour blindness,
and every mark has a contrast of at least 3:1 with its background (tests/sitegen/text/test_palette.py computes both).
Colour is never the only sign: each engine also has its own shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

FONT = "Fira Sans"
FONT_FAMILY = f"{FONT}, DejaVu Sans, sans-serif"


@dataclass(frozen=True)
class Theme:
    """Colours of one scheme, as ``#rrggbb``.

    Attributes:
        name: "light" or "dark".
        scheme: Material's name for it.
        background: behind pages and charts.
        raised: behind cards, code and table headers.
        ink: text.
        muted: secondary text, axes (at least 4.5:1 on the background).
        line: grid and borders.
        link: links and focus.
        accent: the project's own colour: the curve in the logo.
        header: behind the top bar, whose text is ``header_ink``.
        good, bad: states in tables; always beside a word.
        rival: lines of peers until a reader points at one.
        limit: the band that no engine can enter.
        engines: engine → colour; the spare colours go to variants and peers.
    """

    name: str
    scheme: str
    background: str
    raised: str
    ink: str
    muted: str
    line: str
    link: str
    accent: str
    header: str
    header_ink: str
    good: str
    bad: str
    rival: str
    limit: str
    engines: MappingProxyType[str, str]
    spare: tuple[str, ...]


LIGHT = Theme(
    name="light",
    scheme="default",
    background="#fdfcfa",
    raised="#f3f1ec",
    ink="#1d2433",
    muted="#5a6272",
    line="#dedbd3",
    link="#005f96",
    accent="#b84a00",
    header="#14213d",
    header_ink="#fdfcfa",
    good="#00704f",
    bad="#b3261e",
    rival="#868c97",
    limit="#e6e4df",
    engines=MappingProxyType({"python": "#5b6472", "numpy": "#0072b2", "vectorized": "#d55e00", "compiled": "#9a1aff"}),
    spare=("#4da358", "#211b73", "#b0749a", "#474c14", "#6d4075", "#520840"),
)

DARK = Theme(
    name="dark",
    scheme="slate",
    background="#12161f",
    raised="#1b212d",
    ink="#e6e9ef",
    muted="#a3adbd",
    line="#323a49",
    link="#7cc4f5",
    accent="#ff9a55",
    header="#0b0f18",
    header_ink="#e6e9ef",
    good="#5fd3a6",
    bad="#ff8f85",
    rival="#78818f",
    limit="#232a36",
    engines=MappingProxyType({"python": "#aab4c3", "numpy": "#56b4e9", "vectorized": "#ff8b3d", "compiled": "#904dff"}),
    spare=("#298138", "#7e8bec", "#f9cde8", "#c8d082", "#8d5397", "#b9669e"),
)

THEMES = (LIGHT, DARK)

_IN_CHARTS = ("background", "raised", "ink", "muted", "line", "link", "accent", "good", "bad", "rival", "limit")
_IN_PAGES = (*_IN_CHARTS, "header", "header_ink")
# Role → Material's variables of that colour. Syntax colours are few, and readable on both backgrounds.
_IN_MATERIAL = MappingProxyType(
    {
        "background": "default-bg-color",
        "ink": "default-fg-color typeset-color code-fg-color code-hl-function-color code-hl-name-color "
        "code-hl-variable-color",
        "muted": "default-fg-color--light code-hl-operator-color code-hl-punctuation-color code-hl-comment-color "
        "code-hl-generic-color",
        "raised": "code-bg-color",
        "link": "typeset-a-color code-hl-keyword-color",
        "accent": "accent-fg-color code-hl-number-color code-hl-constant-color code-hl-special-color",
        "good": "code-hl-string-color",
        "header": "primary-fg-color primary-fg-color--light primary-fg-color--dark footer-bg-color "
        "footer-bg-color--dark",
        "header-ink": "primary-bg-color",
    }
)
_DARK_FOR = MappingProxyType(
    {getattr(LIGHT, role): getattr(DARK, role) for role in _IN_CHARTS}
    | {color: DARK.engines[engine] for engine, color in LIGHT.engines.items()}
    | dict(zip(LIGHT.spare, DARK.spare, strict=True))
)
_LIGHT_COLOR = re.compile("|".join(_DARK_FOR))


def in_dark(drawn: str) -> str:
    """Exchange the light theme's colours in a picture or a specification for the dark theme's."""
    return _LIGHT_COLOR.sub(lambda color: _DARK_FOR[color.group()], drawn)


def family(variant: str) -> str:
    """The engine of a variant: ``vectorized[threads=1]`` → ``vectorized``."""
    return variant.partition("[")[0]


def css_variables() -> str:
    """Return the palette as a style sheet: our variables, and Material's set from them. Print is always light."""
    schemes = "\n".join(_scheme_css(theme, theme.scheme) for theme in THEMES)
    return (
        "/* Written by sitegen.text.palette; edit the colours there. */\n"
        f"{schemes}\n@media print {{\n{_scheme_css(LIGHT, DARK.scheme)}}}\n"
    )


def _scheme_css(theme: Theme, scheme: str) -> str:
    own = {role.replace("_", "-"): getattr(theme, role) for role in _IN_PAGES}
    own |= {f"engine-{name}": color for name, color in theme.engines.items()}
    lines = [f"  --tg-{name}: {color};" for name, color in own.items()]
    lines += [f"  --md-{name}: var(--tg-{role});" for role, names in _IN_MATERIAL.items() for name in names.split()]
    return f'[data-md-color-scheme="{scheme}"] {{\n' + "\n".join(lines) + "\n}\n"


def chart_config(theme: Theme) -> dict[str, object]:
    """Return the Vega-Lite configuration of every chart: palette and font."""
    axis = {
        "labelColor": theme.muted,
        "titleColor": theme.muted,
        "domainColor": theme.muted,
        "tickColor": theme.line,
        "gridColor": theme.line,
        "gridOpacity": 0.7,
        "labelFontSize": 12,
        "titleFontSize": 12.5,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    }
    legend = {
        "labelColor": theme.ink,
        "titleColor": theme.muted,
        "labelFontSize": 12.5,
        "titleFontSize": 12.5,
        "titleFontWeight": "normal",
        "symbolStrokeWidth": 2,
        "labelLimit": 260,
        "layout": {"bottom": {"direction": "vertical", "anchor": "start", "margin": 8}},
    }
    return {
        "background": theme.background,
        "font": FONT_FAMILY,
        "padding": 4,
        "axis": axis,
        "legend": legend,
        "header": {"labelColor": theme.ink, "titleColor": theme.muted, "labelFontSize": 12.5, "titleFontSize": 12.5},
        "title": {"color": theme.ink, "subtitleColor": theme.muted, "fontWeight": "normal", "anchor": "start"},
        "text": {"color": theme.muted, "fontSize": 12},
        "view": {"stroke": None},
        "range": {"category": [*theme.engines.values(), *theme.spare]},
    }


def order_variants(variants: Sequence[str]) -> list[str]:
    """Sort variants and drop repetitions: the palette's engines, each followed by its variants, then the others."""
    ranks = {engine: rank for rank, engine in enumerate(LIGHT.engines)}

    def key(variant: str) -> tuple[int, str, str]:
        return ranks.get(family(variant), len(ranks)), family(variant), variant

    return sorted(set(variants), key=key)
