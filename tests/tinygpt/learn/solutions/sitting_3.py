import numpy as np


def layer_norm(x, gain, bias, eps=1e-5):
    centred = x - x.mean(axis=-1, keepdims=True)
    r = 1 / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    x_hat = centred * r
    return gain * x_hat + bias, (x_hat, r, gain)


def layer_norm_backward(dy, cache):
    x_hat, r, gain = cache
    u = dy * gain
    mean = u.mean(axis=-1, keepdims=True)
    along = (u * x_hat).mean(axis=-1, keepdims=True)
    dx = r * (u - mean - x_hat * along)
    rows = tuple(range(dy.ndim - 1))
    return dx, (dy * x_hat).sum(axis=rows), dy.sum(axis=rows)


def attention(q, k, v):
    positions, width = q.shape[-2:]
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(width)
    scores = np.where(np.tri(positions, dtype=bool), scores, -np.inf)
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    a = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return a @ v, (q, k, v, a)


def attention_backward(dy, cache):
    q, k, v, a = cache
    dv = a.swapaxes(-1, -2) @ dy
    da = dy @ v.swapaxes(-1, -2)
    ds = a * (da - (a * da).sum(axis=-1, keepdims=True))
    ds = ds / np.sqrt(q.shape[-1])
    dq = ds @ k
    dk = ds.swapaxes(-1, -2) @ q
    return dq, dk, dv


def split_heads(x, n_heads):
    b, t, d = x.shape
    return x.reshape(b, t, n_heads, d // n_heads).transpose(0, 2, 1, 3)


def merge_heads(x):
    b, h, t, c = x.shape
    return x.transpose(0, 2, 1, 3).reshape(b, t, h * c)


def multi_head(qkv, n_heads):
    q, k, v = (split_heads(part, n_heads) for part in np.split(qkv, 3, axis=-1))
    y, cache = attention(q, k, v)
    return merge_heads(y), (cache, n_heads)


def multi_head_backward(dy, cache):
    inner, n_heads = cache
    parts = attention_backward(split_heads(dy, n_heads), inner)
    return np.concatenate([merge_heads(part) for part in parts], axis=-1)
