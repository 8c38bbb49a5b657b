"""Engine ``python``: GPT-2 in the standard library alone, the honest 1×.

A matrix is a list of rows, a row is a list of floats, and the interpreter visits every number. The one concession to
speed is the idiom for a dot product, ``sum(map(mul, a, b))``. The sequences of a batch are stacked: N = B·T rows pass
through every layer together, and only attention separates the sequences. ``tinygpt/layers.py`` derives the equations.
"""

from __future__ import annotations

import math
from itertools import chain
from operator import mul
from typing import Any, ClassVar

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.base import Engine, StepResult, as_array, as_arrays
from tinygpt.optim import OptimizerState
from tinygpt.system.stopping import InterruptsDeferred

Row = list[float]
Matrix = list[Row]
Weights = dict[str, Matrix]  # a vector is a matrix of one row

GELU_SCALE = math.sqrt(2.0 / math.pi)
GELU_CUBIC = 0.044715


# ---- arithmetic on rows ------------------------------------------------------------------------------


def dot(a: Row, b: Row) -> float:
    """Σ a_i b_i."""
    return sum(map(mul, a, b))


def transpose(rows: Matrix) -> Matrix:
    """(N, M) → (M, N)."""
    return [list(column) for column in zip(*rows, strict=True)]


def add(a: Matrix, b: Matrix) -> Matrix:
    """a + b, element by element."""
    return [[p + q for p, q in zip(row_a, row_b, strict=True)] for row_a, row_b in zip(a, b, strict=True)]


def column_sums(rows: Matrix) -> Row:
    """(N, M) → (M,)."""
    return [sum(column) for column in zip(*rows, strict=True)]


# ---- layers ------------------------------------------------------------------------------------------


def linear(x: Matrix, weight: Matrix, bias: Row) -> Matrix:
    """x (N, I), weight (I, O), bias (O,) → (N, O)."""
    columns = transpose(weight)
    return [[dot(row, column) + b for column, b in zip(columns, bias, strict=True)] for row in x]


def linear_backward(dy: Matrix, x: Matrix, weight: Matrix) -> tuple[Matrix, Matrix, Row]:
    """dx = dy Wᵀ (N, I), dW = xᵀ dy (I, O), db = Σ_n dy (O,)."""
    dx = [[dot(row, weight_row) for weight_row in weight] for row in dy]
    dy_columns = transpose(dy)
    dweight = [[dot(x_column, dy_column) for dy_column in dy_columns] for x_column in transpose(x)]
    return dx, dweight, column_sums(dy)


def layer_norm(x: Matrix, gain: Row, bias: Row, eps: float) -> tuple[Matrix, Matrix, Row]:
    """Normalise rows (N, D); return them with x̂ (N, D) and the reciprocal deviations r (N,) for the backward."""
    out, x_hat, reciprocals = [], [], []
    for row in x:
        mean = sum(row) / len(row)
        centred = [value - mean for value in row]
        r = 1.0 / math.sqrt(dot(centred, centred) / len(row) + eps)
        normed = [value * r for value in centred]
        out.append([g * value + b for g, value, b in zip(gain, normed, bias, strict=True)])
        x_hat.append(normed)
        reciprocals.append(r)
    return out, x_hat, reciprocals


def layer_norm_backward(dy: Matrix, gain: Row, x_hat: Matrix, reciprocals: Row) -> tuple[Matrix, Row, Row]:
    """dx = r (dx̂ − mean(dx̂) − x̂ mean(dx̂ · x̂)) with dx̂ = dy · gain; dgain = Σ_n dy · x̂; dbias = Σ_n dy."""
    dx, products = [], []
    for dy_row, hat_row, r in zip(dy, x_hat, reciprocals, strict=True):
        dhat = list(map(mul, dy_row, gain))
        mean, projected = sum(dhat) / len(dhat), dot(dhat, hat_row) / len(dhat)
        dx.append([r * (d - mean - value * projected) for d, value in zip(dhat, hat_row, strict=True)])
        products.append(list(map(mul, dy_row, hat_row)))
    return dx, column_sums(products), column_sums(dy)


def gelu(x: Matrix) -> tuple[Matrix, Matrix]:
    """½ x (1 + tanh a) with a = √(2/π) (x + 0.044715 x³); the backward needs tanh a."""
    tanh = [[math.tanh(GELU_SCALE * (v + GELU_CUBIC * v * v * v)) for v in row] for row in x]
    out = [
        [0.5 * v * (1.0 + u) for v, u in zip(row, tanh_row, strict=True)] for row, tanh_row in zip(x, tanh, strict=True)
    ]
    return out, tanh


