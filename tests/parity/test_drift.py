"""Fifty steps of the fast engine stay within 0.1 % of the reference engine's losses at ``medium``.

The smaller presets are checked by every run of the tests, the larger ones by every measured cell, whose losses are
compared with the reference's.
"""

from tinygpt.corpora import load_corpus
from tinygpt.data import BatchSampler
from tinygpt.engines import create_engine
from tinygpt.presets import PRESETS


def test_fifty_steps_stay_within_a_tenth_of_a_percent():
    preset = PRESETS["medium"]
    tokens = load_corpus("stories").train_tokens
    sampler = BatchSampler(tokens, preset.train.batch_size, preset.model.context_length, seed=0)
    losses = []
    for engine_name in ("numpy", "vectorized"):  # one after the other: both use every core
        engine = create_engine(engine_name, preset.model, preset.train, seed=0)
        batches = (sampler.batch(step) for step in range(50))
        losses.append([engine.train_step(batch.inputs, batch.targets).loss for batch in batches])
    drift = [abs(fast / reference - 1.0) for reference, fast in zip(*losses, strict=True)]
    assert max(drift) < 1e-3, drift
