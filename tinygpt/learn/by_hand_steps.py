r"""The steps of ``by_hand.py`` in words and formulas, in the order of the work.

Formulas are TeX; ``\d x`` is ∂loss/∂x. A name ``x_hat_1`` of the numbers is the formula's \hat x_1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One step of the work.

    Attributes:
        way: "forward", "backward" or "update".
        node: the number of the forward that it computes, or whose gradient it computes; empty for an update.
        title: its purpose.
        formula: of the new numbers, in TeX.
        shown: names of the numbers to show; the new ones come last.
        local: on the way back, the derivative of the layer alone, in TeX.
    """

    way: str
    node: str
    title: str
    formula: str
    shown: tuple[str, ...]
    local: str = ""


# ---- layers that occur several times -----------------------------------------------------------------------


def _norm(x: str, y: str, name: str, title: str) -> Step:
    formula = (
        rf"r = \frac{{1}}{{\sqrt{{\text{{variance}} + \varepsilon}}}} \qquad \hat x = r\,({_tex(x)} - \mu) \qquad "
        rf"{_tex(y)} = g_{name} \odot \hat x + b_{name}"
    )
    return Step("forward", y, title, formula, (f"g_{name}", f"b_{name}", f"mu_{name}", f"r_{name}", f"x_hat_{name}", y))


def _norm_back(x: str, y: str, name: str, beside: str, title: str) -> Step:
    """Return the step to ∂loss/∂x; ``beside`` names the gradient that came past the branch, or is empty."""
    way = r"r\,\bigl(\d\hat x - \operatorname{mean}(\d\hat x) - \hat x \operatorname{mean}(\d\hat x \odot \hat x)\bigr)"
    parts: tuple[str, ...] = (f"dx_hat_{name}",)
    formula = rf"\d\hat x = \d {_tex(y)} \odot g_{name} \qquad "
    if beside:
        parts += (f"branch_{name}",)
        formula += rf"\d {_tex(x)} = {_tex(beside)} + \text{{branch}} \qquad \text{{branch}} = {way}"
    else:
        formula += rf"\d {_tex(x)} = {way}"
    local = (
        r"\frac{\partial \hat x_j}{\partial x_i} = r \Bigl(\delta_{ij} - \tfrac1D - \tfrac1D\,\hat x_i \hat x_j\Bigr)"
    )
    return Step("backward", x, title, formula, (*parts, f"d{x}", f"dg_{name}", f"db_{name}"), local)


def _linear(x: str, y: str, name: str, title: str) -> Step:
    weight = rf"_{{\mathrm{{{name}}}}}"
    return Step("forward", y, title, rf"{_tex(y)} = {_tex(x)} W{weight} + b{weight}", (f"W_{name}", f"b_{name}", y))


def _linear_back(x: str, y: str, name: str, title: str) -> Step:
    weight = rf"_{{\mathrm{{{name}}}}}"
    formula = (
        rf"\d {_tex(x)} = \d {_tex(y)}\, W{weight}^\top \qquad \d W{weight} = {_tex(x)}^\top \d {_tex(y)} \qquad "
        rf"\d b{weight} = \textstyle\sum_n \d {_tex(y)}"
    )
    local = r"\frac{\partial y_o}{\partial x_i} = W_{io}"
    return Step("backward", x, title, formula, (f"d{x}", f"dW_{name}", f"db_{name}"), local)


def _tex(name: str) -> str:
    """Return a node's name as TeX: x1 is x_1, and dx1 its gradient."""
    if name == "qkv":
        return "(q, k, v)"
    return rf"\d {_tex(name[1:])}" if name.startswith("d") else f"{name[0]}_{name[1:]}" if name[1:] else name


# ---- in order ----------------------------------------------------------------------------------------------

