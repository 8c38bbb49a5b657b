r"""One training step by hand: three tokens, width two, three symbols, one block, one head, and every number by name.

The text is abac: the model reads a, b, a and should predict b, a, c. ``python -m tinygpt.learn.by_hand`` prints the numbers in
the order of the work: forward, backward, an update by plain descent, an update by AdamW.

    x0 ─┬─► norm y1 ─► q k v ─► S ─► A ─► y2 ─► y3 ─┬─► x1 ─┬─► norm y4 ─► y5 ─► GELU y6 ─► y7 ─┬─► x2 ─► norm y8 ─► z ─► p ─► loss
        └───────────────────────────────────────────┘       └──────────────────────────────────┘

The layers are those of ``gpt.py``. Insides that it does not return (means, scores, attention weights) are computed here.

Two sizes differ from GPT-2's. The two-layer network is two wide, not F = 4 D = 8, so that it fits on a page. And ε is 1:
with a tiny ε a norm over two numbers gives (1, −1) or (−1, 1), which says only which of them is larger. Its derivative
would be almost 0, and nothing before it would learn.
"""  # noqa: E501

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

from tinygpt.learn import gpt
from tinygpt.learn.by_hand_steps import STEPS
from tinygpt.learn.gpt import Array, Arrays, Back

SYMBOLS = "abc"
TEXT = "abac"
EPS = 1.0
SGD_RATE = 0.5
ADAMW = gpt.Config(n_layers=1, d_model=2, n_heads=1, context_length=3, vocab_size=3, n_steps=1, learning_rate=0.1)

# Name in the formulas → name in gpt.py, and the values before training.
PARAMETERS: MappingProxyType[str, tuple[str, Any]] = MappingProxyType(
    {
        "E": ("wte.weight", [[-0.5, 0], [1, -1], [0, -0.5]]),  # a row for each symbol
        "P": ("wpe.weight", [[0.5, -0.5], [-0.5, -1], [0.5, 0.5]]),  # a row for each position
        "g_1": ("h.0.ln_1.weight", [1, 2]),
        "b_1": ("h.0.ln_1.bias", [0.5, 0]),
        "W_qkv": ("h.0.attn.c_attn.weight", [[0.5, 1, -0.5, 1, 0.5, -1], [-0.5, -0.5, 0.5, -0.5, 1, 0.5]]),
        "b_qkv": ("h.0.attn.c_attn.bias", [0, 0, 0, 0, 0, 0]),
        "W_o": ("h.0.attn.c_proj.weight", [[0.5, -0.5], [1, -0.5]]),
        "b_o": ("h.0.attn.c_proj.bias", [0, 0]),
        "g_2": ("h.0.ln_2.weight", [2, 1]),
        "b_2": ("h.0.ln_2.bias", [0, 0.5]),
        "W_up": ("h.0.mlp.c_fc.weight", [[-1, 0.5], [-1, -0.5]]),
        "b_up": ("h.0.mlp.c_fc.bias", [0, 0]),
        "W_down": ("h.0.mlp.c_proj.weight", [[-1, 1], [-1, -0.5]]),
        "b_down": ("h.0.mlp.c_proj.bias", [0, 0]),
        "g_f": ("ln_f.weight", [2, 2]),
        "b_f": ("ln_f.bias", [0.5, -0.5]),
    }
)


def weights() -> Arrays:
    """Return new arrays of the weights under ``gpt.py``'s names, in double precision."""
    return {name: np.array(values, float) for name, values in PARAMETERS.values()}


def tokens() -> tuple[Array, Array]:
    """Return the tokens that are read and their targets, both (1, 3)."""
    ids = np.array([[SYMBOLS.index(symbol) for symbol in TEXT]])
    return ids[:, :-1], ids[:, 1:]


# ---- the numbers -------------------------------------------------------------------------------------------


