"""Names of the files in a checkpoint folder; ``tinygpt.checkpoints.checkpoint`` describes their contents."""

from __future__ import annotations

from collections.abc import Iterable

from tinygpt.tokenizers.files import TOKENIZER

CONFIG, WEIGHTS = "config.json", "model.safetensors"
ADAPTER_CONFIG, ADAPTER = "adapter_config.json", "adapter_model.safetensors"  # in place of the weights
OPTIMIZER, STATE = "optimizer.safetensors", "training_state.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
FILES = frozenset({CONFIG, WEIGHTS, ADAPTER_CONFIG, ADAPTER, OPTIMIZER, STATE, TOKENIZER, TOKENIZER_CONFIG})

KEPT = "checkpoints"  # the folder of earlier checkpoints
BEST = "best"


def is_resumable(names: Iterable[str]) -> bool:
    """Return whether a run can go on from a folder with these files."""
    names = {*names}
    return names >= {CONFIG, OPTIMIZER, STATE} and bool({WEIGHTS, ADAPTER} & names)
