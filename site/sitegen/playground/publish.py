"""The files of the playground page: scripts, texts to train on, models, and an index of them.

    site/playground/**/*.js, *.wgsl, *.css, *.wasm  copied unchanged
    index.json                                  presets, protocol, columns of the rows, published curves, texts, models
    texts/NAME.txt                              loaded when a reader chooses them
    models/NAME.safetensors, NAME.json          the gallery's committed weights, and their config.json
    models/NAME.tokenizer.json                  unless a model's tokens are bytes

Presets come from ``tinygpt.presets``, the protocol and the columns from ``bench``, the curves from the results.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tinygpt
from bench.records.protocol import benchmark_protocol
from bench.records.schema import TABLES
from sitegen.numbers.quoted_rows import QuotedRows
from tinygpt.checkpoints.gpt2_config import to_gpt2_config
from tinygpt.corpora.stories.corpus import write_story
from tinygpt.gallery import gallery_names, load_gallery_model
from tinygpt.gallery.card import MODELS, WEIGHTS
from tinygpt.presets import LADDER
from tinygpt.terminal import quantities
from tinygpt.tokenizers import BYTES
from tinygpt.tokenizers.files import TOKENIZER

SOURCES = Path("site/playground")  # under the checkout
FOLDER = "playground"  # under the generated folder
_COPIED = ("**/*.js", "**/*.wgsl", "*.css", "*.wasm")

TEXT_BYTES = 280_000  # enough for `medium` without a memorization warning; under 100 KB compressed
_STORIES_SEED = 3  # different from the corpus: the gallery was not trained on these stories

# A tab would need hours for a thousand steps of a larger preset, and has no room for `behemoth`.
TRAINABLE = ("tiny", "small", "medium", "large", "xl", "huge")

# The gallery model that a first visit loads: small, and of bytes, which the page explains as tokens. The prompts of the
# models; others start after a line break.
FIRST_MODEL = "shakespeare-bytes"
PROMPTS = MappingProxyType(
    {"shakespeare": "ROMEO:\n", "kjv": "In the beginning", "python": "def ", "stories": "Once upon a time"}
)


def prompt_of(name: str) -> str:
    """The prompt of a model, by the text that its name begins with."""
    return PROMPTS.get(name.partition("-")[0], "")


# Published ratios to compare the reader's own with: engine over baseline.
PUBLISHED = (("numpy", "python"), ("vectorized", "python"))


@dataclass(frozen=True)
class Text:
    """A text to train on in the tab.

    Attributes:
        title: in the menu.
        licence: its licence.
        write: generates the text.
        rival: the gallery's model of this kind of text, whose prompt it shares.
    """

    title: str
    licence: str
    write: Callable[[], bytes]
    rival: str


def _stories() -> bytes:
    """Write complete stories from the corpus' grammar, up to ``TEXT_BYTES``."""
    rng = random.Random(_STORIES_SEED)
    text = ""
    while len(story := write_story(rng)) + len(text) + 3 <= TEXT_BYTES:
        text += f"{story}\n\n\n"
    return text.encode("ascii")


def _source() -> bytes:
    """Join complete files of TinyGPT's library, up to ``TEXT_BYTES``."""
    package = Path(tinygpt.__file__).parent
    text = b""
    for path in sorted(package.rglob("*.py")):
        file = f"# tinygpt/{path.relative_to(package).as_posix()}\n\n".encode() + path.read_bytes() + b"\n\n"
        if len(text) + len(file) <= TEXT_BYTES:
            text += file
    return text


TEXTS: Mapping[str, Text] = MappingProxyType(
    {
        "stories": Text(
            "children's stories from a grammar", "MIT, as TinyGPT, whose grammar writes them", _stories, "stories"
        ),
        "source": Text("TinyGPT's own source", "MIT, as TinyGPT", _source, "python"),
    }
)