def forward(w: Arrays, dw: Arrays) -> tuple[Arrays, dict[str, Back]]:
    """Return every number of the forward by name, and the way back through each layer, by the name of its output."""
    u, targets = tokens()
    n: Arrays = {"u": u, "w": targets}
    back: dict[str, Back] = {}
    n["x0"] = w["wte.weight"][u] + w["wpe.weight"]
    n |= _inside_norm("1", n["x0"])
    n["y1"], back["y1"] = gpt.layer_norm(w, dw, "h.0.ln_1", n["x0"], EPS)
    qkv, back["qkv"] = gpt.linear(w, dw, "h.0.attn.c_attn", n["y1"])
    n["q"], n["k"], n["v"] = np.split(qkv, 3, axis=-1)
    n["S"] = n["q"] @ n["k"].swapaxes(1, 2) / np.sqrt(2) + np.triu(np.full((3, 3), -np.inf), k=1)
    n["A"] = gpt.softmax(n["S"])
    n["y2"], back["y2"] = gpt.attention(1, qkv)
    n["y3"], back["y3"] = gpt.linear(w, dw, "h.0.attn.c_proj", n["y2"])
    n["x1"] = n["x0"] + n["y3"]
    n |= _inside_norm("2", n["x1"])
    n["y4"], back["y4"] = gpt.layer_norm(w, dw, "h.0.ln_2", n["x1"], EPS)
    n["y5"], back["y5"] = gpt.linear(w, dw, "h.0.mlp.c_fc", n["y4"])
    n["y6"], back["y6"] = gpt.gelu(n["y5"])
    n["y7"], back["y7"] = gpt.linear(w, dw, "h.0.mlp.c_proj", n["y6"])
    n["x2"] = n["x1"] + n["y7"]
    n |= _inside_norm("f", n["x2"])
    n["y8"], back["y8"] = gpt.layer_norm(w, dw, "ln_f", n["x2"], EPS)
    n["z"] = n["y8"] @ w["wte.weight"].T
    n["p"] = gpt.softmax(n["z"])
    n["p_target"] = np.take_along_axis(n["p"], targets[..., None], axis=-1)
    n["loss"] = np.array(gpt.cross_entropy(n["z"], targets)[0])
    return n, back


def _inside_norm(name: str, x: Array) -> Arrays:
    mean, r = x.mean(axis=-1, keepdims=True), 1 / np.sqrt(x.var(axis=-1, keepdims=True) + EPS)
    return {f"mu_{name}": mean, f"r_{name}": r, f"x_hat_{name}": r * (x - mean)}


def backward(w: Arrays, dw: Arrays, n: Arrays, back: dict[str, Back]) -> Arrays:
    """Return every gradient by name, dx for ∂loss/∂x, and fill ``dw``; ``n`` and ``back`` are of the forward."""
    u, targets = tokens()
    d: Arrays = {"dloss": np.array(1.0)}
    hit = targets[..., None] == np.arange(3)
    d["dp"] = np.where(hit, -1 / (3 * n["p"]), 0)
    d["dz"] = n["p"] * (d["dp"] - (n["p"] * d["dp"]).sum(axis=-1, keepdims=True))
    d["dy8"] = d["dz"] @ w["wte.weight"]
    d["dE_head"] = (d["dz"].swapaxes(1, 2) @ n["y8"])[0]
    d["dx_hat_f"] = d["dy8"] * w["ln_f.weight"]
    d["dx2"] = d["dy7"] = back["y8"](d["dy8"])
    d["dy6"] = back["y7"](d["dy7"])
    d["slope"] = gpt.gelu(n["y5"])[1](np.ones_like(n["y5"]))
    d["dy5"] = back["y6"](d["dy6"])
    d["dy4"] = back["y5"](d["dy5"])
    d["dx_hat_2"] = d["dy4"] * w["h.0.ln_2.weight"]
    d["branch_2"] = back["y4"](d["dy4"])
    d["dx1"] = d["dy3"] = d["dx2"] + d["branch_2"]
    d["dy2"] = back["y3"](d["dy3"])
    d["dA"] = d["dy2"] @ n["v"].swapaxes(1, 2)
    d["dS"] = n["A"] * (d["dA"] - (n["A"] * d["dA"]).sum(axis=-1, keepdims=True))
    dqkv = back["y2"](d["dy2"])
    d["dq"], d["dk"], d["dv"] = np.split(dqkv, 3, axis=-1)
    d["dy1"] = back["qkv"](dqkv)
    d["dx_hat_1"] = d["dy1"] * w["h.0.ln_1.weight"]
    d["branch_1"] = back["y1"](d["dy1"])
    d["dx0"] = d["dx1"] + d["branch_1"]
    d["dE_rows"] = np.zeros((3, 2))
    np.add.at(d["dE_rows"], u[0], d["dx0"][0])
    dw["wte.weight"] += d["dE_head"] + d["dE_rows"]
    dw["wpe.weight"] += d["dx0"][0]
    return d | {f"d{name}": dw[long] for name, (long, _) in PARAMETERS.items()}


