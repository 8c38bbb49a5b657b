"""The playground's sources, without a browser: small, self-contained, twins in both kernels, and no HTML from text."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from bench.records.schema import TABLES
from bench.training.gallery import model_files
from bench.training.gallery_cards import write_folder
from sitegen.build.lighter import lighter_script, lighter_shader
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.playground.publish import FIRST_MODEL, FOLDER, TEXTS, TRAINABLE, prompt_of, publish_playground
from sitegen.rows.results import load_results
from tests import ROOT
from tests.sitegen import example_rows as rows
from tests.tinygpt.gallery.test_gallery import MODEL, a_card
from tinygpt.checkpoints.gpt2_config import to_gpt2_config
from tinygpt.checkpoints.rounded_file import stored_bytes
from tinygpt.params import initial_parameters
from tinygpt.presets import PRESETS
from tinygpt.rounding import quantize

SOURCES = ROOT / "site" / "playground"
WIRE_BYTES = 60_000
OWN_BYTES = 92_000
LIGHTER = {".js": lighter_script, ".wgsl": lighter_shader}


def source(name: str) -> str:
    return (SOURCES / name).read_text(encoding="utf-8")


def compressed(path: Path) -> int:
    """Return the bytes of a file over the wire: the built site has no comments in its scripts and shaders."""
    data = path.read_bytes()
    if path.suffix in LIGHTER:
        data = LIGHTER[path.suffix](data.decode()).encode()
    return len(gzip.compress(data, 9))


def imports(path: Path) -> set[Path]:
    """Return the modules that one imports, at once or later."""
    found = re.findall(r'(?:from |import\()"(\.[^"]+)"', path.read_text(encoding="utf-8"))
    return {(path.parent / name).resolve() for name in found}


def loaded_from(path: Path) -> set[Path]:
    """Return a module and all that it loads."""
    seen: set[Path] = set()
    waiting = {path}
    while waiting:
        module = waiting.pop()
        seen.add(module)
        waiting |= imports(module) - seen
    return seen


def test_worker_and_kernels_are_small_over_the_wire() -> None:
    kernels = max(SOURCES.glob("*.wasm"), key=compressed)  # a browser loads one of them
    sent = [*loaded_from(SOURCES / "worker.js"), kernels, *SOURCES.glob("*/*.wgsl")]
    assert sum(map(compressed, sent)) < WIRE_BYTES


def test_the_worker_loads_nothing_of_the_page() -> None:
    names = {path.stem for path in loaded_from(SOURCES / "worker.js")}
    assert {"forward", "storage", "training"} <= names
    assert not {"dom", "chart", "client", "playground"} & names


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.js")), ids=lambda path: path.name)
def test_a_module_imports_its_neighbours_only_and_makes_no_html_of_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert all(module.is_file() and module.is_relative_to(SOURCES) for module in imports(path))
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function", text
    )
    assert not re.search(r"https?://(?!github\.com/huggingface/safetensors|www\.w3\.org/2000/svg|git-lfs\")", text)


def test_every_explanation_is_a_heading_of_a_page() -> None:
    pages = re.findall(r': "([\w/]+)/(?:#([\w-]+))?",', source("view/explain.js"))
    assert len(pages) > 10
    for page, anchor in pages:
        text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
        headings = [line.strip("# ").replace(",", "").replace(" ", "-").lower() for line in text.splitlines()]
        assert not anchor or f"{{ #{anchor} }}" in text or anchor in headings, (page, anchor)


def test_both_kernels_have_the_same_functions_and_arguments() -> None:
    def arguments(text: str) -> list[str]:
        return [part.split(":")[0].strip() for part in text.split(",") if part.strip()]

    offered = set(re.findall(r"\w+", " ".join(re.findall(r"export \{([^}]*)\}", source("kernels.ts")))))
    offered -= {"heapStart", "panelColumns", "queries"}
    compiled = {
        name: len(arguments(args))
        for path in SOURCES.glob("kernels/*.ts")
        for name, args in re.findall(r"export function (\w+)\(([^)]*)\)", path.read_text(encoding="utf-8"), re.DOTALL)
        if name in offered
    }
    plain = {
        name: len(arguments(args)) for name, args in re.findall(r"function (\w+)\(([^)]*)\)", source("kernels-js.js"))
    }
    engines = "".join(path.read_text(encoding="utf-8") for path in SOURCES.glob("engine/*.js"))
    used = set(re.findall(r"kernels\.(\w+)\(", engines))
    assert used <= set(compiled) == offered
    assert {name: plain[name] for name in compiled} == compiled


def test_the_toolchain_is_pinned() -> None:
    package, lock = json.loads(source("package.json")), json.loads(source("package-lock.json"))
    versions = package["devDependencies"].values()
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
    assert "dependencies" not in package
    assert lock["packages"][""]["devDependencies"] == package["devDependencies"]
    assert all("integrity" in entry for name, entry in lock["packages"].items() if name)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    results = tmp_path_factory.mktemp("results")
    rows.store(results, rows.ladder("run-1"))
    publish_playground(ROOT, folder, QuotedRows(load_results(results)))
    return folder / FOLDER


def test_what_the_page_loads_is_published(published: Path) -> None:
    for path in (path for ending in ("js", "css", "wasm", "wgsl") for path in SOURCES.rglob(f"*.{ending}")):
        assert (published / path.relative_to(SOURCES)).read_bytes() == path.read_bytes()
    assert not (published / "kernels.ts").exists()


def test_the_page_is_light_before_a_model_is_chosen(published: Path) -> None:
    """All of the playground's own files but texts and models; the theme's are weighed with the rest of the site."""
    kernels = max(published.glob("*.wasm"), key=compressed)
    sent = [*published.rglob("*.js"), *published.glob("*.css"), published / "index.json", kernels]
    assert sum(map(compressed, sent)) < OWN_BYTES


def test_gallery_models_are_published_as_they_are_stored_the_first_one_first(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    weights = {name: quantize(initial_parameters(MODEL, 3), name) for name in ("int8", "float16")}
    files = {"kjv": stored_bytes(weights["float16"]), FIRST_MODEL: stored_bytes(weights["int8"])}
    for name, data in files.items():
        write_folder(a_card(data, name), model_files(data), shelf)
    publish_playground(ROOT, tmp_path / "generated", QuotedRows(load_results(tmp_path / "none")), shelf)
    folder = tmp_path / "generated" / FOLDER
    models = json.loads((folder / "index.json").read_text(encoding="utf-8"))["models"]
    assert [(entry["name"], entry["prompt"]) for entry in models] == [
        (FIRST_MODEL, prompt_of(FIRST_MODEL)), ("kjv", prompt_of("kjv")),
    ]  # fmt: skip
    for entry in models:
        assert (folder / entry["weights"]).read_bytes() == files[entry["name"]]
        assert entry["bytes"] == len(files[entry["name"]])
        assert json.loads((folder / entry["config"]).read_text()) == to_gpt2_config(MODEL)


def test_the_index_says_what_python_says(published: Path) -> None:
    index = json.loads((published / "index.json").read_text(encoding="utf-8"))
    assert [preset["name"] for preset in index["presets"]] == list(TRAINABLE)
    assert all(PRESETS[preset["name"]].model.n_parameters == preset["parameters"] for preset in index["presets"])
    assert index["columns"]["runs"] == [column.name for column in TABLES["runs"]]
    curve = {entry["name"]: entry["points"] for entry in index["published"]}
    assert curve["vectorized over python"][0][0] == PRESETS["tiny"].model.n_parameters


def test_texts_are_small_plain_and_long_enough_for_medium(published: Path) -> None:
    index = json.loads((published / "index.json").read_text(encoding="utf-8"))
    assert len(index["corpora"]) == len(TEXTS)
    for entry in index["corpora"]:
        path = published / entry["file"]
        assert path.stat().st_size == entry["bytes"]
        assert compressed(path) < 100_000
        assert entry["bytes"] * 0.9 > PRESETS["medium"].model.n_parameters / 4
        path.read_text(encoding="utf-8")
