"""Models by name: a folder, a model of the gallery, or one of the Hugging Face hub.

runs/first, ./gpt2      a folder that exists comes first
shakespeare             the gallery; stories-shakespeare is one of its adapters, on its base
gpt2, OWNER/NAME        the hub, and its cache (see tinygpt/system/hub.py); hf:OWNER/NAME is never a path
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from shlex import quote

from tinygpt.checkpoints.adapter_files import read_adapter_config, weights_sha256
from tinygpt.checkpoints.checkpoint import Checkpoint, as_checkpoint, settings_without_state
from tinygpt.checkpoints.gpt2_config import from_gpt2_config
from tinygpt.checkpoints.hub_models import hub_model_folder, hub_model_shape
from tinygpt.checkpoints.layout import (
    ADAPTER,
    ADAPTER_CONFIG,
    FILES,
    INDEX,
    LIST_RUNS,
    STATE,
    WEIGHTS,
    is_adapter,
    shape_file,
)
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.errors import CheckpointError, ConfigError, did_you_mean, nearest_name
from tinygpt.gallery.card import (
    ADAPTERS,
    MODELS,
    REPAIR,
    AdapterCard,
    Card,
    gallery_adapters,
    gallery_names,
    read_card,
    require_file_of_card,
)
from tinygpt.gallery.loader import GalleryModel, load_gallery_model
from tinygpt.system.home import expand_home
from tinygpt.system.hub import SHORT_NAMES, NotOnHubError, repository_of
from tinygpt.system.json_records import read_json, record_from_json
from tinygpt.system.staging import current_files


def load_source(name: str | Path) -> Checkpoint | GalleryModel:
    """Load a model by name, without AdamW's state.

    Raises:
        CheckpointError: there is no such model, or its files are damaged or of a model that TinyGPT cannot compute.
        MissingDependencyError: it is a model of the hub, and the extra ``hub`` is not installed.
    """
    name = str(name)
    if _is_gallery(name):
        return load_gallery_model(name)
    if (repository := _repository(name)) is not None:
        try:
            return load_checkpoint(hub_model_folder(repository), weights_only=True)
        except NotOnHubError as error:
            if repository != name and name not in SHORT_NAMES:
                raise  # hf:OWNER/NAME can mean no folder
            raise _no_folder(name, f", and {error.problem}", error.allowed, error.run) from None
    if _is_adapter(name):
        return load_gallery_adapter(name)
    if not expand_home(name).exists():
        known = ", ".join((*gallery_names(), *gallery_adapters(), *SHORT_NAMES))
        raise _no_folder(name, "", f"a checkpoint folder, {known}, or OWNER/NAME of the hub", LIST_RUNS)
    return load_run(expand_home(name), weights_only=True)


def _no_folder(name: str, more: str, allowed: str, run: str) -> CheckpointError:
    """Build the error for a name that is no folder, with the nearest model or folder that there is."""
    known = (*gallery_names(), *gallery_adapters(), *SHORT_NAMES, *_folders_near(Path(name)))
    nearest = nearest_name(name, known)
    run = f"the same command with {quote(nearest)}" if nearest else run
    return CheckpointError(f"there is no folder {name}{did_you_mean(name, known)}{more}", allowed, run)


def _folders_near(path: Path) -> list[str]:
    """List the folders beside a missing one, or those of its name in the folders beside its missing parent."""
    with suppress(OSError):
        beside, rest = (path, "") if path.parent.is_dir() else (path.parent, path.name)
        found = (folder / rest for folder in beside.parent.iterdir())
        return [str(folder) for folder in found if folder.is_dir()]
    return []


def load_gallery_adapter(name: str, root: Path = ADAPTERS) -> Checkpoint:
    """Load an adapter on its base, by default one of the gallery.

    Raises:
        ConfigError: there is no such adapter.
        CheckpointError: its files are damaged, or the base is not the one that it was trained on.
    """
    card, folder = read_card(AdapterCard, name, root), root / name
    loaded = load_run(folder, weights_only=True)
    require_file_of_card(folder / ADAPTER, card.file_sha256)
    if weights_sha256(loaded.weights) != card.base_sha256:
        raise CheckpointError(f"the adapter {name} was trained on another {card.base}", "the base as it was", REPAIR)
    return loaded


def load_run(folder: Path, weights_only: bool = False, base: str | None = None) -> Checkpoint:
    """Load a folder as :func:`load_checkpoint` does; an adapter's base may be any model that has a name.

    Args:
        folder: the folder.
        weights_only: whether to leave AdamW's state unread.
        base: the base of an adapter; by default the one that it names.
    """
    found = _named_base(folder) if base is None else as_checkpoint(load_source(base))
    return load_checkpoint(folder, weights_only=weights_only, base=found)


def load_adapted(adapter: str, base: str = "") -> Checkpoint:
    """Load a LoRA adapter on a base with a name, by default on the one that it names.

    Args:
        adapter: a folder, or a name of the gallery.
        base: a name as for :func:`load_source`.

    Raises:
        ConfigError: the folder holds a whole model.
        CheckpointError: the base is not here, or the files are missing, damaged or of another shape.
    """
    in_gallery = _is_adapter(adapter)
    folder = ADAPTERS / adapter if in_gallery else expand_home(adapter)
    if not folder.exists():
        raise _no_folder(adapter, "", f"the folder of an adapter, {' or '.join(gallery_adapters())}", LIST_RUNS)
    loaded = load_gallery_adapter(adapter) if in_gallery and not base else load_run(folder, True, base or None)
    if loaded.adapter is None:
        run = f"invoke sample --checkpoint {quote(adapter)}, which needs no base"
        raise ConfigError(f"{adapter} holds a whole model", "the folder of an adapter", run)
    return loaded


def _named_base(folder: Path) -> Checkpoint | None:
    """Return the base that the adapter in a folder names; None without an adapter, or where there is no such model."""
    files = current_files(folder, (ADAPTER_CONFIG, WEIGHTS, INDEX))
    name = read_adapter_config(files[ADAPTER_CONFIG]).base if is_adapter(files) else None
    is_here = name and (_is_gallery(name) or _repository(name) or expand_home(name).exists())
    return as_checkpoint(load_source(name)) if name and is_here else None


def source_shape(name: str) -> tuple[ModelConfig, TrainConfig]:
    """Return a model's shape and settings without reading its weights; errors are those of :func:`load_source`."""
    if _is_gallery(name):
        shape = read_card(Card, name, MODELS).model_config(name)
        return shape, settings_without_state(shape)
    if _is_adapter(name):
        return source_shape(read_card(AdapterCard, name, ADAPTERS).base)
    if (repository := _repository(name)) is not None:
        shape = hub_model_shape(repository)
        return shape, settings_without_state(shape)
    return folder_shape(expand_home(name))


