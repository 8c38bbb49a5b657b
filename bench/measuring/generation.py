"""Generation as a benchmark: one prompt, 256 greedy tokens, a key-value cache, float32, batch 1.

A generator is a function (prompt ids, number of tokens) → ids, made once from a model's weights. Making it is set-up;
compiling in its first runs is warm-up. All generators treat a full window alike: its last half is read again in one
pass (``tinygpt.generation.decoding``). These passes and the prompt's are part of the time.

Ordinary starting weights would make every text one repeated byte, which a broken cache could write as well. So the
projections are drawn wider (:func:`generation_weights`), and :func:`largest_regret` replays a text through the
reference without a cache: each token must be the reference's best choice, or equally good within rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from bench.arms.registry import JAX_ON_CPU, PEERS
from bench.peers import Generator
from tinygpt.config import ModelConfig
from tinygpt.engines import create_engine
from tinygpt.generation.decoding import continue_tokens
from tinygpt.generation.inference import InferenceModel
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.params import Arrays, initial_parameters
from tinygpt.presets import PRESETS
from tinygpt.rounding import FLOAT32, rounded

PROMPT = b"\n"
WIDER = 10.0  # times the starting weights' standard deviation of projections
# Logits of float32 products in another order differ by about 1e-5.
REGRET_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Weights:
    """A model's shape and weights, in the form that ``InferenceModel`` reads; nothing is copied."""

    config: ModelConfig
    arrays: Arrays

    def state_dict(self) -> Arrays:
        """Return the arrays themselves."""
        return self.arrays


def make_tinygpt_generator(model: ModelConfig, weights: Arrays) -> Generator:
    """Make this project's own generator, :func:`tinygpt.generation.decoding.continue_tokens`, on NumPy."""
    return _own_generator(InferenceModel(Weights(model, weights), compiled=False))


def make_compiled_generator(model: ModelConfig, weights: Arrays, precision: str = FLOAT32) -> Generator:
    """Make the same in the compiled loop; it is compiled, or read from the disk, before the first text."""
    generator = _own_generator(InferenceModel(Weights(model, weights), compiled=True, precision=precision))
    generator(np.frombuffer(PROMPT, np.uint8), 2)
    return generator


def _own_generator(model: InferenceModel) -> Generator:
    def run(prompt: np.ndarray, n_tokens: int) -> np.ndarray:
        settings = SamplingSettings(n_tokens, temperature=0.0)
        return np.fromiter(continue_tokens(model, prompt, settings), np.int64)

    return run


def make_jax_generator(model: ModelConfig, weights: Arrays) -> Generator:
    """Make a generator of engine ``jax`` on the processor: a whole text is one compiled program, batch 1."""
    from tinygpt.generation.jax_generator import JaxGenerator  # an extra, which peers' processes must not load

    prepared = JaxGenerator(model, weights, device="cpu")

    def run(prompt: np.ndarray, n_tokens: int) -> np.ndarray:
        return prepared.run(prompt[None], SamplingSettings(n_tokens, temperature=0.0))[0]

    return run


def generation_weights(model: ModelConfig, seed: int, precision: str = FLOAT32) -> Arrays:
    """Return starting weights with wider projections in the blocks, so that texts depend on all earlier tokens.

    At another precision than float32 they are rounded, so that a generator of that precision and the reference that
    replays its texts have the same weights.
    """
    weights = initial_parameters(model, seed)
    for name, value in weights.items():
        if ".c_" in name and name.endswith(".weight"):
            value *= np.float32(WIDER)
    return rounded(weights, precision)


def largest_regret(model: ModelConfig, weights: Arrays, prompt: np.ndarray, tokens: np.ndarray) -> float:
    """Return how far a chosen token's logit is below the reference's best logit, at most.

    The reference engine reads the text window by window without a cache; position i of a window scores the token after
    it. After a full window, the next one starts with its last half.
    """
    engine = create_engine("numpy", model, PRESETS["tiny"].train, weights=weights)
    text, context = np.concatenate([prompt, tokens]).astype(np.int64), model.context_length
    start, scored, regret = 0, len(prompt), 0.0
    while scored < len(text):
        end = min(start + context, len(text) - 1)  # the last token is chosen but never read
        logits = engine.logits(text[None, start:end])[0]  # (window, V); row i scores text[start + i + 1]
        chosen = np.arange(scored, end + 1)
        rows = logits[chosen - start - 1]
        regret = max(regret, float((rows.max(axis=-1) - rows[np.arange(len(chosen)), text[chosen]]).max()))
        scored, start = end + 1, end + 1 - max(1, context // 2)
    return regret


def resolved_generator(variant: str) -> str:
    """Return a generator's name with its version, for its row."""
    if variant == JAX_ON_CPU:
        return f"{variant.removesuffix(']')},version={version('jax')}]"
    peer = PEERS.get(variant)
    return variant if peer is None else f"{variant}[{peer.package}={version(peer.package)}]"