def numbers() -> Arrays:
    """Return every number of the step by name, without the axis of the batch.

    Parameters have the names of ``PARAMETERS``. Behind ``dX`` of a parameter follow ``X_sgd``, ``m1_X``, ``m2_X`` and
    ``X_adamw``; ``loss_sgd`` and ``loss_adamw`` are the losses after one update.
    """
    w = weights()
    dw = {name: np.zeros_like(weight) for name, weight in w.items()}
    n, back = forward(w, dw)
    n |= backward(w, dw, n, back)
    sgd = {name: weight - SGD_RATE * dw[name] for name, weight in w.items()}
    adamw = weights()
    m1, m2 = ({name: np.zeros_like(weight) for name, weight in w.items()} for _ in (1, 2))
    gpt.adamw(adamw, dw, m1, m2, ADAMW, step=0)
    n["norm"] = np.sqrt(sum((gradient**2).sum() for gradient in dw.values()))
    n["clip"] = np.minimum(1, 1 / (n["norm"] + 1e-6))
    for name, (long, _) in PARAMETERS.items():
        n |= {name: w[long], f"{name}_sgd": sgd[long], f"{name}_adamw": adamw[long]}
        n |= {f"m1_{name}": m1[long], f"m2_{name}": m2[long]}
    n["loss_sgd"], n["loss_adamw"] = forward(sgd, {})[0]["loss"], forward(adamw, {})[0]["loss"]
    n["u"], n["w"] = n["u"][..., None], n["w"][..., None]  # a row for each position, as everything else
    return {name: value[0] if value.ndim == 3 else np.asarray(value) for name, value in n.items()}


# ---- the steps ---------------------------------------------------------------------------------------------


def main() -> None:
    """Print every step with its numbers."""
    n = numbers()
    for number, step in enumerate(STEPS, 1):
        print(f"\n{number}. {step.way}: {step.title}")
        for name in step.shown:
            for index, row in enumerate(written(n[name])):
                print(f"{name if index == 0 else '':>10}  {'  '.join(text.rjust(8) for text in row)}")


def written(value: Array) -> list[list[str]]:
    """Write a number, a vector or a matrix as rows of texts of equal decimals: few if exact, else enough."""
    rows = np.atleast_2d(value)
    finite = rows[np.isfinite(rows)]
    enough = 4 if np.abs(finite).max() >= 0.02 else 6
    decimals = next((few for few in range(3) if np.allclose(finite, finite.round(few), rtol=0, atol=1e-12)), enough)
    rows = rows.round(decimals) + 0.0  # −0 becomes 0
    return [[f"{x:.{decimals}f}".replace("-", "−") if np.isfinite(x) else "−∞" for x in row] for row in rows]


if __name__ == "__main__":
    main()
