"""Write tests/data/torch_reference.safetensors: what PyTorch says of one small model, for tests without torch.

Run by ``python -m tests.parity.make_reference`` with the extra ``parity`` installed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.parity.oracle import Oracle
from tests.reference import N_STEPS, REFERENCE_FILE, REFERENCE_MODEL, REFERENCE_TRAIN, reference_batches
from tinygpt.params import initial_parameters


def main() -> None:
    weights = initial_parameters(REFERENCE_MODEL, seed=7)
    # Biases and gains start at 0 and 1; moved off them, a mistake in one of them shows.
    rng = np.random.default_rng(8)
    weights = {
        name: value + np.float32(0.05) * rng.standard_normal(value.shape, np.float32) for name, value in weights.items()
    }
    tensors = {f"start.{name}": value for name, value in weights.items()}
    batches = reference_batches()
    oracle = Oracle(REFERENCE_MODEL, REFERENCE_TRAIN, weights)
    tensors["logits"] = oracle.logits(batches[0].inputs)
    loss, gradients = oracle.loss_and_gradients(batches[0].inputs, batches[0].targets)
    tensors["loss"] = np.array([loss], np.float64)
    tensors |= {f"gradient.{name}": value for name, value in gradients.items()}
    steps = [oracle.train_step(batch.inputs, batch.targets) for batch in batches[:N_STEPS]]
    tensors["step_losses"] = np.array([step[0] for step in steps], np.float64)
    tensors["step_norms"] = np.array([step[1] for step in steps], np.float64)
    tensors |= {f"end.{name}": value for name, value in oracle.weights().items()}
    Path(REFERENCE_FILE).parent.mkdir(exist_ok=True)
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, REFERENCE_FILE)


if __name__ == "__main__":
    main()