def folder_shape(folder: Path) -> tuple[ModelConfig, TrainConfig]:
    """Return the shape and settings of the checkpoint in a folder without reading its weights.

    Raises:
        CheckpointError: they are missing or damaged.
    """
    files = current_files(folder, FILES)
    name = shape_file(files)
    shape = from_gpt2_config(read_json(files.get(name, folder / name)), str(folder / name))
    if STATE not in files:
        return shape, settings_without_state(shape)
    train = read_json(files[STATE]).get("train")
    return shape, record_from_json(TrainConfig, train, "train", str(folder / STATE), defaults=True)


def absolute_source(name: str | Path) -> str:
    """Return the name of the same model as seen from any folder: a path becomes absolute."""
    name = str(name)
    return name if _is_gallery(name) or _is_adapter(name) or _repository(name) else str(expand_home(name).absolute())


def _is_gallery(name: str) -> bool:
    return name in gallery_names() and not expand_home(name).exists()


def _is_adapter(name: str) -> bool:
    return name in gallery_adapters() and not expand_home(name).exists()


def _repository(name: str) -> str | None:
    """Return the repository that a name means; None for a path, also of a missing folder in one that exists."""
    path = Path(name)
    inside = path.parent != Path() and path.parent.is_dir()
    return None if inside or path.exists() else repository_of(name)
