"""Pinned figures: a state of a figure under an address that depends on its content.

    site/theme/pinned/HASH/        committed; MkDocs publishes it unchanged
        pin.json                   words, sizes, the table, the runs, and the SHA-256 of every other file
        NAME.light.svg …           the figure's files

HASH is the start of the SHA-256 of ``pin.json``, so the address verifies every byte. The files are committed, and not
drawn again from their runs, because another version of Altair, of the converter or of our own code would draw other
bytes, and a file that others link to must not change.

A build checks the hashes. It rewrites only the page around the files, so that pinned charts profit from fixes of the
scripts that draw them.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sitegen.figures import FIGURES
from sitegen.figures.grammar.words import Words
from sitegen.figures.publication import PINNED_FOLDER, Parameter, PublishedFigure, TableBehind
from sitegen.figures.render import begin_figure
from sitegen.rows.choice import EVERYTHING, Choice
from sitegen.rows.results import load_results
from sitegen.text.errors import SiteError
from sitegen.text.escape import json_text
from sitegen.text.site_folders import CACHE, THEME
from tinygpt.errors import unknown_name

RECORD = "pin.json"
HASH_LENGTH = 16  # hexadecimal digits: 64 bits are enough where a collision gains nothing

# Attributes that the record has as they are.
_COPIED = ("name", "title", "summary", "description", "width", "height", "above", "below")

_WITHOUT_WORDS = MappingProxyType({"above": 0, "below": 0})  # pictures of pins that are older than their words


def pin_figure(root: Path, results: Path, name: str, site: str = "", choice: Choice = EVERYTHING) -> PublishedFigure:
    """Pin the current state of a figure; pinning it again changes nothing.

    It is drawn from published rows alone, unless the choice names a local run.

    Args:
        root: the checkout.
        results: the results folder.
        name: name of the figure.
        site: the site's address, for the words in pictures; empty if it has none.
        choice: of rows.

    Raises:
        SiteError: there are no such rows to draw.
        ConfigError: there is no such figure.
    """
    if name not in FIGURES:
        raise unknown_name("figure", name, FIGURES, "invoke embed list")
    figure = FIGURES[name]
    embedded = choice.to_embed(load_results(results))
    with tempfile.TemporaryDirectory() as temporary:
        drawn = begin_figure(figure, choice.rows(figure.rows, embedded), Path(temporary), root / CACHE, site=site)()
        if drawn is None:
            raise SiteError(
                f"there is nothing to pin: figure {name!r} needs {figure.needs}, {choice.words}",
                "published rows, or those of a run",
                f"{figure.command}, then invoke results publish or invoke embed {name} --run RUN_ID",
            )
        content = {file: (Path(temporary) / file).read_bytes() for file in drawn.files.values()}
    record = json_text(_record(drawn, content, choice.run_ids(embedded))).encode()
    digest = hashlib.sha256(record).hexdigest()[:HASH_LENGTH]
    folder = root / THEME / PINNED_FOLDER / digest
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in content.items():
        (folder / file).write_bytes(data)
    (folder / RECORD).write_bytes(record)
    return _read_pin(folder)


def read_pins(root: Path) -> dict[str, PublishedFigure]:
    """The pinned figures of a checkout by hash.

    Raises:
        SiteError: a pinned file is missing or changed.
    """
    folder = root / THEME / PINNED_FOLDER
    found = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return {path.name: _read_pin(path) for path in found}


def _record(figure: PublishedFigure, content: dict[str, bytes], runs: list[str]) -> dict[str, Any]:
    return {name: getattr(figure, name) for name in _COPIED} | {
        "words": asdict(figure.words),
        "runs": runs,
        "parameters": [asdict(parameter) for parameter in figure.parameters],
        "files": {
            kind: {"name": file, "sha256": hashlib.sha256(content[file]).hexdigest()}
            for kind, file in sorted(figure.files.items())
        },
        "headings": figure.table.headings,
        "rows": figure.table.rows,
    }


def _read_pin(folder: Path) -> PublishedFigure:
    def refuse(file: str) -> SiteError:
        return SiteError(
            f"{place}/{file} is missing or not what was pinned", "the committed files", f"git checkout -- {place}"
        )

    place = f"{THEME.as_posix()}/{PINNED_FOLDER}{folder.name}"
    path = folder / RECORD
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest()[:HASH_LENGTH] != folder.name:
        raise refuse(RECORD)
    record = {**_WITHOUT_WORDS, **json.loads(data)}
    record.setdefault("words", {"headline": record["title"], "measure": "", "source": ""})
    for file in record["files"].values():
        path = folder / file["name"]
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
            raise refuse(file["name"])
    return PublishedFigure(
        **{name: record[name] for name in _COPIED},
        words=Words(**record["words"]),
        folder=f"{PINNED_FOLDER}{folder.name}/",
        files={kind: file["name"] for kind, file in record["files"].items()},
        version=folder.name,
        parameters=tuple(Parameter(**one | {"options": tuple(one["options"])}) for one in record["parameters"]),
        table=TableBehind(
            tuple(record["headings"]), tuple(tuple((text, sort) for text, sort in row) for row in record["rows"])
        ),
    )
