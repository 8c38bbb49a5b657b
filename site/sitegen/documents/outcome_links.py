"""Links in outcomes: to the files, pages, tasks, figures and commands that they name. Each name must have a target.

In paragraphs that begin with ``**Outcome.**`` or ``**Here.**``

    ``tinygpt/generation/decoding.py``   becomes a link to the file, ``docs/samples.md`` one to the page
    task #72                  leads to the roadmap
    figure ``speedup``        leads to the first page that shows it
    ``invoke sample``         leads to the task reference

so that the Markdown needs no links. Files lead to the repository if its address is known, else to a copy
that is published with the site.
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

from sitegen.documents.pages import Mention, Page, pages_with
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
# Made by measuring or building, so not in the repository.
_NOT_COMMITTED = ("results/local", "runs", "_site", ".site", "site/theme/assets/generated")


@dataclass(frozen=True)
class OutcomeTargets:
    """Everything that an outcome can name.

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
        """The file at a path, or for a folder its ``__init__.py``, README or index; None if there is none."""
        path = PurePosixPath(name)
        if ".." in path.parts or any(path.is_relative_to(folder) for folder in _NOT_COMMITTED):
            return None
        if (self.root / path).is_dir():
            entries = (path / entry for entry in ("__init__.py", "README.md", "index.md"))
            return next((entry for entry in entries if (self.root / entry).is_file()), None)
        return path if (self.root / path).is_file() else None

    def problem(self, mention: Mention) -> str | None:
        """Explain why a name has no target; None if it has one."""
        kind, name = mention.kind, mention.name
        if kind == "file" and self.file(name) is None:
            return f"there is no file {name}"
        if kind == "task" and int(name) not in self.tasks:
            return f"there is no task #{name} on the roadmap"
        if kind == "figure" and name not in FIGURES:
            return f"there is no figure {name!r}; there are {', '.join(FIGURES)}"
        if kind == "figure" and not pages_with(self.pages, "figure", name):
            return f"no page shows the figure {name!r}"
        if kind == "command" and self.commands and name not in self.commands:
            return f"there is no task `invoke {name}`"
        return None

    def link(self, match: re.Match[str]) -> str:
        """A token of an outcome with its link, as Markdown of a page at the root of ``docs/``."""
        text = match.group()
        mention = _mention(match, 0)
        if mention is None or self.problem(mention):
            return text
        kind, name = mention.kind, mention.name
        if kind == "task":
            return f"[{text}]({ROADMAP}#task-{name})"
        if kind == "figure":
            return f"[{text}]({pages_with(self.pages, 'figure', name)[0]}#figure-{name})"
        if kind == "command":
            known = self.commands and any(page.uri == TASK_PAGE for page in self.pages)
            return f"[{text}]({TASK_PAGE}#{name})" if known else text
        path = self.file(name)
        assert path is not None
        if path.is_relative_to("docs") and path.suffix == ".md":
            return f"[{text}]({path.relative_to('docs')})"
        return f'<a href="{html_attribute(self._address(path))}"><code>{html_block(name)}</code></a>'

    def _address(self, path: PurePosixPath) -> str:
        if self.repository:
            return f"{self.repository.rstrip('/')}/blob/HEAD/{path}"
        return f"../{GENERATED_URL}{_copy(path)}"

    def linked(self, text: str) -> str:
        """A page's text with links in its outcomes."""
        return _PARAGRAPH.sub(lambda paragraph: _TOKEN.sub(self.link, paragraph.group()), text)

    def write_copies(self, generated: Path) -> None:
        """Copy the files that outcomes name into the generated folder, unless the repository's address is known."""
        mentions = (mention for page in self.pages for mention in mentions_in(page.text))
        for mention in mentions if not self.repository else ():
            path = self.file(mention.name) if mention.kind == "file" else None
            if path is not None:
                copy = generated / _copy(path)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes((self.root / path).read_bytes())


def _copy(path: PurePosixPath) -> str:
    """Path of a file's copy under the generated folder. MkDocs publishes no file with "readme" in its name."""
    return f"{FOLDER}/{path.with_name(path.name.replace('README', 'READ-ME'))}.txt"


def mentions_in(text: str) -> Iterator[Mention]:
    """The names in the outcomes of a page, in order."""
    for paragraph in _PARAGRAPH.finditer(text):
        for token in _TOKEN.finditer(paragraph.group()):
            line = text.count("\n", 0, paragraph.start() + token.start()) + 1
            if mention := _mention(token, line):
                yield mention


def _mention(token: re.Match[str], line: int) -> Mention | None:
    if token["figure"]:
        return Mention("figure", token["figure"], line)
    if token["task"]:
        return Mention("task", token["task"][1:], line)
    code = token["code"] or ""
    if command := _COMMAND.match(code):
        return Mention("command", command.group(1), line)
    return Mention("file", code, line) if _PATH.match(code) and _FILE.match(code) else None


def check_outcomes(targets: OutcomeTargets) -> list[str]:
    """Find names without a target; each problem is one line with page and line number."""
    return [
        f"docs/{page.uri}, line {mention.line}: {problem}"
        for page in targets.pages
        for mention in mentions_in(page.text)
        if (problem := targets.problem(mention))
    ]


class OutcomeLinks(Extension):
    """The Markdown extension that inserts the links. It runs first, so that its output is read as Markdown."""

    def __init__(self, targets: OutcomeTargets, **options: Mapping[str, Any]) -> None:
        super().__init__(**options)
        self._targets = targets

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the step that reads the source's paragraphs."""
        md.preprocessors.register(_Step(md, self._targets), "targets", 100)


class _Step(Preprocessor):
    def __init__(self, md: Markdown, targets: OutcomeTargets) -> None:
        super().__init__(md)
        self._targets = targets

    def run(self, lines: list[str]) -> list[str]:
        return self._targets.linked("\n".join(lines)).split("\n")
