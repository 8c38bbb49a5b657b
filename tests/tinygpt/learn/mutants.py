"""Wrong solutions and the hint that each has to get: (exercise, a line of the solution, the same line wrong, the hint)."""

# ruff: noqa: E501

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A solution with one replaced text, and words of the hint that it has to get."""

    exercise: str
    right: str
    wrong: str
    hint: str


class Fault(NamedTuple):
    """A function with one replaced text, an exercise that uses it, and the exercise that has to be named for it."""

    sitting: int
    function: str
    right: str
    wrong: str
    judged: str
    accused: str


SITTING_1 = (
    # shape, kind and dtype
    Mutant(
        "to_ids",
        'np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64)',
        "np.array([ord(c) for c in text])",
        "one per character",
    ),
    Mutant("to_ids", ".astype(np.int64)", "", "uint8, which counts up to 255"),
    Mutant("to_ids", ".astype(np.int64)", ".astype(float)", "expected whole numbers"),
    Mutant(
        "to_ids",
        'np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64)',
        "list(text.encode())",
        "ids is a list",
    ),
    Mutant("to_ids", "return np.frombuffer", "np.frombuffer", "to_ids returns nothing"),
    Mutant("inputs_and_targets", "return ids[:-1], ids[1:]", "return ids, ids", "targets equal the inputs"),
    Mutant("inputs_and_targets", "return ids[:-1], ids[1:]", "return ids[:-1], ids[:-1]", "targets equal the inputs"),
    Mutant("inputs_and_targets", "return ids[:-1], ids[1:]", "return ids, np.roll(ids, -1)", "no successor"),
    Mutant("inputs_and_targets", "return ids[:-1], ids[1:]", "return ids[1:], ids[:-1]", "changed places"),
    Mutant("inputs_and_targets", "return ids[:-1], ids[1:]", "return ids[:-2], ids[2:]", "shape"),
    Mutant("inputs_and_targets", "return ids[:-1], ids[1:]", "return ids[:-1]", "expected 2"),
    Mutant("count_pairs", "np.add.at(counts, (inputs, targets), 1)", "counts[inputs, targets] += 1", "counted once"),
    Mutant("count_pairs", "(inputs, targets), 1", "(targets, inputs), 1", "transposed"),
    Mutant(
        "count_pairs",
        "inputs, targets = inputs_and_targets(ids)\n    np.add",
        "inputs, targets = ids, np.roll(ids, -1)\n    np.add",
        "last byte and the first",
    ),
    Mutant("count_pairs", "np.zeros((V, V), np.int64)", "np.zeros((128, 128))", "IndexError"),
    Mutant("count_pairs", "np.zeros((V, V), np.int64)", "np.zeros((V, V), np.uint8)", "dtype uint8"),
    Mutant("count_pairs", "np.zeros((V, V), np.int64)", "np.zeros((V, V), np.float16)", "dtype float16"),
    Mutant(
        "bigram_table",
        "added / added.sum(axis=1, keepdims=True)",
        "added / counts.sum(axis=1, keepdims=True).clip(min=smoothing)",
        "left out of the row's total",
    ),
    Mutant("bigram_table", "axis=1, keepdims=True", "axis=0, keepdims=True", "columns add up to 1"),
    Mutant("bigram_table", "added.sum(axis=1, keepdims=True)", "added.sum()", "the whole table adds up to 1"),
    Mutant("bigram_table", "axis=1, keepdims=True", "axis=1", "keepdims=True"),
    Mutant("bigram_table", "added.sum(axis=1, keepdims=True)", "added.max(axis=1, keepdims=True)", "adds up to"),
    Mutant("bigram_table", "added = counts + smoothing", "added = counts", "NaN in the row"),
    Mutant("bigram_table", "added = counts + smoothing", "added = counts + 1", "1 is added"),
    Mutant(
        "bigram_table",
        "added = counts + smoothing",
        "added = counts; added += smoothing",
        "changes its argument `counts`",
    ),
    Mutant("nats_per_byte", "-np.log(", "np.log(", "sign"),
    Mutant("nats_per_byte", "-np.log(", "-np.log2(", "bits"),
    Mutant("nats_per_byte", ".mean()", ".sum()", "mean"),
    Mutant(
        "nats_per_byte",
        "-np.log(table[inputs, targets]).mean()",
        "-np.log(table[inputs, targets].mean())",
        "mean of the logarithms",
    ),
    Mutant(
        "nats_per_byte",
        "-np.log(table[inputs, targets]).mean()",
        "np.exp(-np.log(table[inputs, targets]).mean())",
        "perplexity",
    ),
    Mutant("nats_per_byte", "table[inputs, targets]", "table[targets, inputs]", "next byte as its row"),
    Mutant("nats_per_byte", "table[inputs, targets]", "table[inputs]", "the engine gives"),
)

SITTING_2 = (
    Mutant("linear_backward", "rows.T @ drows", "drows.T @ rows", "shape (7, 6), expected shape (6, 7): transposed"),
    Mutant(
        "linear_backward",
        "dweight = rows.T @ drows",
        "dweight = x.swapaxes(-1, -2) @ dy",
        "not all leading axes are summed",
    ),
    Mutant("linear_backward", "dbias = drows.sum(axis=0)", "dbias = drows.mean(axis=0)", "1/N"),
    Mutant("linear_backward", "dbias = drows.sum(axis=0)", "dbias = dy", "shape (3, 5, 7), expected shape (7,)"),
    Mutant("linear_backward", "dweight = rows.T @ drows", "dweight = rows.T @ drows / len(x)", "1/B"),
    Mutant("linear_backward", "dx = dy @ weight.T", "dx = dy @ weight", "line 14: ValueError"),
    Mutant("linear_backward", "dx = dy @ weight.T", "dx = -dy @ weight.T", "sign"),
    Mutant("linear_backward", "dx = dy @ weight.T", "dx = 2 * dy @ weight.T", "times 2"),
    Mutant("linear_backward", "return dx, dweight, dbias", "return dx, dweight", "2 values, expected 3"),
    Mutant("linear_backward", "return dx, dweight, dbias", "return dx, dbias, dweight", "dweight has shape (7,)"),
    Mutant("linear_backward", "dx = dy @ weight.T", "dx = (dy @ weight.T).astype(np.float32)", "float32 from float64"),
    Mutant("linear_backward", "dx = dy @ weight.T", "dx = dy @ weight.T; dy *= 2", "changes its argument `dy`"),
    Mutant(
        "linear_backward",
        "return dx, dweight, dbias",
        "linear.total = getattr(linear, 'total', 0) + dweight; return dx, linear.total, dbias",
        "called again",
    ),
    Mutant("linear_backward", "dx = dy @ weight.T", "dx = dy @ weight.T / 0", "infinite"),
    Mutant(
        "linear_backward",
        "dbias = drows.sum(axis=0)",
        "dbias = dy.sum(axis=(0, 1))",
        "not for rows on one leading axis",
    ),
    Mutant("gelu", "return 0.5 * x", "return x", "times 2"),
    Mutant("gelu", "x + CUBIC * x**3", "x", "cubic term is missing"),
    Mutant("gelu", "SCALE * (x + CUBIC * x**3)", "SCALE * x + CUBIC * x**3", "√(2/π) multiplies"),
    Mutant("gelu", "0.5 * x * (1 + t)", "np.maximum(x, 0)", "ReLU"),
    Mutant("gelu", "0.5 * x * (1 + t), (x, t)", "0.5 * x * (1 + t)", "returns 1 value, expected 2"),
    Mutant("gelu", "SCALE * (x", "(x", "√(2/π) is missing"),
    Mutant("gelu_backward", " + 0.5 * x * (1 - t**2) * inner", "", "through the tanh is missing"),
    Mutant("gelu_backward", "0.5 * (1 + t) + ", "", "differentiates the factor x"),
    Mutant("gelu_backward", "return dy * ", "return ", "dy is missing"),
    Mutant("gelu_backward", " * inner", "", "derivative of its argument"),
    Mutant("gelu_backward", "1 + 3 * CUBIC", "1 + CUBIC", "factor 3"),
    Mutant("gelu_backward", "(1 - t**2)", "(1 - t)", "1 − tanh²"),
    Mutant("gelu_backward", "(1 - t**2)", "(1 - t**3)", "differs from central differences"),
    Mutant("gelu_backward", "inner = SCALE *", "inner = 0.79788456 *", "a rounded √(2/π)"),
    Mutant(
        "gelu_backward",
        "x, t = cache",
        "x, t = cache; return dy * (gelu(x + 1e-5)[0] - gelu(x - 1e-5)[0]) / 2e-5",
        "calls gelu 2 times",
    ),
    Mutant(
        "gelu_backward",
        "x, t = cache",
        "x, t = cache; f = lambda x: 0.5 * x * (1 + np.tanh(SCALE * (x + CUBIC * x**3))); return dy * (f(x + 6e-6) - f(x - 6e-6)) / 1.2e-5",
        "as a finite difference is",
    ),
    Mutant("cross_entropy", ".mean()", ".sum()", "times N"),
    Mutant("cross_entropy", "loss = -np", "loss = np", "sign"),
    Mutant("cross_entropy", "logits - logits.max(axis=-1, keepdims=True)", "logits", "overflows"),
    Mutant("cross_entropy", "logits.max(axis=-1, keepdims=True)", "logits.max()", "each row's largest score"),
    Mutant("cross_entropy", "log_p = shifted - np.log(sums)", "log_p = np.log(exponentials / sums)", "ln 0"),
    Mutant(
        "cross_entropy",
        "sums = exponentials.sum(axis=-1, keepdims=True)",
        "sums = exponentials.sum(axis=-1)",
        "keepdims=True",
    ),
    Mutant(
        "cross_entropy",
        "loss = -np.take_along_axis(log_p, targets[..., None], axis=-1).mean()",
        "loss = -(0.9 * np.take_along_axis(log_p, targets[..., None], axis=-1).mean() + 0.1 * log_p.mean())",
        "label smoothing",
    ),
    Mutant("cross_entropy", "-np.take_along_axis(log_p,", "-np.take_along_axis(np.exp(log_p),", "logarithm is missing"),
    Mutant("cross_entropy", "log_p = shifted - np.log(sums)", "log_p = logits", "sum of exponentials is missing"),
    Mutant("cross_entropy", "np.log(sums)\n", "np.log(sums) * 1.01\n", "the engine gives"),
    Mutant("cross_entropy_backward", "(p - onehot) / targets.size", "p - onehot", "times N"),
    Mutant("cross_entropy_backward", "(p - onehot)", "(onehot - p)", "sign"),
    Mutant("cross_entropy_backward", "(p - onehot)", "p", "target's 1 is not subtracted"),
    Mutant("cross_entropy_backward", "(p - onehot) / targets.size", "(p - onehot) / len(targets)", "times T"),
    Mutant("cross_entropy_backward", "(p - onehot) / targets.size", "p / targets.size - onehot", "both are divided"),
    Mutant(
        "cross_entropy_backward",
        "onehot = np.eye(p.shape[-1])[targets]",
        "onehot = np.eye(p.shape[-1])[targets] / targets.size",
        "a row of targets adds up to",
    ),
    Mutant(
        "cross_entropy_backward",
        "onehot = np.eye(p.shape[-1])[targets]",
        "onehot = 0.9 * np.eye(p.shape[-1])[targets] + 0.1 / p.shape[-1]",
        "label smoothing",
    ),
    Mutant(
        "cross_entropy_backward",
        "return (p - onehot) / targets.size",
        "p -= onehot; return p / targets.size",
        "changes its argument `cache`",
    ),
    Mutant("cross_entropy_backward", "(p - onehot)", "(-onehot / p)", "the softmax has to be differentiated"),
)

SITTING_3 = (
    Mutant("layer_norm", "centred = x - x.mean(axis=-1, keepdims=True)", "centred = x", "differs from the engine"),
    Mutant("layer_norm", "x_hat = centred * r", "x_hat = x * r", "mean is not subtracted"),
    Mutant("layer_norm", "1 / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)", "1 / (np.sqrt((centred**2).mean(axis=-1, keepdims=True)) + eps)", "under the root"),
    Mutant("layer_norm", "keepdims=True) + eps)", "keepdims=True))", "ε is missing"),
    Mutant("layer_norm", "(centred**2).mean(axis=-1, keepdims=True)", "x.var(axis=-1, ddof=1, keepdims=True)", "D − 1"),
    Mutant("layer_norm", "1 / np.sqrt(", "1 / (", "not by its root"),
    Mutant("layer_norm", "return gain * x_hat + bias,", "return x_hat,", "gain and bias are missing"),
    Mutant("layer_norm", "centred = x - x.mean(axis=-1, keepdims=True)", "centred = x - x.mean(axis=-1)", "keepdims=True"),
    Mutant("layer_norm_backward", "u - mean - ", "u - ", "through the mean is missing"),
    Mutant("layer_norm_backward", " - x_hat * along", "", "1/√(variance + ε) is missing"),
    Mutant("layer_norm_backward", "(u - mean - x_hat * along)", "u", "taken as constants"),
    Mutant("layer_norm_backward", "u = dy * gain", "u = dy", "gain is missing"),
    Mutant("layer_norm_backward", "dx = r * ", "dx = ", "factor 1/√(variance + ε) is missing"),
    Mutant("layer_norm_backward", "mean = u.mean(", "mean = u.sum(", "sum over the row where a mean is due, in the mean's path"),
    Mutant("layer_norm_backward", "along = (u * x_hat).mean(", "along = (u * x_hat).sum(", "in the deviation's path"),
    Mutant("layer_norm_backward", "mean = u.mean(", "mean = 0.5 * u.mean(", "adds up to"),
    Mutant("layer_norm_backward", "along = (u * x_hat)", "along = 0.5 * (u * x_hat)", "part along x̂"),
    Mutant("layer_norm_backward", "(dy * x_hat).sum(axis=rows)", "(dy * x_hat).mean(axis=rows)", "1/N"),
    Mutant("layer_norm_backward", "(dy * x_hat).sum(axis=rows)", "dy.sum(axis=rows)", "gradient of the bias"),
    Mutant("layer_norm_backward", "(dy * x_hat).sum(axis=rows)", "dy * x_hat", "expected shape (10,)"),
    Mutant("layer_norm_backward", "dy.sum(axis=rows)\n", "u.sum(axis=rows)\n", "added after the gain"),
    Mutant("layer_norm_backward", "tuple(range(dy.ndim - 1))", "(0, 1)", "not for rows on one leading axis"),
    Mutant("attention", " / np.sqrt(width)\n", "\n", "not divided by √C"),
    Mutant("attention", " / np.sqrt(width)\n", " / width\n", "divided by C"),
    Mutant("attention", "np.where(np.tri(positions, dtype=bool), scores, -np.inf)", "scores", "sees the future"),
    Mutant("attention", "np.tri(positions, dtype=bool)", "np.tri(positions, k=1, dtype=bool)", "position 0 changes with the key and value at 1"),
    Mutant("attention", "np.tri(positions, dtype=bool)", "np.tri(positions, k=-1, dtype=bool)", "sees no position at all"),
    Mutant("attention", "np.tri(positions, dtype=bool)", "np.tri(positions, dtype=bool).T", "sees the future"),
    Mutant("attention", "scores, -np.inf)", "scores, 0.0)", "e^0 is 1"),
    Mutant("attention", "np.exp(scores - scores.max(axis=-1, keepdims=True))", "np.exp(scores)", "e^1000 overflows"),
    Mutant("attention", "np.exp(scores - scores.max(axis=-1, keepdims=True))", "np.exp(scores - scores.max())", "largest score that each row sees"),
    Mutant("attention", "exponentials.sum(axis=-1, keepdims=True)", "exponentials.sum(axis=-1)", "keepdims=True"),
    Mutant("attention", "exponentials.sum(axis=-1, keepdims=True)", "exponentials.sum(axis=-2, keepdims=True)", "the softmax runs over the keys"),
    Mutant("attention", "return a @ v,", "return np.tril(np.ones_like(a)) @ v,", "add up to 2 and have to add up to 1"),
    Mutant("attention", "return a @ v,", "return a**2 / (a**2).sum(-1, keepdims=True) @ v,", "the engine"),
    Mutant("attention_backward", "ds = a * (da - (a * da).sum(axis=-1, keepdims=True))", "ds = da", "softmax's backward is missing"),
    Mutant("attention_backward", "(da - (a * da).sum(axis=-1, keepdims=True))", "da", "lacks the sum over the row"),
    Mutant("attention_backward", "(a * da).sum(axis=-1", "da.sum(axis=-1", "not weighted by A"),
    Mutant("attention_backward", "(a * da).sum(axis=-1", "(a * da).sum(axis=-2", "runs over the queries"),
    Mutant("attention_backward", "(a * da).sum(axis=-1", "(a * da).mean(axis=-1", "mean over the row where a sum is due"),
    Mutant("attention_backward", "    ds = ds / np.sqrt(q.shape[-1])\n", "", "√C"),
    Mutant("attention_backward", "ds / np.sqrt(q.shape[-1])", "ds / q.shape[-1]", "1/√C"),
    Mutant("attention_backward", "dv = a.swapaxes(-1, -2) @ dy", "dv = a @ dy", "A is not transposed"),
    Mutant("attention_backward", "dk = ds.swapaxes(-1, -2) @ q", "dk = ds @ q", "dS is not transposed"),
    Mutant("attention_backward", "dq = ds @ k", "dq = ds @ v", "differs from central differences"),
    Mutant("attention_backward", "dv = a.swapaxes(-1, -2) @ dy", "dv = a.T @ dy", "ValueError"),
    Mutant("attention_backward", "swapaxes(-1, -2)", "transpose(0, 2, 1)", "line 32: ValueError"),
    Mutant("attention_backward", "return dq, dk, dv", "return dk, dq, dv", "this is dk"),
    Mutant("split_heads", "x.reshape(b, t, n_heads, d // n_heads).transpose(0, 2, 1, 3)", "x.reshape(b, n_heads, t, d // n_heads)", "reshape alone mixes"),
    Mutant("split_heads", ".transpose(0, 2, 1, 3)", "", "expected shape (3, 2, 7, 5)"),
    Mutant("split_heads", "reshape(b, t, n_heads, d // n_heads).transpose(0, 2, 1, 3)", "reshape(b, t, d // n_heads, n_heads).transpose(0, 3, 1, 2)", "to the heads in turn"),
)  # fmt: skip

SITTING_4 = (
    Mutant("block_backward", "dmiddle = dy + d\n", "dmiddle = d\n", "past the network as well as through it"),
    Mutant("block_backward", "return dmiddle + d, g", "return d, g", "past attention as well as through it"),
    Mutant("block_backward", "return dmiddle + d, g", "return dy + d, g", "dy goes past attention"),
    Mutant("block_backward", "return dmiddle + d, g", "return g", "expected 2: dx, gradients"),
    Mutant(
        "block_backward", "linear_backward(dmiddle, from_heads)", "linear_backward(dy, from_heads)", "branch gets dy"
    ),
    Mutant("block_backward", "    d = gelu_backward(d, bend)\n", "", "mlp.c_fc"),
    Mutant("block_backward", 'd, g["ln_2.weight"], g["ln_2.bias"] =', "d, _, _ =", "no 'ln_2.weight'"),
    Mutant("block_backward", 'g["ln_2.weight"], g["ln_2.bias"]', 'g["ln_2.bias"], g["ln_2.weight"]', "ln_2.bias"),
    Mutant(
        "block_backward",
        "return dmiddle + d, g",
        "return dmiddle + d, {'h.0.' + name: value for name, value in g.items()}",
        "gradients has no 'ln_1.weight'",
    ),
    Mutant("backward", '    np.add.at(g["wte.weight"], tokens, dx)\n', "", "part of the embedding is missing"),
    Mutant(
        "backward", '    g["wte.weight"] += rows.T @ x.reshape(-1, x.shape[-1])\n', "", "part of the head is missing"
    ),
    Mutant("backward", 'np.add.at(g["wte.weight"], tokens, dx)', 'g["wte.weight"][tokens] += dx', "counts once"),
    Mutant(
        "backward",
        '    g["wpe.weight"][: tokens.shape[1]] += dx.sum(axis=0)',
        '    g["wpe.weight"] = dx.sum(axis=0)',
        "a row that was not read has 0",
    ),
    Mutant("backward", "dx.sum(axis=0)", "dx.mean(axis=0)", "1/B"),
    Mutant("backward", "reversed(range(len(caches)))", "range(len(caches))", "h.1."),
    Mutant(
        "clip",
        "np.sqrt(sum((g**2).sum() for g in gradients.values()))",
        "sum((g**2).sum() for g in gradients.values())",
        "its root is missing",
    ),
    Mutant("clip", "g * factor for", "g * min(1, max_norm / np.linalg.norm(g)) for", "each array is clipped alone"),
    Mutant("clip", "g * factor for", "g.clip(-max_norm, max_norm) for", "each number is clipped alone"),
    Mutant("clip", "min(1.0, max_norm / (norm + 1e-6))", "max_norm / norm", "made longer"),
    Mutant("clip", "g * factor for", "g for", "nothing is clipped"),
    Mutant("learning_rate", "(step + 1) / (warmup_steps + 1)", "step / warmup_steps", "first update"),
    Mutant("learning_rate", "(step + 1) / (warmup_steps + 1)", "(step + 1) / warmup_steps", "warmup_steps + 1"),
    Mutant("learning_rate", "(floor + (1 - floor) * 0.5", "(0.5", "end at floor"),
    Mutant("learning_rate", "0.5 * (1 + np.cos(np.pi * progress))", "(1 - progress)", "straight line"),
    Mutant("learning_rate", "(step - warmup_steps) / (n_steps - warmup_steps)", "step / n_steps", "begins at step 0"),
    Mutant(
        "learning_rate",
        "min(1.0, (step - warmup_steps) / (n_steps - warmup_steps))",
        "(step - warmup_steps) / (n_steps - warmup_steps)",
        "rises again",
    ),
    Mutant("learning_rate", "    return peak * (floor", "    peak * (floor", "returns nothing"),
    Mutant("adamw", "first = m1 / (1 - betas[0] ** step)", "first = m1", "bias correction of m1"),
    Mutant("adamw", "second = m2 / (1 - betas[1] ** step)", "second = m2", "bias correction of m2"),
    Mutant("adamw", "np.sqrt(second) + eps", "np.sqrt(second + eps)", "under the root"),
    Mutant("adamw", "np.sqrt(second) + eps", "second + eps", "root of m2"),
    Mutant("adamw", "(1 - rate * decay)", "(1 - decay)", "not multiplied by the rate"),
    Mutant("adamw", " * (1 - rate * decay)", "", "decay is missing"),
    Mutant("adamw", "- rate * first", "+ rate * first", "against the gradient"),
    Mutant(
        "adamw",
        "    m1 = betas[0]",
        "    gradient = gradient + decay * weight\n    m1 = betas[0]",
        "AdamW applies it to the weight alone",
    ),
    Mutant("adamw", "gradient**2", "gradient", "not squared"),
    Mutant("adamw", "betas[0] * m1 + (1 - betas[0]) * gradient", "betas[0] * m1 + gradient", "grows without it"),
    Mutant(
        "adamw",
        "m1 = betas[0] * m1 + (1 - betas[0]) * gradient",
        "m1 *= betas[0]; m1 += (1 - betas[0]) * gradient",
        "changes its argument `m1`",
    ),
    Mutant("train", "clip(backward(cache), 1.0)", "(backward(cache), 1.0)", "not clipped"),
    Mutant("train", "m1[name], m2[name], step, rate", "m1[name], m2[name], 1, rate", "stays at 1"),
    Mutant("train", "w[name], m1[name], m2[name] = adamw(", "w[name], _, _ = adamw(", "start again at every update"),
    Mutant("train", "0.1 if w[name].ndim == 2 else 0.0", "0.1", "gains and biases"),
    Mutant("train", "0.1 if w[name].ndim == 2 else 0.0", "0.0", "nothing has weight decay"),
    Mutant(
        "train",
        "w[name], m1[name], m2[name] = adamw(",
        "_, m1[name], m2[name] = adamw(",
        "the new weights are not used",
    ),
    Mutant("train", "step, rate, (0.9", "step, rates[0], (0.9", "first rate"),
    Mutant(
        "train",
        "        losses.append(loss)",
        "        losses.append(forward(w, tokens, targets, n_layers, n_heads)[0])",
        "after its update",
    ),
    Mutant("train", "    w = dict(w)\n", "", "changes its argument `w`"),
    Mutant("train", "return w, losses", "return w, losses[-1]", "a list with one for each"),
)

SITTING_5 = (
    Mutant("score", "-log_p.mean()", "-log_p.sum()", "times n"),
    Mutant("score", "-log_p.mean()", "log_p.mean()", "sign"),
    Mutant("score", "nats / np.log(2)", "nats * np.log(2)", "divide by ln 2"),
    Mutant("score", "np.exp(nats)", "2**nats", "e to the nats"),
    Mutant("next_probabilities", "logits[kept].max()) / temperature", "logits[kept].max()) * temperature", "has to divide them"),
    Mutant("next_probabilities", "logits[kept] - logits[kept].max()", "logits[kept]", "NaN"),
    Mutant("next_probabilities", "order[:top_k] if top_k else order", "order", "top_k is not used"),
    Mutant("next_probabilities", "order[:top_k] if top_k else order", "order[:top_k]", "ValueError"),
    Mutant("next_probabilities", "np.argsort(-logits, kind=\"stable\")", "np.argsort(logits)[::-1]", "of equal scores"),
    Mutant("next_probabilities", "    if temperature == 0:\n        p[order[0]] = 1\n        return p\n", "", "NaN"),
    Mutant("generate", "ids[-context:]", "ids", "its context is 4: keep the last ones"),
    Mutant("generate", "ids[-context:]", "ids[:context]", "last 4 ids of the prompt"),
    Mutant("generate", "ids[-context:]", "prompt[-context:]", "its own new id is not at the end"),
    Mutant("generate", "np.array([ids[-context:]])", "np.array(ids[-context:])", "takes (1, T)"),
    Mutant("generate", "[0, -1]", "[0, 0]", "ids at temperature 0"),
    Mutant("generate", "return ids", "return ids[len(prompt):]", "new ids alone"),
    Mutant("generate", "ids = list(prompt)", "ids = prompt", "changes its argument `prompt`"),
    Mutant("cut_batch", "ids[windows + 1]", "np.roll(ids[windows], -1, axis=1)", "its last target is its first byte"),
    Mutant("cut_batch", "ids[windows + 1]", "ids[windows - 1]", "wrong way"),
    Mutant("mixing_weights", "np.tri(t, dtype=bool)", "np.tri(t, k=-1, dtype=bool)", "sees nothing"),
    Mutant("mixing_weights", "np.tri(t, dtype=bool)", "np.tri(t, dtype=bool) | np.tri(t, k=1, dtype=bool)", "planted bug is still in it"),
    Mutant("residual_backward", "dy + branch_backward(dy)", "dy + 0 * branch_backward(dy)", "through the branch is missing"),
)  # fmt: skip

MUTANTS = {1: SITTING_1, 2: SITTING_2, 3: SITTING_3, 4: SITTING_4, 5: SITTING_5}

# A right function beside a wrong one: the wrong one is accused.
FAULTS = (
    Fault(1, "inputs_and_targets", "return ids[:-1], ids[1:]", "return ids[1:], ids[:-1]", "count_pairs", "inputs_and_targets"),
    Fault(1, "inputs_and_targets", "return ids[:-1], ids[1:]", "return ids[:-1], ids[:-1]", "nats_per_byte", "inputs_and_targets"),
    Fault(2, "gelu", "return 0.5 * x", "return x", "gelu_backward", "gelu"),
    Fault(2, "gelu", "return 0.5 * x * (1 + t)", "raise NotImplementedError; return x", "gelu_backward", "gelu"),
    Fault(2, "cross_entropy", ".mean()", ".sum()", "cross_entropy_backward", "cross_entropy"),
    Fault(3, "layer_norm", "keepdims=True) + eps)", "keepdims=True))", "layer_norm_backward", "layer_norm"),
    Fault(3, "attention", " / np.sqrt(width)\n", "\n", "attention_backward", "attention"),
    Fault(2, "gelu", "return 0.5 * x", "return x", "block_backward", "gelu of sitting_2.py"),
    Fault(2, "gelu_backward", "(1 - t**2)", "(1 - t)", "block_backward", "gelu_backward of sitting_2.py"),
    Fault(3, "attention_backward", "ds = a * (da", "ds = (da", "block_backward", "attention_backward of sitting_3.py"),
    Fault(2, "cross_entropy_backward", "(p - onehot)", "p", "backward", "cross_entropy_backward of sitting_2.py"),
    Fault(3, "layer_norm_backward", "u - mean - ", "u - ", "backward", "layer_norm_backward of sitting_3.py"),
    Fault(4, "block_backward", "return dmiddle + d, g", "return d, g", "backward", "block_backward"),
    Fault(4, "backward", "dx.sum(axis=0)", "dx.mean(axis=0)", "train", "backward"),
    Fault(4, "adamw", "second = m2 / (1 - betas[1] ** step)", "second = m2", "train", "adamw"),
    Fault(5, "next_probabilities", "- logits[kept].max()) / temp", "- logits[kept].max()) * temp", "generate", "next_probabilities"),
)  # fmt: skip