FORWARD = (
    Step("forward", "u", "Tokens, and the token after each", r"u = \text{a b a} \qquad w = \text{b a c}", ("u", "w")),
    Step("forward", "x0", "A row for the symbol plus a row for the position", r"x_0 = E_u + P", ("E", "P", "x0")),
    _norm("x0", "y1", "1", "Norm before attention"),
    Step(
        "forward", "qkv", "Queries, keys and values of each position",
        r"(q, k, v) = y_1 W_{\mathrm{qkv}} + b_{\mathrm{qkv}}", ("W_qkv", "b_qkv", "q", "k", "v"),
    ),
    Step(
        "forward", "S", "Scores: each query times each key, without the future",
        r"S = \frac{q k^\top}{\sqrt C} \qquad \text{none for } s > t", ("S",),
    ),
    Step("forward", "A", "Softmax gives the weights", r"A_{ts} = \frac{e^{S_{ts}}}{\sum_{s'} e^{S_{ts'}}}", ("A",)),
    Step("forward", "y2", "Each position mixes the values by its weights", r"y_2 = A v", ("y2",)),
    _linear("y2", "y3", "o", "Linear layer after attention"),
    Step("forward", "x1", "The branch is added to the stream", r"x_1 = x_0 + y_3", ("x1",)),
    _norm("x1", "y4", "2", "Norm before the two-layer network"),
    _linear("y4", "y5", "up", "First linear layer"),
    Step(
        "forward", "y6", "GELU: positive numbers pass, negative ones shrink",
        r"y_6 = \tfrac12\, y_5\,(1 + \tanh a) \qquad a = \sqrt{2/\pi}\,(y_5 + 0.044715\, y_5^3)", ("y6",),
    ),
    _linear("y6", "y7", "down", "Second linear layer"),
    Step("forward", "x2", "The branch is added to the stream", r"x_2 = x_1 + y_7", ("x2",)),
    _norm("x2", "y8", "f", "Last norm"),
    Step("forward", "z", "Scores: the stream times the row of each symbol", r"z = y_8 E^\top", ("z",)),
    Step(
        "forward", "p", "Softmax: scores become probabilities",
        r"p_{tc} = \frac{e^{z_{tc}}}{\sum_{c'} e^{z_{tc'}}}", ("p", "p_target"),
    ),
    Step(
        "forward", "loss", "The mean surprise at the targets, one number",
        r"\ell = -\tfrac13 \sum_t \ln p_{t,w_t}", ("loss",),
    ),
)  # fmt: skip

