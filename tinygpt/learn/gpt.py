"""A GPT in one file: the model, its gradients by hand, AdamW and sampling. It needs NumPy and nothing else.

Run `python gpt.py my.txt`. Read from top to bottom. A layer returns its output y and a function `back`, which turns
dy = ∂loss/∂y into dx = ∂loss/∂x and adds ∂loss/∂w[name] to dw[name]. A model is a chain of layers; its backward is that
chain from the end. B sequences, T positions, D width, H heads of width C = D / H, F = 4 D, V = 256 bytes, L blocks.
"""

import math
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Arrays = dict[str, Array]
Back = Callable[[Array], Array]
Layer = Callable[[Array], tuple[Array, Back]]


@dataclass(frozen=True)
class Config:
    """The shape of a model and the settings of its training."""

    n_layers: int = 2  # L
    d_model: int = 64  # D
    n_heads: int = 4  # H
    context_length: int = 64  # T
    vocab_size: int = 256  # V
    batch_size: int = 16  # B
    n_steps: int = 2000
    learning_rate: float = 3e-3  # rises to this for a tenth of the steps, then falls to a tenth of it


def initial_weights(c: Config, seed: int) -> Arrays:
    """Draw from N(0, 0.02²), and smaller for the layers that add to the stream; gains are 1, biases 0."""
    rng, d, w = np.random.default_rng(seed), c.d_model, Arrays()
    shapes: dict[str, tuple[int, ...]] = {"wte": (c.vocab_size, d), "wpe": (c.context_length, d)}
    for h in range(c.n_layers):
        shapes |= {f"h.{h}.ln_1": (d,), f"h.{h}.attn.c_attn": (d, 3 * d), f"h.{h}.attn.c_proj": (d, d)}
        shapes |= {f"h.{h}.ln_2": (d,), f"h.{h}.mlp.c_fc": (d, 4 * d), f"h.{h}.mlp.c_proj": (4 * d, d)}
    for name, shape in (shapes | {"ln_f": (d,)}).items():
        std = np.float32(0.02 / math.sqrt(2 * c.n_layers if name.endswith("c_proj") else 1))
        w[name + ".weight"] = std * rng.standard_normal(shape, np.float32) if shape[1:] else np.ones(d, np.float32)
        w |= {} if name in ("wte", "wpe") else {name + ".bias": np.zeros(shape[-1], np.float32)}  # tables have no bias
    return w


def linear(w: Arrays, dw: Arrays, name: str, x: Array) -> tuple[Array, Back]:
    """y = x W + b: (B, T, I) → (B, T, O)."""

    def back(dy: Array) -> Array:
        dw[name + ".weight"] += np.tensordot(x, dy, axes=([0, 1], [0, 1]))  # dW = xᵀ dy, summed over all positions
        dw[name + ".bias"] += dy.sum(axis=(0, 1))  # db = Σ dy
        return dy @ w[name + ".weight"].T  # dx = dy Wᵀ

    return x @ w[name + ".weight"] + w[name + ".bias"], back


def layer_norm(w: Arrays, dw: Arrays, name: str, x: Array, eps: float = 1e-5) -> tuple[Array, Back]:
    """y = g x̂ + b with x̂ = r (x − mean) and r = 1 / √(variance + ε): each position gets mean 0 and variance 1."""
    r = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + eps)  # (B, T, 1)
    x_hat = r * (x - x.mean(axis=-1, keepdims=True))  # (B, T, D)

    def back(dy: Array) -> Array:
        dw[name + ".weight"] += (dy * x_hat).sum(axis=(0, 1))
        dw[name + ".bias"] += dy.sum(axis=(0, 1))
        dx_hat = dy * w[name + ".weight"]  # x moves x̂ directly, through the mean, and through r: three terms
        return r * (dx_hat - dx_hat.mean(-1, keepdims=True) - x_hat * (dx_hat * x_hat).mean(-1, keepdims=True))

    return w[name + ".weight"] * x_hat + w[name + ".bias"], back


def gelu(x: Array) -> tuple[Array, Back]:
    """y = ½ x (1 + tanh a) with a = √(2/π) (x + 0.044715 x³): x where x is large, 0 where it is very negative."""
    tanh = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
    da_dx = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
    return 0.5 * x * (1 + tanh), lambda dy: dy * (0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * da_dx)


