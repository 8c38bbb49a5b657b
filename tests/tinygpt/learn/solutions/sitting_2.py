import numpy as np

SCALE = np.sqrt(2 / np.pi)
CUBIC = 0.044715


def linear(x, weight, bias):
    return x @ weight + bias, (x, weight)


def linear_backward(dy, cache):
    x, weight = cache
    rows, drows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    dx = dy @ weight.T
    dweight = rows.T @ drows
    dbias = drows.sum(axis=0)
    return dx, dweight, dbias


def gelu(x):
    t = np.tanh(SCALE * (x + CUBIC * x**3))
    return 0.5 * x * (1 + t), (x, t)


def gelu_backward(dy, cache):
    x, t = cache
    inner = SCALE * (1 + 3 * CUBIC * x**2)
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * inner)


def cross_entropy(logits, targets):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=-1, keepdims=True)
    log_p = shifted - np.log(sums)
    loss = -np.take_along_axis(log_p, targets[..., None], axis=-1).mean()
    return loss, (exponentials / sums, targets)


def cross_entropy_backward(cache):
    p, targets = cache
    onehot = np.eye(p.shape[-1])[targets]
    return (p - onehot) / targets.size
