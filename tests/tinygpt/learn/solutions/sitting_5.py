import numpy as np


def score(log_p):
    nats = -log_p.mean()
    return nats, nats / np.log(2), np.exp(nats)


def next_probabilities(logits, temperature, top_k):
    order = np.argsort(-logits, kind="stable")
    p = np.zeros(len(logits))
    if temperature == 0:
        p[order[0]] = 1
        return p
    kept = order[:top_k] if top_k else order
    e = np.exp((logits[kept] - logits[kept].max()) / temperature)
    p[kept] = e / e.sum()
    return p


def draw(p, rng):
    return int(np.searchsorted(p.cumsum(), rng.random() * p.sum(), side="right"))


def generate(logits_of, prompt, n, context, temperature, top_k, rng):
    ids = list(prompt)
    for _ in range(n):
        window = np.array([ids[-context:]])
        logits = logits_of(window)[0, -1]
        ids.append(draw(next_probabilities(logits, temperature, top_k), rng))
    return ids


def cut_batch(ids, starts, length):
    windows = starts[:, None] + np.arange(length)
    return ids[windows], ids[windows + 1]


def mixing_weights(q, k):
    t, c = q.shape[-2:]
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(c)
    scores = np.where(np.tri(t, dtype=bool), scores, -np.inf)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def residual_backward(dy, branch_backward):
    return dy + branch_backward(dy)
