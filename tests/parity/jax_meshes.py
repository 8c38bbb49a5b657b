"""Prints, as JSON, what a few steps give on one device and on meshes of eight: run with eight simulated devices."""

import json
import sys

import jax
import numpy as np

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import create_engine

MODEL = ModelConfig(n_layers=2, d_model=16, n_heads=2, context_length=8)
TRAIN = TrainConfig(batch_size=8, learning_rate=1e-2)
MESHES = ("data1", "data8", "data2-fsdp4")


def main() -> None:
    tokens = np.random.default_rng(0).integers(0, 256, 2_000).astype(np.uint8)
    sampler = BatchSampler(tokens, TRAIN.batch_size, MODEL.context_length, seed=1)
    batches = [sampler.batch(step) for step in range(4)]
    inputs, targets = (np.stack([getattr(batch, name) for batch in batches]) for name in ("inputs", "targets"))
    found = {}
    carried = None
    for mesh in MESHES:
        layers = "scanned" if "fsdp" in mesh else "unrolled"
        engine = create_engine(f"jax[device=cpu,mesh={mesh},layers={layers}]", MODEL, TRAIN, seed=2)
        results = engine.train_steps(inputs, targets)
        if carried is not None:  # the state of another mesh continues here
            engine.load_state_dict(carried[0])
            engine.load_optimizer_state(carried[1])
        carried = engine.state_dict(), engine.optimizer_state()
        after = engine.train_step(inputs[0], targets[0])
        largest = max(jax.tree.leaves(engine._state.weights), key=np.size)
        found[mesh] = {
            "losses": [result.loss for result in results],
            "norms": [result.grad_norm for result in results],
            "after": after.loss,
            "devices": len(largest.sharding.device_set),
            "parts": largest.size // int(np.prod(largest.sharding.shard_shape(largest.shape))),
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
