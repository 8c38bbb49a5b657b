"""The check of a training: its first losses to the digit, and the last ones beside engine ``numpy``."""

from __future__ import annotations

import numpy as np

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.corpora import load_corpus
from tinygpt.data import BatchSampler
from tinygpt.engines import create_engine
from tinygpt.learn.checks.sitting_4 import gradients_of
from tinygpt.learn.hints import Wrong, accuse, compare, is_close
from tinygpt.learn.student import Student
from tinygpt.optim import clip_factor, global_norm
from tinygpt.params import Arrays, initial_parameters, is_decayed
from tinygpt.schedule import learning_rate_at

_TRAINED = ModelConfig(n_layers=1, d_model=32, n_heads=4, context_length=32, vocab_size=256)
_STEPS, _COMPARED = 150, 8


def train(student: Student) -> None:
    """The first losses to the digit, and the last ones beside the engine's."""
    settings = TrainConfig(batch_size=8, learning_rate=3e-3, warmup_steps=10, decay_steps=_STEPS, decay_to=0.1)
    sampler = BatchSampler(load_corpus("stories").train_tokens, settings.batch_size, _TRAINED.context_length, seed=0)
    batches = [(batch.inputs, batch.targets) for batch in map(sampler.batch, range(_STEPS))]
    rates = [learning_rate_at(settings, step) for step in range(_STEPS)]
    w = {name: array.astype(np.float64) for name, array in initial_parameters(_TRAINED, 0).items()}
    few = (batches[:_COMPARED], rates[:_COMPARED])
    _, first = student.call("train", w, *few, 1, _TRAINED.n_heads, returns="weights, losses")
    if not isinstance(first, list) or len(first) != _COMPARED:
        raise Wrong(
            f"losses has {np.size(first)} entries, expected a list with one for each of the {_COMPARED} batches"
        )
    first, right = np.array(first, float), _losses(w, *few, "")
    if not is_close(first, right):
        for mistake, hint in _TRAINING_MISTAKES.items():  # one after the other: each takes a while
            accuse("losses", first, {hint: _losses(w, *few, mistake)})
    compare("losses", first, right, against="the engine")
    weights, losses = student.call("train", w, batches, rates, 1, _TRAINED.n_heads, returns="weights, losses")
    engine = create_engine("numpy", _TRAINED, settings, seed=0)
    reached = [engine.train_step(*batch, rate).loss for batch, rate in zip(batches, rates, strict=True)]
    mine, theirs = np.mean(losses[-20:]), np.mean(reached[-20:])
    if not abs(mine - theirs) <= 0.02 * theirs:
        raise Wrong(
            f"the mean of the last losses is {mine:.3f}, and the engine reaches {theirs:.3f} on the same batches"
        )
    if not isinstance(weights, dict) or weights.keys() != w.keys():
        raise Wrong("the weights that are returned have other names than those that were given")
    if all(np.array_equal(weights[name], w[name]) for name in w):
        raise Wrong("the weights that are returned are the first ones: return the trained ones")


_TRAINING_MISTAKES = {
    "frozen": "no update changes the loss: the new weights are not used",
    "no clipping": "the gradients are not clipped to norm 1",
    "means": "the running means m1 and m2 start again at every update",
    "step": "the step that AdamW gets stays at 1",
    "decay": "gains and biases have weight decay too",
    "no decay": "nothing has weight decay",
    "rate": "every update has the first rate",
    "after": "each loss is the one after its update; return the one before",
}


def _losses(w: Arrays, batches: list[tuple[np.ndarray, np.ndarray]], rates: list[float], mistake: str) -> np.ndarray:
    """Return the losses of a training run, with a mistake or without."""
    w, losses = dict(w), []
    m1 = {name: np.zeros_like(array) for name, array in w.items()}
    m2 = {name: np.zeros_like(array) for name, array in w.items()}
    for step, ((tokens, targets), rate) in enumerate(zip(batches, rates, strict=True), 1):
        loss, gradients, _ = gradients_of(w, tokens, targets, _TRAINED)
        factor = 1.0 if mistake == "no clipping" else clip_factor(global_norm(gradients.values()), 1.0)
        counted = 1 if mistake == "step" else step
        for name, gradient in gradients.items():
            clipped = gradient * factor
            keep = (0.0, 0.0) if mistake == "means" else (0.9, 0.95)
            m1[name] = keep[0] * m1[name] + (1 - 0.9) * clipped
            m2[name] = keep[1] * m2[name] + (1 - 0.95) * clipped**2
            move = (m1[name] / (1 - 0.9**counted)) / (np.sqrt(m2[name] / (1 - 0.95**counted)) + 1e-8)
            decay = {"decay": 0.1, "no decay": 0.0}.get(mistake, 0.1 if is_decayed(w[name].shape) else 0.0)
            if mistake != "frozen":
                w[name] = w[name] - (rates[0] if mistake == "rate" else rate) * (move + decay * w[name])
        losses.append(gradients_of(w, tokens, targets, _TRAINED)[0] if mistake == "after" else loss)
    return np.array(losses)