def softmax(x: Array) -> Array:
    """e^x / Σ e^x over the last axis; subtracting the maximum changes nothing but prevents overflow."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(n_heads: int, x: Array) -> tuple[Array, Back]:
    """y = A v with A = softmax(q kᵀ / √C): each position mixes values of its own and earlier ones; x = (q, k, v)."""
    b, t, d = len(x), x.shape[1], x.shape[2] // 3
    q, k, v = x.reshape(b, t, 3, n_heads, d // n_heads).transpose(2, 0, 3, 1, 4)  # each (B, H, T, C)
    future = np.triu(np.full((t, t), -np.inf, x.dtype), k=1)
    a = softmax(q @ k.swapaxes(2, 3) / math.sqrt(d // n_heads) + future)  # (B, H, T, T)

    def back(dy: Array) -> Array:
        dy = dy.reshape(b, t, n_heads, d // n_heads).swapaxes(1, 2)  # (B, H, T, C)
        da = dy @ v.swapaxes(2, 3)
        ds = a * (da - (a * da).sum(axis=-1, keepdims=True)) / math.sqrt(d // n_heads)  # back through the softmax
        dqkv = np.stack([ds @ k, ds.swapaxes(2, 3) @ q, a.swapaxes(2, 3) @ dy])  # (3, B, H, T, C)
        return dqkv.transpose(1, 3, 0, 2, 4).reshape(b, t, 3 * d)

    return (a @ v).swapaxes(1, 2).reshape(b, t, d), back


def branch(w: Arrays, dw: Arrays, norm: str, first: str, middle: Layer, last: str, x: Array) -> tuple[Array, Back]:
    """y = x + last(middle(first(norm(x)))): x goes two ways, so two gradients come back and are added."""
    y, back_norm = layer_norm(w, dw, norm, x)
    y, back_first = linear(w, dw, first, y)
    y, back_middle = middle(y)
    y, back_last = linear(w, dw, last, y)
    return x + y, lambda dy: dy + back_norm(back_first(back_middle(back_last(dy))))


def model(w: Arrays, dw: Arrays, c: Config, tokens: Array) -> tuple[Array, Callable[[Array], None]]:
    """Tokens (B, T) → scores z (B, T, V) of what comes next; back(dz) fills dw."""
    x = w["wte.weight"][tokens] + w["wpe.weight"][: tokens.shape[1]]  # the byte + its position: (B, T, D)
    attend, backs = lambda x: attention(c.n_heads, x), []
    for h in range(c.n_layers):  # one branch moves information between positions, the other works on each alone
        x, back_attention = branch(w, dw, f"h.{h}.ln_1", f"h.{h}.attn.c_attn", attend, f"h.{h}.attn.c_proj", x)
        x, back_mlp = branch(w, dw, f"h.{h}.ln_2", f"h.{h}.mlp.c_fc", gelu, f"h.{h}.mlp.c_proj", x)
        backs += [back_attention, back_mlp]
    x, back_norm = layer_norm(w, dw, "ln_f", x)

    def back_all(dz: Array) -> None:
        dw["wte.weight"] += np.tensordot(dz, x, axes=([0, 1], [0, 1]))
        dx = back_norm(dz @ w["wte.weight"])
        for back in reversed(backs):
            dx = back(dx)
        np.add.at(dw["wte.weight"], tokens, dx)  # a row collects the gradients of all places that read it
        dw["wpe.weight"][: tokens.shape[1]] += dx.sum(axis=0)

    return x @ w["wte.weight"].T, back_all  # the score of a symbol: its row of the table times x


def cross_entropy(z: Array, targets: Array) -> tuple[float, Array]:
    """The mean of −log p at the targets, with p = softmax(z), in nats; and dz = (p − 1 at the target) / (B T)."""
    z, hit = z - z.max(axis=-1, keepdims=True), targets[..., None] == np.arange(z.shape[-1])  # both (B, T, V)
    log_p = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))  # a difference: as a quotient, p can round to 0
    return float(-log_p[hit].mean()), (np.exp(log_p) - hit) / targets.size


def adamw(w: Arrays, dw: Arrays, m1: Arrays, m2: Arrays, c: Config, step: int) -> None:
    """Move w against running means: m1 of the gradient, divided by the root of m2, of its square."""
    rise = c.n_steps // 10
    fall = 0.5 * (1 + math.cos(math.pi * max(0, step - rise) / max(1, c.n_steps - rise)))  # half a cosine, from 1 to 0
    rate = c.learning_rate * min(1, (step + 1) / (rise + 1)) * (0.1 + 0.9 * fall)
    norm = math.sqrt(sum(float(np.square(gradient, dtype=float).sum()) for gradient in dw.values()))
    for name, gradient in dw.items():
        clipped = gradient * min(1, 1 / (norm + 1e-6))  # all gradients together are at most 1 long
        m1[name] += (1 - 0.9) * (clipped - m1[name])
        m2[name] += (1 - 0.95) * (clipped * clipped - m2[name])
        mean, square = m1[name] / (1 - 0.9 ** (step + 1)), m2[name] / (1 - 0.95 ** (step + 1))  # both started at 0
        w[name] -= rate * (mean / (np.sqrt(square) + 1e-8) + 0.1 * w[name] * (w[name].ndim == 2))  # matrices decay


def generate(w: Arrays, c: Config, text: bytes, n: int, temperature: float, top_k: int, seed: int) -> Iterator[int]:
    """Continue a text by n bytes: score, keep the best top_k, divide by the temperature, draw one, append it."""
    rng, seen = np.random.default_rng(seed), list(text)
    for _ in range(n):
        seen = seen if len(seen) <= c.context_length else seen[-max(1, c.context_length // 2) :]
        z = model(w, {}, c, np.array([seen]))[0][0, -1].astype(float)  # (V,)
        best = np.argsort(-z, kind="stable")[:top_k]
        sums = np.exp((z[best] - z[best[0]]) / max(temperature, 1e-250)).cumsum()  # temperature 0: the best alone
        seen.append(int(best[sums.searchsorted(rng.random() * sums[-1], side="right")]))
        yield seen[-1]


def main() -> None:
    """Train on the text that the command names, then write."""
    given = [*sys.argv[1:], str(Config.n_steps)]
    if len(given) not in (2, 3) or given[0].startswith("-") or not given[1].removeprefix("-").isdecimal():
        print("run: python gpt.py TEXT [STEPS], such as python gpt.py my.txt 2000", file=sys.stderr)
        sys.exit(given[0] not in ("-h", "--help"))
    (file, steps), c = given[:2], Config(n_steps=int(given[1]))
    try:
        text = np.fromfile(file, np.uint8)
    except OSError as error:
        raise SystemExit(f"{file} cannot be read: {error.strerror or error}; run: python gpt.py my.txt") from None
    if len(text) <= c.context_length or c.n_steps < 1:
        raise SystemExit(f"{file} has {len(text)} bytes, STEPS = {steps}; needed: {c.context_length + 1} and 1 or more")
    w = initial_weights(c, seed=0)
    m1, m2 = ({name: np.zeros_like(weight) for name, weight in w.items()} for _ in (1, 2))
    for step in range(c.n_steps):
        starts = np.random.default_rng([0, step]).integers(len(text) - c.context_length, size=c.batch_size)
        windows = text[starts[:, None] + np.arange(c.context_length + 1)]  # (B, T + 1)
        dw = {name: np.zeros_like(weight) for name, weight in w.items()}
        z, back = model(w, dw, c, windows[:, :-1])
        loss, dz = cross_entropy(z, windows[:, 1:])  # the target of a position is the byte after it
        back(dz)
        adamw(w, dw, m1, m2, c, step)
        if step % 100 == 0 or step == c.n_steps - 1:
            print(f"step {step}: {loss:.3f} nats per byte", flush=True)
    written = bytes(generate(w, c, b"\n", 500, temperature=0.8, top_k=40, seed=0)).decode(errors="replace")
    print("".join(sign if sign.isprintable() or sign in "\n\t" else "·" for sign in written))


if __name__ == "__main__":
    for name in {"SIGINT", "SIGPIPE"} & {*dir(signal)}:  # Ctrl-C and `| head` end it without a traceback
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    main()