def gelu_backward(dy: Matrix, x: Matrix, tanh: Matrix) -> Matrix:
    """dx = dy (½ (1 + tanh a) + ½ x (1 − tanh² a) √(2/π) (1 + 3 · 0.044715 x²))."""
    return [
        [
            d * (0.5 * (1.0 + u) + 0.5 * v * (1.0 - u * u) * GELU_SCALE * (1.0 + 3.0 * GELU_CUBIC * v * v))
            for d, v, u in zip(dy_row, x_row, tanh_row, strict=True)
        ]
        for dy_row, x_row, tanh_row in zip(dy, x, tanh, strict=True)
    ]


def softmax(row: Row) -> Row:
    """e^x / Σ e^x."""
    largest = max(row)
    exponentials = [math.exp(value - largest) for value in row]
    total = sum(exponentials)
    return [value / total for value in exponentials]


def attention_head(q: Matrix, k: Matrix, v: Matrix) -> tuple[Matrix, Matrix]:
    """One head of one sequence, q, k, v (T, C) → output (T, C), and the weights; row t of these has t + 1."""
    scale = 1.0 / math.sqrt(len(q[0]))
    out, weights = [], []
    for t, query in enumerate(q):
        row = softmax([dot(query, key) * scale for key in k[: t + 1]])
        out.append([dot(row, list(column)) for column in zip(*v[: t + 1], strict=True)])
        weights.append(row)
    return out, weights


def attention_head_backward(
    dy: Matrix, q: Matrix, k: Matrix, v: Matrix, weights: Matrix
) -> tuple[Matrix, Matrix, Matrix]:
    """dq, dk, dv (T, C): dA = dy vᵀ, dS = A (dA − Σ A dA), dq = dS k / √C, dk = dSᵀ q / √C, dv = Aᵀ dy."""
    scale = 1.0 / math.sqrt(len(q[0]))
    ds = []
    for t, row in enumerate(weights):
        drow = [dot(dy[t], value) for value in v[: t + 1]]
        mean = dot(row, drow)
        ds.append([weight * (d - mean) * scale for weight, d in zip(row, drow, strict=True)])
    k_columns, q_columns, dy_columns = transpose(k), transpose(q), transpose(dy)
    length = len(q)
    dq = [[dot(ds[t], column[: t + 1]) for column in k_columns] for t in range(length)]
    # Column s of dS and of A: row t reaches s only when t ≥ s.
    ds_below = [[ds[t][s] for t in range(s, length)] for s in range(length)]
    a_below = [[weights[t][s] for t in range(s, length)] for s in range(length)]
    dk = [[dot(ds_below[s], column[s:]) for column in q_columns] for s in range(length)]
    dv = [[dot(a_below[s], column[s:]) for column in dy_columns] for s in range(length)]
    return dq, dk, dv


def attention(qkv: Matrix, n_heads: int, length: int) -> tuple[Matrix, list[list[Matrix]]]:
    """qkv (N, 3 D) → (N, D), and the attention weights of every (sequence, head)."""
    d = len(qkv[0]) // 3
    c = d // n_heads
    out: Matrix = []
    all_weights: list[list[Matrix]] = []
    for start in range(0, len(qkv), length):
        rows = qkv[start : start + length]
        heads, weights = [], []
        for head in range(n_heads):
            q, k, v = ([row[part + head * c : part + (head + 1) * c] for row in rows] for part in (0, d, 2 * d))
            head_out, head_weights = attention_head(q, k, v)
            heads.append(head_out)
            weights.append(head_weights)
        out += [list(chain(*parts)) for parts in zip(*heads, strict=True)]  # the heads side by side, (T, D)
        all_weights.append(weights)
    return out, all_weights


def attention_backward(dy: Matrix, qkv: Matrix, weights: list[list[Matrix]], n_heads: int, length: int) -> Matrix:
    """dy (N, D) → dqkv (N, 3 D)."""
    d = len(dy[0])
    c = d // n_heads
    dqkv: Matrix = []
    for sequence, start in enumerate(range(0, len(qkv), length)):
        rows, dy_rows = qkv[start : start + length], dy[start : start + length]
        parts: list[list[Matrix]] = [[], [], []]  # dq, dk, dv of each head
        for head in range(n_heads):
            q, k, v = ([row[part + head * c : part + (head + 1) * c] for row in rows] for part in (0, d, 2 * d))
            dy_head = [row[head * c : (head + 1) * c] for row in dy_rows]
            grads = attention_head_backward(dy_head, q, k, v, weights[sequence][head])
            for part, grad in zip(parts, grads, strict=True):
                part.append(grad)
        dqkv += [list(chain(*row_parts)) for row_parts in zip(*parts[0], *parts[1], *parts[2], strict=True)]
    return dqkv


