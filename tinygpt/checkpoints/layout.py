"""Names of the files in a checkpoint folder; ``tinygpt.checkpoints.checkpoint`` describes their contents."""

from __future__ import annotations

CONFIG, WEIGHTS = "config.json", "model.safetensors"
OPTIMIZER, STATE = "optimizer.safetensors", "training_state.json"
FILES = frozenset({CONFIG, WEIGHTS, OPTIMIZER, STATE})

KEPT = "checkpoints"  # the folder of earlier checkpoints
BEST = "best"
