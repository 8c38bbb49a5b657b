"""Checkpoint folders in one or two bytes a weight: a quarter or half of the size, for sampling and for training from.

    config.json            as in every checkpoint, and a record of the rounding under ``quantization_config``
    weights.safetensors    int8 with scales, or float16 (``tinygpt/rounding.py``)
    tokenizer.json, tokenizer_config.json

The weights have another name than transformers', which would read int8 as if it were the numbers; by the record's
method it refuses the folder. Here it loads as float32, so that everything that takes a checkpoint takes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinygpt.checkpoints.description import write_description
from tinygpt.checkpoints.rounded_file import read_stored, stored_bytes
from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError, repaired_by
from tinygpt.params import Arrays
from tinygpt.rounding import quantize
from tinygpt.system.files import write_file
from tinygpt.system.json_records import record_from_json
from tinygpt.tokenizers import Tokenizer

CODES = "weights.safetensors"
KEY = "quantization_config"  # as in the folders of transformers
METHOD, VERSION = "tinygpt", 1


@dataclass(frozen=True)
class Quantization:
    """The record of a rounding.

    Attributes:
        quant_method: names this format.
        version: of the format.
        precision: ``int8`` or ``float16``.
        sha256: hash of the stored weights.
        corpus: the text that the losses are of, with its ``corpus_sha256``.
        measured_bytes: held-out bytes, about, that they are the mean over.
        loss_before: nats per byte, of the weights before they were rounded.
        loss_after: of the stored weights.
    """

    quant_method: str
    version: int
    precision: str
    sha256: str
    corpus: str
    corpus_sha256: str
    measured_bytes: int
    loss_before: float
    loss_after: float

    @property
    def cost(self) -> float:
        """The loss that rounding costs, nats per byte."""
        return self.loss_after - self.loss_before


def write_quantized(
    folder: Path, model: ModelConfig, tokenizer: Tokenizer, dropout: float, weights: Arrays, precision: str,
    measured: Mapping[str, Any],
) -> Quantization:  # fmt: skip
    """Write the folder, which must not exist; return its record.

    Args:
        folder: a new one.
        model, tokenizer, dropout: of the model.
        weights: before they are rounded.
        precision: ``int8`` or ``float16``.
        measured: the fields of the record about losses.

    Raises:
        ConfigError: the precision is unknown.
        CheckpointError: a weight is not finite, or too large for the precision.
        OSError: the file system refused.
    """
    data = stored_bytes(quantize(weights, precision))
    record = Quantization(METHOD, VERSION, precision, hashlib.sha256(data).hexdigest(), **measured)
    folder.mkdir()
    write_file(folder / CODES, [data])
    write_description(folder, model, dropout, tokenizer, more={KEY: asdict(record)})
    return record


def read_quantized(
    path: Path, model: ModelConfig, config: Mapping[str, Any], source: str
) -> tuple[Arrays, Quantization]:
    """Read the stored weights as float32, and their record from a parsed config.json.

    Raises:
        CheckpointError: the record is missing, or of another format, or a file is damaged.
    """
    with repaired_by("invoke quantize --checkpoint DIR --out NEW"):
        record = record_from_json(Quantization, config.get(KEY), KEY, source)
        if (record.quant_method, record.version) != (METHOD, VERSION):
            problem = f"{source} has weights of {record.quant_method!r:.40}, version {record.version}"
            raise CheckpointError(problem, f"{METHOD!r}, version {VERSION}")
        weights = read_stored(path, model)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != record.sha256:
            problem = f"{path} is not the file that {source} was written with"
            raise CheckpointError(problem, f"SHA-256 {record.sha256[:12]}…, found {digest[:12]}…")
    return weights, record
