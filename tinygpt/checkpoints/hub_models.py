"""A GPT-2 of the hub as a checkpoint folder: configuration and tokenizer first, then the weights, and nothing else.

The configuration is checked before gigabytes are fetched. A model whose weights are pickles alone is refused.
"""

from __future__ import annotations

from pathlib import Path

from tinygpt.checkpoints.gpt2_config import from_gpt2_config
from tinygpt.checkpoints.gpt2_weights import refuse_pickles, shard_names
from tinygpt.checkpoints.layout import CONFIG, INDEX, WEIGHTS
from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError
from tinygpt.system.hub import cached_file, fetch, listed_files
from tinygpt.system.json_records import read_json
from tinygpt.tokenizers.files import TOKENIZER_FILES, has_tokenizer

_ANOTHER = "the same command with another OWNER/NAME"


def hub_model_folder(repository: str) -> Path:
    """Return the folder of a model's files in the hub's cache; fetch what is missing.

    Raises:
        CheckpointError: the hub cannot be reached, or has no such model, or none that TinyGPT can compute or read.
        MissingDependencyError: the package ``huggingface_hub`` is not installed.
    """
    config = cached_file(repository, CONFIG)
    if config is not None and _is_whole(config.parent):
        return config.parent
    files = listed_files(repository)
    if not files & {WEIGHTS, INDEX}:
        refuse_pickles(files, repository)
        raise CheckpointError(f"{repository} holds no {WEIGHTS}", "a GPT-2 in safetensors files", _ANOTHER)
    one_file = WEIGHTS in files
    small = {CONFIG, *TOKENIZER_FILES, *(() if one_file else (INDEX,))}
    folder = fetch(repository, small)
    from_gpt2_config(read_json(folder / CONFIG), f"{repository}/{CONFIG}")
    return fetch(repository, {*small, *((WEIGHTS,) if one_file else shard_names(folder))})


def hub_model_shape(repository: str) -> ModelConfig:
    """Return a model's shape; of its files, only the configuration is fetched. Errors are as of the folder."""
    path = cached_file(repository, CONFIG) or fetch(repository, [CONFIG]) / CONFIG
    return from_gpt2_config(read_json(path), f"{repository}/{CONFIG}")


def _is_whole(folder: Path) -> bool:
    """Return whether a folder of the cache holds weights and tokenizer: another program may have fetched a part."""
    if (folder / WEIGHTS).exists():
        return has_tokenizer(folder)
    shards = shard_names(folder) if (folder / INDEX).exists() else ()
    return bool(shards) and all((folder / name).exists() for name in shards) and has_tokenizer(folder)
