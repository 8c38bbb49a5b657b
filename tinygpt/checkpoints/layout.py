"""Names of the files in a checkpoint folder; ``tinygpt.checkpoints.checkpoint`` describes their contents."""

from __future__ import annotations

from collections.abc import Container, Iterable

from tinygpt.tokenizers.files import TOKENIZER

CONFIG, WEIGHTS = "config.json", "model.safetensors"
ADAPTER_CONFIG, ADAPTER = "adapter_config.json", "adapter_model.safetensors"  # in place of the weights
BASE_CONFIG = "base_config.json"  # in place of config.json, beside which transformers would look for whole weights
OPTIMIZER, STATE = "optimizer.safetensors", "training_state.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
FILES = frozenset(
    {CONFIG, WEIGHTS, ADAPTER_CONFIG, ADAPTER, BASE_CONFIG, OPTIMIZER, STATE, TOKENIZER, TOKENIZER_CONFIG}
)
INDEX = "model.safetensors.index.json"  # of weights in several files, as transformers writes them

KEPT = "checkpoints"  # the folder of earlier checkpoints
BEST = "best"

LIST_RUNS = "invoke runs, which lists the folders in runs/"


def is_adapter(names: Container[str]) -> bool:
    """Return whether a folder with these files holds an adapter, and not a whole model."""
    return ADAPTER_CONFIG in names and WEIGHTS not in names and INDEX not in names


def shape_file(names: Container[str]) -> str:
    """Return the name of the file with the model's shape in a folder with these files."""
    return BASE_CONFIG if BASE_CONFIG in names and is_adapter(names) else CONFIG


def is_resumable(names: Iterable[str]) -> bool:
    """Return whether a run can go on from a folder with these files."""
    names = {*names}
    return names >= {shape_file(names), OPTIMIZER, STATE} and bool({WEIGHTS, ADAPTER} & names)
