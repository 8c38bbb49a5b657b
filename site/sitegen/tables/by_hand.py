"""One step by hand (``tinygpt.learn.by_hand``) as a figure to walk through, and its parameters as a table.

Without scripts the figure is the graph of the model and all steps below it; ``walk.js`` shows one step at a time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from sitegen.text.escape import html_attribute, html_block
from sitegen.text.markup import TableCell, code_cell, html_table
from sitegen.text.maths import to_mathml
from tinygpt.learn.by_hand import PARAMETERS, SYMBOLS, TEXT, numbers, written
from tinygpt.learn.by_hand_steps import STEPS, Step

# ---- names -------------------------------------------------------------------------------------------------

_NAMES = MappingProxyType(
    {
        "p_target": "p_{t,w_t}",
        "dE_head": r"\d E_{\mathrm{head}}",
        "dE_rows": r"\d E_{\mathrm{rows}}",
        "slope": r"\mathrm{GELU}'(y_5)",
        "branch_1": r"\text{branch}",
        "branch_2": r"\text{branch}",
        "norm": r"\lVert \d\theta \rVert",
        "clip": r"1 / \lVert \d\theta \rVert",
        "loss": r"\ell",
        "loss_sgd": r"\ell \text{ after the update}",
        "loss_adamw": r"\ell \text{ after the update}",
        "E_sgd": r"E \text{ after the update}",
        "E_adamw": r"E \text{ after the update}",
        "m1_E": r"m_1",
        "m2_E": r"m_2",
    }
)


def tex_name(name: str) -> str:
    r"""Write the name of a number as TeX: dx_hat_1 is \d\hat x_1, W_qkv has an upright index, y4 is y_4."""
    if name in _NAMES:
        return _NAMES[name]
    found = re.fullmatch(r"(d?)(x_hat|mu|loss|[A-Za-z])_?(\w*)", name)
    assert found, name
    letter = {"x_hat": r"\hat x", "mu": r"\mu", "loss": r"\ell"}.get(found[2], found[2])
    index = rf"_{{\mathrm{{{found[3]}}}}}" if len(found[3]) > 1 else f"_{found[3]}" if found[3] else ""
    return (r"\d " if found[1] else "") + letter + index


# ---- one step ----------------------------------------------------------------------------------------------

_POSITIONS = tuple(TEXT[:-1])
_COLUMNS = MappingProxyType(
    {"S": _POSITIONS, "A": _POSITIONS, "z": tuple(SYMBOLS), "p": tuple(SYMBOLS)}  # and their gradients
)
_HAS_SYMBOLS = re.compile(r"d?E(_\w+)?|m[12]_E")  # a row for each symbol; others of three rows have positions
_WAYS = MappingProxyType({"forward": "Forward", "backward": "Backward", "update": "Update"})


def _matrix(name: str, value: np.ndarray) -> str:
    """A number, vector or matrix as a small table, with symbols beside its rows and above its columns."""
    lines = written(value)
    rows = tuple(SYMBOLS) if _HAS_SYMBOLS.fullmatch(name) else _POSITIONS if len(lines) == 3 else ()
    columns = _COLUMNS.get(name.removeprefix("d"), ())
    head = "".join(f'<th scope="col">{symbol}</th>' for symbol in columns)
    body = ["".join(map(_number, line)) for line in lines]
    if rows:
        body = [f'<th scope="row">{symbol}</th>{line}' for symbol, line in zip(rows, body, strict=True)]
    return (
        f'<table class="tg-matrix{" tg-matrix--given" * (name in PARAMETERS)}">'
        f"<caption>{to_mathml(tex_name(name), display=False)}</caption>"
        + (f"<thead><tr><td></td>{head}</tr></thead>" if head else "")
        + f"<tbody><tr>{'</tr><tr>'.join(body)}</tr></tbody></table>"
    )


def _number(text: str) -> str:
    """A number in a matrix; an infinite one is drawn in the font of formulas, which the page has already."""
    kind = ' class="tg-matrix__open"' if "∞" in text else ""
    return f"<td{kind}>{html_block(text)}</td>"


def _step(number: int, step: Step, values: Mapping[str, np.ndarray]) -> str:
    local = f"<p>The layer alone:</p>{_formulas(step.local)}" if step.local else ""
    return (
        f'<section class="tg-walk__step" data-node="{step.node}" data-way="{step.way}">'
        f"<p><strong>{number}. {_WAYS[step.way]}.</strong> {html_block(step.title)}</p>"
        f"{_formulas(step.formula)}{local}"
        f'<div class="tg-walk__numbers">{"".join(_matrix(name, values[name]) for name in step.shown)}</div></section>'
    )


def _formulas(tex: str) -> str:
    """Formulas side by side where there is room."""
    parts = (f'<div class="tg-math">{to_mathml(part, display=True)}</div>' for part in tex.split(r"\qquad"))
    return f'<div class="tg-walk__formulas">{"".join(parts)}</div>'


# ---- the graph ---------------------------------------------------------------------------------------------

# Node → letter, index, and place in the picture.
_NODES = MappingProxyType(
    {
        "u": ("u", "", 32, 20),
        "x0": ("x", "0", 32, 66),
        "y1": ("y", "1", 88, 66),
        "qkv": ("qkv", "", 140, 66),
        "S": ("S", "", 192, 66),
        "A": ("A", "", 244, 66),
        "y2": ("y", "2", 296, 66),
        "y3": ("y", "3", 348, 66),
        "x1": ("x", "1", 32, 120),
        "y4": ("y", "4", 88, 168),
        "y5": ("y", "5", 140, 168),
        "y6": ("y", "6", 192, 168),
        "y7": ("y", "7", 244, 168),
        "x2": ("x", "2", 32, 222),
        "y8": ("y", "8", 88, 222),
        "z": ("z", "", 140, 222),
        "p": ("p", "", 192, 222),
        "loss": ("ℓ", "", 244, 222),
    }
)
_EDGES = ("M32 20V222", "M32 66H348V93H32", "M32 168H244V195H32", "M32 222H244")
_SUMS = ((32, 93), (32, 195))
_DESCRIPTION = (
    "The model as a graph. The stream runs from the tokens u through x0, x1 and x2. Attention branches off from x0 and "
    "is added before x1: y1, qkv, S, A, y2, y3. The two-layer network branches off from x1 and is added before x2: y4, "
    "y5, y6, y7. From x2 the way leads through y8, z and p to the loss."
)


def _subscript(index: str) -> str:
    return f'<tspan dy="3" font-size="9">{index}</tspan>' if index else ""


def _graph() -> str:
    edges = "".join(f'<path d="{path}"/>' for path in _EDGES)
    edges += "".join(f'<circle cx="{x}" cy="{y}" r="6"/><path d="M{x - 3} {y}h6M{x} {y - 3}v6"/>' for x, y in _SUMS)
    nodes = "".join(
        f'<g class="tg-walk__node" data-node="{node}"><circle cx="{x}" cy="{y}" r="17"/>'
        f'<text x="{x}" y="{y + 4.5}">{letter}{_subscript(index)}</text></g>'
        for node, (letter, index, x, y) in _NODES.items()
    )
    return (
        f'<svg class="tg-walk__graph" viewBox="8 0 364 242" role="img" aria-label="{html_attribute(_DESCRIPTION)}">'
        f'<g class="tg-walk__edges">{edges}</g>{nodes}</svg>'
    )


# ---- the page's two parts ----------------------------------------------------------------------------------


def walk_html() -> str:
    """The graph, the controls that ``walk.js`` shows, and all steps."""
    values = numbers()
    steps = "".join(_step(number, step, values) for number, step in enumerate(STEPS, 1))
    return (
        '<div class="tg-walk" role="group" aria-label="One step by hand" data-search-exclude>'
        f'<div class="tg-walk__top">{_graph()}'
        '<div class="tg-walk__controls" hidden><button type="button">Previous</button>'
        f'<input type="range" min="1" max="{len(STEPS)}" value="1" aria-label="Step">'
        '<button type="button">Next</button>'
        '<output aria-live="polite"></output></div></div>'
        f'<div class="tg-walk__steps">{steps}</div></div>'
    )


def parameters_table() -> str:
    """Every parameter: its value, its gradient, and its new value after either update."""
    values = numbers()

    def cell(name: str, index: tuple[int, ...]) -> TableCell:
        value = float(values[name][index])
        return TableCell(written(values[name][index])[0][0], sort=round(value, 8))

    return html_table(
        "Parameters",
        [
            {
                "parameter": code_cell(f"{long}[{', '.join(map(str, index))}]"),
                "value": cell(name, index),
                "gradient": cell(f"d{name}", index),
                "after plain descent": cell(f"{name}_sgd", index),
                "mean": cell(f"m1_{name}", index),
                "mean square": cell(f"m2_{name}", index),
                "after AdamW": cell(f"{name}_adamw", index),
            }
            for name, (long, _) in PARAMETERS.items()
            for index in np.ndindex(values[name].shape)
        ],
    )
