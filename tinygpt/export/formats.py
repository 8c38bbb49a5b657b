"""The formats of `invoke export`, as a table: name → who reads it, who writes it, and what it cannot carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType

from tinygpt.checkpoints.checkpoint import Checkpoint, whole
from tinygpt.engines.extras import Extra
from tinygpt.errors import unknown_name
from tinygpt.generation.inference import LanguageModel
from tinygpt.system.files import new_path


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        readers: programs that read it.
        lacks: what it cannot carry.
        module: ours with ``write(model, path)``, which writes and checks, and returns a line about the check.
        needs: the package that it is written with; None for none.
        ending: of a default path.
    """

    name: str
    readers: str
    lacks: str
    module: str
    needs: str | None
    ending: str


_RUN = "the optimiser's state and the run's settings"
FORMATS = MappingProxyType(
    {
        form.name: form
        for form in (
            Format(
                "onnx",
                "onnxruntime, in many languages and in browsers, and Hugging Face's Optimum",
                f"{_RUN}, dropout, and the tokenizer, which is a file beside it",
                "tinygpt.export.onnx_folder",
                "onnx",
                "-onnx",
            ),
            Format(
                "gguf",
                "llama.cpp, and programs built on it",
                f"{_RUN}, dropout, prompts with a byte 0 or bytes that are no UTF-8, and a tokenizer that cuts words "
                "otherwise than GPT-2's",
                "tinygpt.export.gguf_file",
                "gguf",
                ".gguf",
            ),
            Format(
                "safetensors",
                "transformers, and what reads its GPT-2 folders",
                f"{_RUN}: training can start from it, and cannot resume",
                "tinygpt.export.transformers_folder",
                None,
                "-safetensors",
            ),
        )
    }
)


def find_format(name: str) -> Format:
    """Return a format by its name; raise a ConfigError for an unknown one."""
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS, "invoke export --format onnx")
    return FORMATS[name]


def export_model(model: LanguageModel, form: Format, out: Path) -> str:
    """Write a model in a format to a new file or folder, whole or not at all; return a line about its check.

    Args:
        model: an engine, a loaded checkpoint or a gallery model.
        form: from ``FORMATS``.
        out: the new path.

    Raises:
        ConfigError: ``out`` exists.
        ExportError: the format cannot express the model, or other scores or numbers came back.
        MissingDependencyError: the format's package is not installed.
        StorageError: the file system refused.
    """
    source = whole(model)
    write: Callable[[Checkpoint, Path], str] = _module(form).write
    with new_path(out) as unfinished:
        return write(source, unfinished)


def _module(form: Format) -> ModuleType:
    if form.needs is None:
        return import_module(form.module)
    return Extra("export", form.needs).module(form.module, f"format {form.name!r}")
