import numpy as np
from sitting_2 import cross_entropy, cross_entropy_backward, gelu, gelu_backward, linear, linear_backward
from sitting_3 import layer_norm, layer_norm_backward, multi_head, multi_head_backward


def block(x, w, n_heads):
    y, norm_1 = layer_norm(x, w["ln_1.weight"], w["ln_1.bias"])
    y, to_qkv = linear(y, w["attn.c_attn.weight"], w["attn.c_attn.bias"])
    y, heads = multi_head(y, n_heads)
    y, from_heads = linear(y, w["attn.c_proj.weight"], w["attn.c_proj.bias"])
    x = x + y
    y, norm_2 = layer_norm(x, w["ln_2.weight"], w["ln_2.bias"])
    y, to_hidden = linear(y, w["mlp.c_fc.weight"], w["mlp.c_fc.bias"])
    y, bend = gelu(y)
    y, from_hidden = linear(y, w["mlp.c_proj.weight"], w["mlp.c_proj.bias"])
    return x + y, (norm_1, to_qkv, heads, from_heads, norm_2, to_hidden, bend, from_hidden)


def block_backward(dy, cache):
    norm_1, to_qkv, heads, from_heads, norm_2, to_hidden, bend, from_hidden = cache
    g = {}
    d, g["mlp.c_proj.weight"], g["mlp.c_proj.bias"] = linear_backward(dy, from_hidden)
    d = gelu_backward(d, bend)
    d, g["mlp.c_fc.weight"], g["mlp.c_fc.bias"] = linear_backward(d, to_hidden)
    d, g["ln_2.weight"], g["ln_2.bias"] = layer_norm_backward(d, norm_2)
    dmiddle = dy + d
    d, g["attn.c_proj.weight"], g["attn.c_proj.bias"] = linear_backward(dmiddle, from_heads)
    d = multi_head_backward(d, heads)
    d, g["attn.c_attn.weight"], g["attn.c_attn.bias"] = linear_backward(d, to_qkv)
    d, g["ln_1.weight"], g["ln_1.bias"] = layer_norm_backward(d, norm_1)
    return dmiddle + d, g


def block_weights(w, layer):
    prefix = f"h.{layer}."
    return {name.removeprefix(prefix): weight for name, weight in w.items() if name.startswith(prefix)}


def forward(w, tokens, targets, n_layers, n_heads):
    x = w["wte.weight"][tokens] + w["wpe.weight"][: tokens.shape[1]]
    caches = []
    for layer in range(n_layers):
        x, cache = block(x, block_weights(w, layer), n_heads)
        caches.append(cache)
    x, norm = layer_norm(x, w["ln_f.weight"], w["ln_f.bias"])
    logits = x @ w["wte.weight"].T
    loss, last = cross_entropy(logits, targets)
    return loss, (w, tokens, caches, norm, x, last)


def backward(cache):
    w, tokens, caches, norm, x, last = cache
    g = {name: np.zeros_like(weight) for name, weight in w.items()}
    dlogits = cross_entropy_backward(last)
    rows = dlogits.reshape(-1, dlogits.shape[-1])
    g["wte.weight"] += rows.T @ x.reshape(-1, x.shape[-1])
    dx, g["ln_f.weight"], g["ln_f.bias"] = layer_norm_backward(dlogits @ w["wte.weight"], norm)
    for layer in reversed(range(len(caches))):
        dx, inner = block_backward(dx, caches[layer])
        g |= {f"h.{layer}.{name}": gradient for name, gradient in inner.items()}
    np.add.at(g["wte.weight"], tokens, dx)
    g["wpe.weight"][: tokens.shape[1]] += dx.sum(axis=0)
    return g


def clip(gradients, max_norm):
    norm = np.sqrt(sum((g**2).sum() for g in gradients.values()))
    factor = min(1.0, max_norm / (norm + 1e-6))
    return {name: g * factor for name, g in gradients.items()}, norm


def learning_rate(step, peak, warmup_steps, n_steps, floor):
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    progress = min(1.0, (step - warmup_steps) / (n_steps - warmup_steps))
    return peak * (floor + (1 - floor) * 0.5 * (1 + np.cos(np.pi * progress)))


def adamw(weight, gradient, m1, m2, step, rate, betas, eps, decay):
    m1 = betas[0] * m1 + (1 - betas[0]) * gradient
    m2 = betas[1] * m2 + (1 - betas[1]) * gradient**2
    first = m1 / (1 - betas[0] ** step)
    second = m2 / (1 - betas[1] ** step)
    return weight * (1 - rate * decay) - rate * first / (np.sqrt(second) + eps), m1, m2


def train(w, batches, rates, n_layers, n_heads):
    w = dict(w)
    m1 = {name: np.zeros_like(weight) for name, weight in w.items()}
    m2 = {name: np.zeros_like(weight) for name, weight in w.items()}
    losses = []
    for step, ((tokens, targets), rate) in enumerate(zip(batches, rates, strict=True), 1):
        loss, cache = forward(w, tokens, targets, n_layers, n_heads)
        gradients, _ = clip(backward(cache), 1.0)
        for name, gradient in gradients.items():
            decay = 0.1 if w[name].ndim == 2 else 0.0
            w[name], m1[name], m2[name] = adamw(
                w[name], gradient, m1[name], m2[name], step, rate, (0.9, 0.95), 1e-8, decay
            )
        losses.append(loss)
    return w, losses
