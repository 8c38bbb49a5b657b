"""Text from a model on an accelerator: a whole batch, hundreds of tokens, as one program.

A loop over windows contains a loop over tokens. The cache has the context's full length, so that shapes never change;
empty positions are masked. Windows follow ``tinygpt/generation/decoding.py``: when one is full, its last half is read
again. So do choices: row i uses the random numbers of ``generate`` with the seed ``seed + i``, drawn in advance, and
the same ranking. If two scores agree to their last digits, the choice may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from tinygpt.config import ModelConfig
from tinygpt.engines.jax.engine import find_devices
from tinygpt.engines.jax.layout import BLOCKS, Tree, to_tree
from tinygpt.engines.jax.model import attend, feed_forward, layer_norm, linear
from tinygpt.engines.jax.settings import PRECISIONS
from tinygpt.errors import ConfigError
from tinygpt.generation.decoding import prompt_tokens
from tinygpt.generation.growing import window_overlap
from tinygpt.generation.inference import LanguageModel
from tinygpt.generation.inference.model import model_tokenizer
from tinygpt.generation.sampling import COLDEST, SamplingSettings
from tinygpt.generation.text_end import until_end
from tinygpt.params import Arrays

Cache = tuple[Array, Array]  # keys and values, each (L, B, H, T, C)


class JaxGenerator:
    """A model's weights on a device (``accelerator`` or ``cpu``); the first call with new lengths compiles.

    Raises:
        ConfigError: there is no accelerator.
    """

    def __init__(self, model: ModelConfig, weights: Arrays, device: str = "accelerator") -> None:
        self.model = model
        self._device = find_devices(device)[0]
        self._weights: Tree = jax.device_put(to_tree(weights, model, scanned=True), self._device)
        self._program = jax.jit(partial(continuation, model=model), static_argnames="settings")

    def run(self, prompts: np.ndarray, settings: SamplingSettings) -> np.ndarray:
        """Continue prompts of one length: token ids (B, n) → (B, max_new_tokens), beyond the texts' ends too.

        Raises:
            ConfigError: the prompts are empty or longer than the context.
        """
        if not 1 <= prompts.shape[1] <= self.model.context_length:
            raise ConfigError(f"prompts of {prompts.shape[1]} tokens", f"1 to {self.model.context_length}")
        uniforms = np.stack(
            [np.random.default_rng(settings.seed + row).random(settings.max_new_tokens) for row in range(len(prompts))]
        )
        tokens = self._program(
            self._weights,
            jax.device_put(prompts.astype(np.int32), self._device),
            jax.device_put(uniforms.T.astype(np.float32), self._device),
            # What the program does not read must not compile a new one: the numbers are drawn, the ends found later.
            settings=replace(settings, seed=0, stop_strings=(), eos_token_id=None),
        )
        return np.asarray(tokens)


def generate_texts(
    model: LanguageModel, prompts: Sequence[str | bytes], settings: SamplingSettings, device: str = "accelerator"
) -> list[bytes]:
    """Continue prompts of any lengths, those of equal length together. Row i has the seed ``settings.seed + i``.

    Raises:
        ConfigError: there is no accelerator.
    """
    tokenizer = model_tokenizer(model)
    tokens = [prompt_tokens(prompt, model.config.context_length, tokenizer) for prompt in prompts]
    generator = JaxGenerator(model.config, model.state_dict(), device)
    texts = [b""] * len(tokens)
    for length in sorted({len(row) for row in tokens}):
        # Rows keep their seeds, so only consecutive rows of one length share a call.
        members = [index for index, row in enumerate(tokens) if len(row) == length]
        for first, last in _runs(members):
            own = replace(settings, seed=settings.seed + first)
            rows = generator.run(np.stack(tokens[first : last + 1]), own)
            texts[first : last + 1] = [
                tokenizer.decode_bytes(until_end(row.tolist(), settings, tokenizer)) for row in rows
            ]
    return texts


def _runs(indices: list[int]) -> list[tuple[int, int]]:
    """Find the runs of consecutive numbers: [0, 1, 4] → (0, 1), (4, 4)."""
    runs: list[tuple[int, int]] = []
    for index in indices:
        if runs and runs[-1][1] == index - 1:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    return runs


# ---- the program -------------------------------------------------------------------------------------------


def continuation(
    weights: Tree, prompts: Array, uniforms: Array, model: ModelConfig, settings: SamplingSettings
) -> Array:
    """Continue prompts (B, n) by n ids, ``max_new_tokens``, over several windows; uniforms are (n, B)."""
    context, overlap, n_tokens = model.context_length, window_overlap(model.context_length), settings.max_new_tokens
    write = partial(window, weights, model=model, settings=settings)
    rows = jnp.arange(len(prompts))[:, None]
    seen = jnp.zeros((len(prompts), model.vocab_size), bool).at[rows, prompts].set(True)
    # A full window gives the scores of one more token, which begins the next window.
    first = min(n_tokens, context - prompts.shape[1] + 1)
    seen, text = write(seen, prompts, uniforms[:first])  # (B, first)
    per_window = context - overlap + 1
    n_full, n_last = divmod(n_tokens - first, per_window)
    tail = jnp.concatenate([prompts, text], axis=1)[:, -overlap:]

    def next_window(state: tuple[Array, Array], drawn: Array) -> tuple[tuple[Array, Array], Array]:
        seen, tail = state
        seen, new = write(seen, tail, drawn)
        return (seen, jnp.concatenate([tail, new], axis=1)[:, -overlap:]), new

    if n_full:
        drawn = uniforms[first : first + n_full * per_window].reshape(n_full, per_window, -1)
        (seen, tail), windows = lax.scan(next_window, (seen, tail), drawn)  # (windows, B, per_window)
        text = jnp.concatenate([text, jnp.moveaxis(windows, 0, 1).reshape(text.shape[0], -1)], axis=1)
    # The last, shorter window is traced separately, so that no token is wasted.
    return jnp.concatenate([text, write(seen, tail, uniforms[-n_last:])[1]], axis=1) if n_last else text


def window(
    weights: Tree, seen: Array, tokens: Array, uniforms: Array, model: ModelConfig, settings: SamplingSettings
) -> tuple[Array, Array]:
    """Read tokens (B, n) from position 0 and continue them: an id per row of ``uniforms`` (m, B).

    Returns:
        the tokens that each text has, (B, V), and the ids (B, m).
    """
    b, n = tokens.shape
    shape = (model.n_layers, b, model.n_heads, model.context_length, model.head_dim)
    cache, scores = extend(weights, model, (jnp.zeros(shape), jnp.zeros(shape)), tokens, 0)
    rows = jnp.arange(b)
    first = choose_tokens(penalized(scores, seen, settings), uniforms[0], settings)

    def step(state: tuple[Cache, Array, Array], each: tuple[Array, Array]) -> tuple[tuple[Cache, Array, Array], Array]:
        cache, seen, token = state
        position, drawn = each
        cache, scores = extend(weights, model, cache, token[:, None], position)
        token = choose_tokens(penalized(scores, seen, settings), drawn, settings)
        return (cache, seen.at[rows, token].set(True), token), token

    state = cache, seen.at[rows, first].set(True), first
    (_, seen, _), rest = lax.scan(step, state, (n + jnp.arange(len(uniforms) - 1), uniforms[1:]))
    return seen, jnp.concatenate([first[None], rest]).T


def extend(weights: Tree, model: ModelConfig, cache: Cache, tokens: Array, start: Array | int) -> tuple[Cache, Array]:
    """Read tokens (B, n) from position ``start`` on; return the cache and the scores after the last one (B, V)."""
    b, n = tokens.shape
    eps, arithmetic = model.layer_norm_eps, PRECISIONS["float32"]
    visible = jnp.arange(model.context_length) <= start + jnp.arange(n)[:, None]  # (n, T)
    positions = lax.dynamic_slice_in_dim(weights["wpe.weight"], start, n)
    x = (weights["wte.weight"][tokens] + positions).reshape(b * n, -1)

    def layer(x: Array, each: tuple[dict[str, Array], Cache]) -> tuple[Array, Cache]:
        w, (keys, values) = each
        normed = layer_norm(x, w["ln_1.weight"], w["ln_1.bias"], eps)
        qkv = linear(normed, w["attn.c_attn.weight"], w["attn.c_attn.bias"], arithmetic)
        q, k, v = (jnp.swapaxes(part.reshape(b, n, model.n_heads, -1), 1, 2) for part in jnp.split(qkv, 3, axis=-1))
        keys = lax.dynamic_update_slice_in_dim(keys, k, start, axis=2)
        values = lax.dynamic_update_slice_in_dim(values, v, start, axis=2)
        mixed = jnp.swapaxes(attend(q, keys, values, visible, arithmetic), 1, 2).reshape(b * n, -1)
        x = x + linear(mixed, w["attn.c_proj.weight"], w["attn.c_proj.bias"], arithmetic)
        x = x + feed_forward(layer_norm(x, w["ln_2.weight"], w["ln_2.bias"], eps), w, arithmetic)
        return x, (keys, values)

    x, cache = lax.scan(layer, x, (weights[BLOCKS], cache))
    last = layer_norm(x.reshape(b, n, -1)[:, -1], weights["ln_f.weight"], weights["ln_f.bias"], eps)
    return cache, jnp.matmul(last, weights["wte.weight"].T, precision=arithmetic.precision)


def penalized(scores: Array, seen: Array, settings: SamplingSettings) -> Array:
    """Apply the repetition penalty to scores (B, V) of the tokens that each text has, a mask (B, V)."""
    if not settings.penalizes:
        return scores
    return jnp.where(seen, scores * jnp.where(scores < 0, *settings.penalty_factors), scores)


def choose_tokens(scores: Array, uniforms: Array, settings: SamplingSettings) -> Array:
    """Choose a token for each row of penalized scores (B, V), as ``tinygpt/generation/sampling.py`` does."""
    if settings.temperature == 0:
        return jnp.argmax(scores, axis=-1).astype(jnp.int32)
    ranked = jnp.argsort(-scores, axis=-1, stable=True)[:, : settings.top_k]  # best first
    best = jnp.take_along_axis(scores, ranked, axis=-1)
    weights = jnp.exp((best - best[:, :1]) / max(settings.temperature, COLDEST))
    if settings.top_p < 1:
        better = weights.cumsum(-1) - weights  # than each token
        weights = jnp.where((better < settings.top_p * weights.sum(-1, keepdims=True)).at[:, 0].set(True), weights, 0)
    weights = jnp.where(weights >= settings.min_p, weights, 0)
    cumulative = weights.cumsum(-1)
    place = (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(-1)
    # In float32 a product may round up to the total: then the last token with a weight is chosen.
    place = jnp.minimum(place, (weights > 0).sum(-1) - 1)
    return jnp.take_along_axis(ranked, place[:, None], axis=-1)[:, 0].astype(jnp.int32)
