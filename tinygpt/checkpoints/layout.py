"""Names of the files in a checkpoint folder; ``tinygpt.checkpoints.checkpoint`` describes their contents."""

from __future__ import annotations

from collections.abc import Container, Iterable

from tinygpt.tokenizers.files import TOKENIZER

CONFIG, WEIGHTS = "config.json", "model.safetensors"
ADAPTER_CONFIG, ADAPTER = "adapter_config.json", "adapter_model.safetensors"  # in place of the weights
OPTIMIZER, STATE = "optimizer.safetensors", "training_state.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
FILES = frozenset({CONFIG, WEIGHTS, ADAPTER_CONFIG, ADAPTER, OPTIMIZER, STATE, TOKENIZER, TOKENIZER_CONFIG})
INDEX = "model.safetensors.index.json"  # of weights in several files, as transformers writes them

KEPT = "checkpoints"  # the folder of earlier checkpoints
BEST = "best"

MAKE_ONE = "invoke train --out DIR"


def is_adapter(names: Container[str]) -> bool:
    """Return whether a folder with these files holds an adapter, and not a whole model."""
    return ADAPTER_CONFIG in names and WEIGHTS not in names and INDEX not in names


def is_resumable(names: Iterable[str]) -> bool:
    """Return whether a run can go on from a folder with these files."""
    names = {*names}
    return names >= {CONFIG, OPTIMIZER, STATE} and bool({WEIGHTS, ADAPTER} & names)
