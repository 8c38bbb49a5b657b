"""What an outcome names, as links: files, pages, tasks, figures and commands. A name that leads nowhere is a problem.

In paragraphs that begin with ``**Outcome.**`` or ``**Here.**``

    ``tinygpt/generation/decoding.py``   becomes a link to the file, ``docs/samples.md`` one to the page
    task #72                  leads to the roadmap
    figure ``speedup``        leads to the first page that shows it
    ``invoke sample``         leads to the task reference

so that the Markdown reads the same without any of this. Files lead to the repository if its address is known
(``REPO_URL``), else to a copy that is published with the site.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

from sitegen.documents.pages import Page, pages_with
from sitegen.documents.roadmap import PAGE as ROADMAP
from sitegen.figures import FIGURES
from sitegen.text.escape import html_attribute, html_block
from sitegen.text.site_folders import GENERATED_URL

FOLDER = "source"  # of the copies, under the generated folder
TASK_PAGE = "tasks.md"

_PARAGRAPH = re.compile(r"^\*\*(?:Outcome|Here)\.\*\*.*?(?=\n[ \t]*\n|\Z)", re.MULTILINE | re.DOTALL)
_TOKEN = re.compile(
    r"(?P<link>\[[^\]]*\]\([^)]*\))"
    r"|figures? `(?P<figure>[^`]+)`"
    r"|`(?P<code>[^`]+)`"
    r"|(?P<task>#\d+)"
)
_PATH = re.compile(r"^[\w.-]+(?:/[\w.-]+)*/?$")
_FILE = re.compile(r".*(?:/.*|\.(?:py|md|yml|toml|json|js|css))$")
_COMMAND = re.compile(r"^invoke ([a-z]+)")
# Made by measuring or building; not what the repository holds.
_NOT_SHIPPED = ("results/local", "runs", "_site", ".site", "site/theme/assets/generated")


@dataclass(frozen=True)
class Name:
    """Something that an outcome names.

    Attributes:
        kind: ``file``, ``task``, ``figure`` or ``command``.
        name: as written.
        line: in the page, from 1.
    """

    kind: str
    name: str
    line: int


@dataclass(frozen=True)
class OutcomeTargets:
    """What can be named.

    Attributes:
        root: the checkout.
        pages: the pages.
        tasks: numbers of the roadmap.
        commands: names of the Invoke tasks; empty where they are not known, and then none is checked.
        repository: address of the repository, or empty.
    """

    root: Path
    pages: Sequence[Page]
    tasks: frozenset[int]
    commands: frozenset[str]
    repository: str = ""

    def file(self, name: str) -> PurePosixPath | None:
        """The file behind a path: for a folder, the file that opens it; None if there is none."""
        path = PurePosixPath(name)
        if ".." in path.parts or any(path.is_relative_to(folder) for folder in _NOT_SHIPPED):
            return None
        if (self.root / path).is_dir():
            openers = (path / opener for opener in ("__init__.py", "README.md", "index.md"))
            return next((opener for opener in openers if (self.root / opener).is_file()), None)
        return path if (self.root / path).is_file() else None

    def problem(self, name: Name) -> str | None:
        """Why a name leads nowhere; None if it leads somewhere."""
        if name.kind == "file" and self.file(name.name) is None:
            return f"there is no file {name.name}"
        if name.kind == "task" and int(name.name) not in self.tasks:
            return f"there is no task #{name.name} on the roadmap"
        if name.kind == "figure" and name.name not in FIGURES:
            return f"there is no figure {name.name!r}; there are {', '.join(FIGURES)}"
        if name.kind == "figure" and not pages_with(self.pages, "figure", name.name):
            return f"no page shows the figure {name.name!r}"
        if name.kind == "command" and self.commands and name.name not in self.commands:
            return f"there is no task `invoke {name.name}`"
        return None

    def link(self, match: re.Match[str]) -> str:
        """A token of an outcome with its link, as Markdown of a page at the root of ``docs/``."""
        text = match.group()
        name = _name(match, 0)
        if name is None or self.problem(name):
            return text
        if name.kind == "task":
            return f"[{text}]({ROADMAP}#task-{name.name})"
        if name.kind == "figure":
            return f"[{text}]({pages_with(self.pages, 'figure', name.name)[0]}#figure-{name.name})"
        if name.kind == "command":
            known = self.commands and any(page.uri == TASK_PAGE for page in self.pages)
            return f"[{text}]({TASK_PAGE}#{name.name})" if known else text
        path = self.file(name.name)
        assert path is not None
        if path.is_relative_to("docs") and path.suffix == ".md":
            return f"[{text}]({path.relative_to('docs')})"
        return f'<a href="{html_attribute(self._address(path))}"><code>{html_block(name.name)}</code></a>'

    def _address(self, path: PurePosixPath) -> str:
        if self.repository:
            return f"{self.repository.rstrip('/')}/blob/HEAD/{path}"
        return f"../{GENERATED_URL}{_copy(path)}"

    def linked(self, text: str) -> str:
        """A page's text with links in its outcomes."""
        return _PARAGRAPH.sub(lambda paragraph: _TOKEN.sub(self.link, paragraph.group()), text)

    def write_copies(self, generated: Path) -> None:
        """Publish the files that outcomes name, where no repository holds them."""
        for name in (name for page in self.pages for name in named(page.text) if name.kind == "file"):
            path = self.file(name.name)
            if path is not None and not self.repository:
                copy = generated / _copy(path)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes((self.root / path).read_bytes())


def _copy(path: PurePosixPath) -> str:
    """Where a file's copy lies under the generated folder. MkDocs never publishes a name with "readme" in it."""
    return f"{FOLDER}/{path.with_name(path.name.replace('README', 'READ-ME'))}.txt"


def named(text: str) -> Iterator[Name]:
    """What the outcomes of a page name, in their order."""
    for paragraph in _PARAGRAPH.finditer(text):
        for token in _TOKEN.finditer(paragraph.group()):
            name = _name(token, text.count("\n", 0, paragraph.start() + token.start()) + 1)
            if name is not None:
                yield name


def _name(token: re.Match[str], line: int) -> Name | None:
    if token["figure"]:
        return Name("figure", token["figure"], line)
    if token["task"]:
        return Name("task", token["task"][1:], line)
    code = token["code"] or ""
    if command := _COMMAND.match(code):
        return Name("command", command.group(1), line)
    return Name("file", code, line) if _PATH.match(code) and _FILE.match(code) else None


def check_named(targets: OutcomeTargets) -> list[str]:
    """Names in outcomes that lead nowhere, each as one line naming page and line."""
    return [
        f"docs/{page.uri}, line {name.line}: {problem}"
        for page in targets.pages
        for name in named(page.text)
        if (problem := targets.problem(name))
    ]


class OutcomeLinks(Extension):
    """The Markdown extension that puts the links in. It comes first, so that what it writes is read as Markdown."""

    def __init__(self, targets: OutcomeTargets, **options: Mapping[str, Any]) -> None:
        super().__init__(**options)
        self._targets = targets

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the step that reads whole paragraphs of the source."""
        md.preprocessors.register(_Step(md, self._targets), "targets", 100)


class _Step(Preprocessor):
    def __init__(self, md: Markdown, targets: OutcomeTargets) -> None:
        super().__init__(md)
        self._targets = targets

    def run(self, lines: list[str]) -> list[str]:
        return self._targets.linked("\n".join(lines)).split("\n")
