"""Names of the files in a checkpoint folder; ``tinygpt.checkpoints.checkpoint`` describes their contents."""

from __future__ import annotations

from tinygpt.tokenizers.files import TOKENIZER

CONFIG, WEIGHTS = "config.json", "model.safetensors"
OPTIMIZER, STATE = "optimizer.safetensors", "training_state.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
RESUMABLE = frozenset({CONFIG, WEIGHTS, OPTIMIZER, STATE})  # without one of them, a run cannot go on
FILES = RESUMABLE | {TOKENIZER, TOKENIZER_CONFIG}

KEPT = "checkpoints"  # the folder of earlier checkpoints
BEST = "best"