def publish_playground(root: Path, generated: Path, quoted_rows: QuotedRows, gallery: Path = MODELS) -> None:
    """Write everything that the page loads.

    Args:
        root: the checkout.
        generated: the folder of generated assets.
        quoted_rows: results, for the published curves.
        gallery: the folder of trained models.

    Raises:
        CheckpointError: a gallery model is damaged.
    """
    folder = generated / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("texts", "models"):
        (folder / name).mkdir(parents=True)
    for pattern in _COPIED:
        for path in (root / SOURCES).glob(pattern):
            copy = folder / path.relative_to(root / SOURCES)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    texts = {name: text.write() for name, text in TEXTS.items()}
    for name, content in texts.items():
        (folder / "texts" / f"{name}.txt").write_bytes(content)
    index = {
        "presets": [preset_entry(name) for name in LADDER if name in TRAINABLE],
        "protocol": _protocol(),
        "columns": {table: [column.name for column in TABLES[table]] for table in ("runs", "steps")},
        "published": _published(quoted_rows),
        "corpora": [_text_entry(name, content) for name, content in texts.items()],
        "models": _models(folder / "models", gallery),
    }
    (folder / "index.json").write_text(json.dumps(index, allow_nan=False), encoding="utf-8")


def preset_entry(name: str) -> dict[str, Any]:
    """A preset in the page's own names."""
    preset = LADDER[name]
    return {
        "name": name,
        "nLayers": preset.model.n_layers,
        "dModel": preset.model.d_model,
        "nHeads": preset.model.n_heads,
        "contextLength": preset.model.context_length,
        "batchSize": preset.train.batch_size,
        "parameters": preset.model.n_parameters,
    }


def _protocol() -> dict[str, Any]:
    """The pipeline's protocol with the differences of a tab; the page fills in preset and text."""
    fixed = asdict(benchmark_protocol("tiny", "stories", "", seed=0, rounds=1))
    order = "plain JavaScript, WebAssembly, WebGPU; steps of WebGPU timed three together"
    return fixed | {"threads": "1, a worker of the browser", "order": order}


def _text_entry(name: str, content: bytes) -> dict[str, Any]:
    text = TEXTS[name]
    return {
        "name": f"{name}-excerpt",
        "title": text.title,
        "licence": text.licence,
        "prompt": PROMPTS[text.rival],
        "rival": text.rival,
        "file": f"texts/{name}.txt",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _models(folder: Path, gallery: Path) -> list[dict[str, Any]]:
    """Copy the gallery's models; return their entries, starting with that of a first visit."""
    entries = []
    for name in gallery_names(gallery):
        model = load_gallery_model(name, gallery)
        card, tokenizer = model.card, None
        shutil.copy(gallery / name / WEIGHTS, folder / f"{name}.safetensors")
        (folder / f"{name}.json").write_text(json.dumps(to_gpt2_config(model.config)), encoding="utf-8")
        if model.tokenizer is not BYTES:
            tokenizer = f"models/{name}.{TOKENIZER}"
            shutil.copy(gallery / name / TOKENIZER, folder.parent / tokenizer)
        entries.append(
            {
                "name": name,
                "title": f"{name}, {card.n_parameters:,} parameters, {quantities.megabytes(card.file_bytes)}",
                "prompt": prompt_of(name),
                "config": f"models/{name}.json",
                "weights": f"models/{name}.safetensors",
                "tokenizer": tokenizer,
                "bytes": card.file_bytes,
            }
        )
    return sorted(entries, key=lambda entry: (entry["name"] != FIRST_MODEL, entry["name"]))


def _published(quoted_rows: QuotedRows) -> list[dict[str, Any]]:
    """Published ratios as (parameters, times as fast) points, by engine and baseline."""
    curves = []
    for engine, baseline in PUBLISHED:
        pairs = sorted(quoted_rows.pairs(engine, baseline), key=lambda pair: pair.cell.n_parameters)
        points = [[pair.cell.n_parameters, pair.ratio.speedup] for pair in pairs]
        if points:
            curves.append({"name": f"{engine} over {baseline}", "points": points})
    return curves