BACKWARD = (
    Step(
        "backward", "loss", "The backward starts with a 1", r"\d\ell = 1", ("dloss",),
        r"\frac{\partial \ell}{\partial \ell} = 1",
    ),
    Step(
        "backward", "p", "More probability for a target is less loss",
        r"\d p_{tc} = -\frac{1}{3\,p_{tc}} \text{ at the target, else } 0", ("dp",),
        r"\frac{\partial \ell}{\partial p_{t,w_t}} = -\frac{1}{3\, p_{t,w_t}}",
    ),
    Step(
        "backward", "z", "Back through the softmax: probabilities minus the right answer",
        r"\d z = p \odot \Bigl(\d p - \sum_c p \odot \d p\Bigr) \qquad "
        r"\d z = \tfrac13\,(p - 1 \text{ at the target})", ("dz",),
        r"\frac{\partial p_{c'}}{\partial z_c} = p_{c'} (\delta_{cc'} - p_c)",
    ),
    Step(
        "backward", "y8", "Back through the head, which is the table of symbols",
        r"\d y_8 = \d z\, E \qquad \d E_{\mathrm{head}} = \d z^\top y_8", ("dy8", "dE_head"),
        r"\frac{\partial z_c}{\partial y_i} = E_{ci}",
    ),
    _norm_back("x2", "y8", "f", "", "Back through the last norm"),
    Step(
        "backward", "y7", "A sum passes its gradient to both sides", r"\d y_7 = \d x_2", ("dy7",),
        r"\frac{\partial x_2}{\partial y_7} = 1",
    ),
    _linear_back("y6", "y7", "down", "Back through the second linear layer"),
    Step(
        "backward", "y5", "Back through GELU: times its slope",
        r"\d y_5 = \d y_6 \odot \mathrm{GELU}'(y_5)", ("slope", "dy5"),
        r"\mathrm{GELU}'(y) = \tfrac12 (1 + \tanh a) + \tfrac12\, y\,(1 - \tanh^2 a)\, a'",
    ),
    _linear_back("y4", "y5", "up", "Back through the first linear layer"),
    _norm_back("x1", "y4", "2", "dx2", "Two gradients meet: past the branch, and through its norm"),
    Step(
        "backward", "y3", "A sum passes its gradient to both sides", r"\d y_3 = \d x_1", ("dy3",),
        r"\frac{\partial x_1}{\partial y_3} = 1",
    ),
    _linear_back("y2", "y3", "o", "Back through the linear layer after attention"),
    Step(
        "backward", "A", "Back through the mixing: the gradient times each value",
        r"\d A = \d y_2\, v^\top", ("dA",), r"\frac{\partial y_{ti}}{\partial A_{ts}} = v_{si}",
    ),
    Step(
        "backward", "S", "Back through the softmax", r"\d S = A \odot \Bigl(\d A - \sum_s A \odot \d A\Bigr)", ("dS",),
        r"\frac{\partial A_{ts'}}{\partial S_{ts}} = A_{ts'} (\delta_{ss'} - A_{ts})",
    ),
    Step(
        "backward", "qkv", "Back to queries, keys and values",
        r"\d q = \frac{\d S\, k}{\sqrt C} \qquad \d k = \frac{\d S^\top q}{\sqrt C} \qquad \d v = A^\top \d y_2",
        ("dq", "dk", "dv"),
        r"\frac{\partial S_{ts}}{\partial q_{ti}} = \frac{k_{si}}{\sqrt C} \qquad "
        r"\frac{\partial S_{ts}}{\partial k_{si}} = \frac{q_{ti}}{\sqrt C} \qquad "
        r"\frac{\partial y_{ti}}{\partial v_{si}} = A_{ts}",
    ),
    _linear_back("y1", "qkv", "qkv", "Back through the linear layer before attention"),
    _norm_back("x0", "y1", "1", "dx1", "Two gradients meet: past the branch, and through its norm"),
    Step(
        "backward", "u", "A row of a table sums the gradients of all places that read it",
        r"\d E = \d E_{\mathrm{head}} + \d E_{\mathrm{rows}} \qquad \d P = \d x_0", ("dE_head", "dE_rows", "dE", "dP"),
        r"\frac{\partial x_{ti}}{\partial E_{ci}} = 1 \text{ if } u_t = c, \text{ else } 0",
    ),
)  # fmt: skip

UPDATES = (
    Step(
        "update", "", "Plain descent: against the gradient, here for E", r"\theta \leftarrow \theta - \eta\, \d\theta",
        ("E", "dE", "E_sgd", "loss", "loss_sgd"),
    ),
    Step(
        "update", "", "AdamW: clip, average, divide by the root of the mean square, decay; here for E",
        r"m_1 = (1 - \beta_1) \frac{\d\theta}{\lVert \d\theta \rVert} \qquad "
        r"m_2 = (1 - \beta_2) \Bigl(\frac{\d\theta}{\lVert \d\theta \rVert}\Bigr)^2 \qquad "
        r"\hat m_1 = \frac{m_1}{1 - \beta_1} \qquad \hat m_2 = \frac{m_2}{1 - \beta_2} \qquad "
        r"\theta \leftarrow \theta - \eta\, \Bigl(\frac{\hat m_1}{\sqrt{\hat m_2} + \varepsilon} + \lambda\theta\Bigr)",
        ("norm", "clip", "m1_E", "m2_E", "E_adamw", "loss", "loss_adamw"),
    ),
)  # fmt: skip

STEPS = (*FORWARD, *BACKWARD, *UPDATES)