def cross_entropy(logits: Matrix, targets: list[int]) -> tuple[float, Matrix]:
    """Mean loss in nats, and ∂loss/∂logits = (softmax − onehot) / N."""
    loss, dlogits, n = 0.0, [], len(targets)
    for row, target in zip(logits, targets, strict=True):
        largest = max(row)
        loss += largest + math.log(sum(math.exp(z - largest) for z in row)) - row[target]
        gradient = [p / n for p in softmax(row)]
        gradient[target] -= 1.0 / n
        dlogits.append(gradient)
    return loss / n, dlogits


# ---- the engine --------------------------------------------------------------------------------------


class PythonEngine(Engine):
    """GPT-2 in plain Python; floats are the interpreter's own (64 bits)."""

    name: ClassVar[str] = "python"

    def __init__(self, model: ModelConfig, train: TrainConfig) -> None:
        super().__init__(model, train)
        self.weights: Weights = {}
        self.vectors: frozenset[str] = frozenset()  # the parameters without weight decay
        self.first_moment: Weights = {}
        self.second_moment: Weights = {}
        self.updates = 0

    def _linear(self, name: str, x: Matrix) -> Matrix:
        return linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"][0])

    def _norm(self, name: str, x: Matrix) -> tuple[Matrix, Matrix, Row]:
        gain, bias = self.weights[f"{name}.weight"][0], self.weights[f"{name}.bias"][0]
        return layer_norm(x, gain, bias, self.config.layer_norm_eps)

    def _forward(self, tokens: list[int], length: int) -> tuple[Matrix, list[dict[str, Any]], dict[str, Any]]:
        """Stacked tokens (N,) → logits (N, V), and the caches of the blocks and of the last norm."""
        table, positions = self.weights["wte.weight"], self.weights["wpe.weight"]
        x = [[p + q for p, q in zip(table[t], positions[n % length], strict=True)] for n, t in enumerate(tokens)]
        blocks = []
        for layer in range(self.config.n_layers):
            h = f"h.{layer}"
            b: dict[str, Any] = {}
            b["normed_1"], b["hat_1"], b["r_1"] = self._norm(f"{h}.ln_1", x)
            b["qkv"] = self._linear(f"{h}.attn.c_attn", b["normed_1"])
            b["mixed"], b["weights"] = attention(b["qkv"], self.config.n_heads, length)
            x = add(x, self._linear(f"{h}.attn.c_proj", b["mixed"]))
            b["normed_2"], b["hat_2"], b["r_2"] = self._norm(f"{h}.ln_2", x)
            b["hidden"] = self._linear(f"{h}.mlp.c_fc", b["normed_2"])
            b["activated"], b["tanh"] = gelu(b["hidden"])
            x = add(x, self._linear(f"{h}.mlp.c_proj", b["activated"]))
            blocks.append(b)
        final, hat_f, r_f = self._norm("ln_f", x)
        logits = [[dot(row, entry) for entry in table] for row in final]  # the tied head
        return logits, blocks, {"final": final, "hat": hat_f, "r": r_f}

    def _linear_backward(self, name: str, dy: Matrix, x: Matrix, g: Weights) -> Matrix:
        dx, g[f"{name}.weight"], dbias = linear_backward(dy, x, self.weights[f"{name}.weight"])
        g[f"{name}.bias"] = [dbias]
        return dx

    def _norm_backward(self, name: str, dy: Matrix, x_hat: Matrix, reciprocals: Row, g: Weights) -> Matrix:
        dx, dgain, dbias = layer_norm_backward(dy, self.weights[f"{name}.weight"][0], x_hat, reciprocals)
        g[f"{name}.weight"], g[f"{name}.bias"] = [dgain], [dbias]
        return dx

    def _gradients(self, tokens: list[int], targets: list[int], length: int) -> tuple[float, Weights]:
        """Stacked tokens and targets (N,) → loss and every parameter's gradient."""
        g: Weights = {}
        logits, blocks, last = self._forward(tokens, length)
        loss, dlogits = cross_entropy(logits, targets)

        final_columns = transpose(last["final"])
        dtable = [[dot(dz, column) for column in final_columns] for dz in transpose(dlogits)]  # (V, D), the head's
        table_columns = transpose(self.weights["wte.weight"])
        dfinal = [[dot(row, column) for column in table_columns] for row in dlogits]
        dx = self._norm_backward("ln_f", dfinal, last["hat"], last["r"], g)

        for layer in reversed(range(self.config.n_layers)):
            h, b = f"h.{layer}", blocks[layer]
            d = self._linear_backward(f"{h}.mlp.c_proj", dx, b["activated"], g)
            d = gelu_backward(d, b["hidden"], b["tanh"])
            d = self._linear_backward(f"{h}.mlp.c_fc", d, b["normed_2"], g)
            dx = add(dx, self._norm_backward(f"{h}.ln_2", d, b["hat_2"], b["r_2"], g))
            d = self._linear_backward(f"{h}.attn.c_proj", dx, b["mixed"], g)
            d = attention_backward(d, b["qkv"], b["weights"], self.config.n_heads, length)
            d = self._linear_backward(f"{h}.attn.c_attn", d, b["normed_1"], g)
            dx = add(dx, self._norm_backward(f"{h}.ln_1", d, b["hat_1"], b["r_1"], g))

        dpositions = [[0.0] * self.config.d_model for _ in range(self.config.context_length)]
        for n, (token, row) in enumerate(zip(tokens, dx, strict=True)):
            for i, value in enumerate(row):
                dtable[token][i] += value
                dpositions[n % length][i] += value
        g["wte.weight"], g["wpe.weight"] = dtable, dpositions
        return loss, {name: g[name] for name in self.weights}

    # ---- the interface: arrays in, arrays out, lists in between ------------------------------------------

    def train_step(self, inputs: Any, targets: Any, learning_rate: float | None = None) -> StepResult:
        self._check_batch(inputs, targets)
        loss, grads = self._gradients(inputs.ravel().tolist(), targets.ravel().tolist(), inputs.shape[1])
        norm = math.sqrt(sum(dot(row, row) for gradient in grads.values() for row in gradient))
        clip = min(1.0, self.train.grad_clip / (norm + 1e-6))
        rate = self.train.learning_rate if learning_rate is None else learning_rate
        with InterruptsDeferred():
            self.updates += 1
            for name, gradient in grads.items():
                decay = 1.0 if name in self.vectors else 1.0 - rate * self.train.weight_decay
                for r, row in enumerate(gradient):
                    self._update_row(name, r, [clip * value for value in row], rate, decay)
        return StepResult(loss, norm)

    def _update_row(self, name: str, r: int, gradient: Row, rate: float, decay: float) -> None:
        """Update one row of a parameter with AdamW; ``tinygpt/optim.py`` has the equations."""
        beta1, beta2 = self.train.betas
        correction1, correction2 = 1.0 - beta1**self.updates, 1.0 - beta2**self.updates
        m = [beta1 * a + (1.0 - beta1) * d for a, d in zip(self.first_moment[name][r], gradient, strict=True)]
        v = [beta2 * a + (1.0 - beta2) * d * d for a, d in zip(self.second_moment[name][r], gradient, strict=True)]
        self.first_moment[name][r], self.second_moment[name][r] = m, v
        self.weights[name][r] = [
            p * decay - rate * (a / correction1) / (math.sqrt(b / correction2) + self.train.eps)
            for p, a, b in zip(self.weights[name][r], m, v, strict=True)
        ]

    def loss_and_gradients(self, inputs: Any, targets: Any) -> tuple[float, Any]:
        self._check_batch(inputs, targets)
        loss, grads = self._gradients(inputs.ravel().tolist(), targets.ravel().tolist(), inputs.shape[1])
        return loss, as_arrays(grads, self.config)

    def logits(self, inputs: Any) -> Any:
        self._check_batch(inputs)
        rows = self._forward(inputs.ravel().tolist(), inputs.shape[1])[0]
        return as_array(rows, (*inputs.shape, self.config.vocab_size))

    def parameters(self) -> Any:
        return as_arrays(self.weights, self.config)

    def optimizer_state(self) -> OptimizerState:
        first, second, weights = (
            as_arrays(rows, self.config, double=True) for rows in (self.first_moment, self.second_moment, self.weights)
        )
        return OptimizerState(self.updates, first, second, weights)

    def _replace_parameters(self, state: Any) -> None:
        self.vectors = frozenset(name for name, value in state.items() if value.ndim == 1)
        self.weights = _as_rows(state)
        if not self.first_moment:
            self.first_moment = {name: [[0.0] * len(row) for row in rows] for name, rows in self.weights.items()}
            self.second_moment = {name: [[0.0] * len(row) for row in rows] for name, rows in self.weights.items()}

    def load_optimizer_state(self, state: OptimizerState) -> None:
        self.updates = state.step
        self.first_moment = _as_rows(state.first_moment)
        self.second_moment = _as_rows(state.second_moment)
        if state.weights is not None:
            self.weights = _as_rows(state.weights)


def _as_rows(arrays: Any) -> Weights:
    """Turn arrays by name into lists of rows, a vector into one row."""
    return {name: value.tolist() if value.ndim == 2 else [value.tolist()] for name, value in arrays.items()}
