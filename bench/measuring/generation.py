"""Generation as a benchmark: one prompt, 256 greedy tokens, a key-value cache, float32, batch 1.

A generator is a function (prompt ids, how many) → ids, made once from a model's weights; making it, and whatever it
compiles in its first runs, is set-up and warm-up. All follow one policy for windows that are full: the last half is
read afresh in one pass (``tinygpt.generation.decoding``), and prompt and policy passes are part of the time.

Fresh starting weights would make every text one repeated byte, which a broken cache could write as well. So the
projections are drawn wider (:func:`generation_weights`), and :func:`largest_regret` replays a text through the
reference, without a cache: each chosen token must be the reference's best, or as good to within rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from bench.arms.registry import JAX_ON_CPU, PEERS
from bench.peers import Generator
from tinygpt.config import ModelConfig
from tinygpt.engines import create_engine
from tinygpt.generation.decoding import continue_prompt
from tinygpt.generation.inference import InferenceModel
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.params import Arrays, initial_parameters
from tinygpt.presets import get_preset

PROMPT = b"\n"
WIDER = 10.0  # standard deviations of the projections, over the starting weights'
# Logits of float32 products in another order differ by about 1e-5 here.
REGRET_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Weights:
    """Weights with their shape, as ``tinygpt.generation.decoding`` reads them: nothing is copied."""

    model: ModelConfig
    arrays: Arrays

    def state_dict(self) -> Arrays:
        """The arrays themselves."""
        return self.arrays


def make_tinygpt_generator(model: ModelConfig, weights: Arrays) -> Generator:
    """This project's own generation, :func:`tinygpt.generation.decoding.generate`."""
    prepared = InferenceModel(Weights(model, weights))

    def run(prompt: np.ndarray, n_tokens: int) -> np.ndarray:
        settings = SamplingSettings(n_tokens, temperature=0.0)
        return np.fromiter(continue_prompt(prepared, prompt.tobytes(), settings), np.uint8)

    return run


def make_jax_generator(model: ModelConfig, weights: Arrays) -> Generator:
    """Engine ``jax`` on the processor: a whole text is one compiled program, batch 1."""
    from tinygpt.generation.jax_generator import JaxGenerator  # an extra, and no rival's process should hold it

    prepared = JaxGenerator(model, weights, device="cpu")

    def run(prompt: np.ndarray, n_tokens: int) -> np.ndarray:
        return prepared.run(prompt[None], SamplingSettings(n_tokens, temperature=0.0))[0]

    return run


def generation_weights(model: ModelConfig, seed: int) -> Arrays:
    """Starting weights with the blocks' projections drawn ``WIDER``, so that texts depend on all that came before."""
    weights = initial_parameters(model, seed)
    for name, value in weights.items():
        if ".c_" in name and name.endswith(".weight"):
            value *= np.float32(WIDER)
    return weights


def largest_regret(model: ModelConfig, weights: Arrays, prompt: np.ndarray, tokens: np.ndarray) -> float:
    """How much worse than the reference's best a chosen token is, at most, in units of the logits.

    The text is read through the reference engine window by window, no cache: position i of a window scores the token
    after it. Windows follow the policy: full, then the last half of it and on.
    """
    engine = create_engine("numpy", model, get_preset("tiny").train, weights=weights)
    text, context = np.concatenate([prompt, tokens]).astype(np.int64), model.context_length
    start, scored, regret = 0, len(prompt), 0.0
    while scored < len(text):
        end = min(start + context, len(text) - 1)  # the last token of all is chosen, never read
        logits = engine.logits(text[None, start:end])[0]  # (window, V); row i scores text[start + i + 1]
        chosen = np.arange(scored, end + 1)
        rows = logits[chosen - start - 1]
        regret = max(regret, float((rows.max(axis=-1) - rows[np.arange(len(chosen)), text[chosen]]).max()))
        scored, start = end + 1, end + 1 - max(1, context // 2)
    return regret


def resolved_generator(variant: str) -> str:
    """A generator's name with the version that ran, for its row."""
    if variant == JAX_ON_CPU:
        return f"{variant.removesuffix(']')},version={version('jax')}]"
    peer = PEERS.get(variant)
    return variant if peer is None else f"{variant}[{peer.package}={version(peer.package)}]"
