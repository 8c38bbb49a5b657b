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


SITTING_1 = (
    # shape, kind and dtype
    Mutant(
        "to_ids",
        'np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64)',
        "np.array([ord(c) for c in text])",
        "one a character",
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
    Mutant(
        "bigram_table",
        "added / added.sum(axis=1, keepdims=True)",
        "added / counts.sum(axis=1, keepdims=True).clip(min=smoothing)",
        "left out of the row's total",
    ),
    Mutant("bigram_table", "axis=1, keepdims=True", "axis=0, keepdims=True", "columns add up to 1"),
    Mutant("bigram_table", "added.sum(axis=1, keepdims=True)", "added.sum()", "the whole table adds up to 1"),
    Mutant("bigram_table", "axis=1, keepdims=True", "axis=1", "adds up to"),
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
        "leading axes are not summed",
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
    Mutant("cross_entropy", ".mean()", ".sum()", "times N"),
    Mutant("cross_entropy", "loss = -np", "loss = np", "sign"),
    Mutant("cross_entropy", "logits - logits.max(axis=-1, keepdims=True)", "logits", "overflows"),
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
    Mutant("layer_norm", "centred = x - x.mean(axis=-1, keepdims=True)", "centred = x - x.mean(axis=-1)", "line 5: ValueError"),
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
    Mutant("attention", " / np.sqrt(width)\n", "\n", "not divided by √C"),
    Mutant("attention", " / np.sqrt(width)\n", " / width\n", "divided by C"),
    Mutant("attention", "np.where(np.tri(positions, dtype=bool), scores, -np.inf)", "scores", "sees the future"),
    Mutant("attention", "np.tri(positions, dtype=bool)", "np.tri(positions, k=1, dtype=bool)", "position 0 changes with the key and value at 1"),
    Mutant("attention", "np.tri(positions, dtype=bool)", "np.tri(positions, k=-1, dtype=bool)", "sees no position at all"),
    Mutant("attention", "np.tri(positions, dtype=bool)", "np.tri(positions, dtype=bool).T", "sees the future"),
    Mutant("attention", "scores, -np.inf)", "scores, 0.0)", "e^0 is 1"),
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

MUTANTS = {1: SITTING_1, 2: SITTING_2, 3: SITTING_3}
