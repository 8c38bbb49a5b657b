"""Commands in pages and messages: Invoke understands all of them, and those of the quickstart really run."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitegen.commands.program import namespace
from tests import ROOT
from tests.conftest import Typed
from tinygpt.terminal.program import read_words

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
SOURCES = [path for name in ("tinygpt", "bench", "site") for path in (ROOT / name).rglob("*.py")]
_BLOCK = re.compile(r"^[ \t]*```bash\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(?:python -m )?(invoke [a-z][^`]*)`")
_MENTION = re.compile(r"\binvoke ([a-z]+(?:-[a-z]+)*)((?: (?!invoke\b)[^\s,;:()`]+)*)")  # prose may follow the command
_OPTION = re.compile(r"--[a-z][a-z-]*")

# The quickstart at the size of a test: the same options, with values that need no network and no time.
SMALLER = {
    "--preset": {"small": "tiny", "medium": "tiny"},
    "--corpus": {"shakespeare": "stories"},
    "--steps": {"2000": "2", "4000": "3"},
    "--tokens": {"300": "8"},
    "--presets": {"tiny,small": "tiny"},
}
OFFLINE = {"bench": ["--corpus", "stories"]}  # its default is downloaded once
# Tasks that have tests of their own, because they take minutes, never end, or leave the machine.
ELSEWHERE = {
    "demo": "a training run, a suite and a build",
    "site": "tests/sitegen/build/test_site.py",
    "serve": "tests/sitegen/commands/test_serve.py",
    "embed": "needs a built site",
    "audit": "needs Lighthouse",
    "deploy": "tests/sitegen/commands/test_deploy.py",
    "playground": "needs npm",
    "runs": "about runs in the background",
    "stop": "likewise",
    "restore": "about damaged checkpoints",
}
BACKGROUND = {"--detach", "--start-from"}  # likewise


def commands(text: str) -> list[list[str]]:
    """Arguments of every `invoke` in the shell blocks of a page."""
    found = []
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            for command in re.split(r"\s+(?:&&|\|\|)\s+", line):
                words = shlex.split(command, comments=True)
                if "invoke" in words:
                    found.append(words[words.index("invoke") + 1 :])
    return found


def understood(arguments: list[str]) -> str:
    """The (last) task that the program finds; it refuses words and options that no task has."""
    calls, helped = read_words(arguments, namespace)
    return helped or calls[-1].task


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_in_a_page_is_one_that_invoke_understands(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for arguments in commands(text):
        if not arguments[0].startswith("-"):
            understood(arguments)
    for inline in _INLINE.findall(text):
        words = shlex.split(re.sub(r"[…]|\.\.\.", "", inline))[1:]
        assert words[0] in namespace.task_names, f"{page.name}: {inline}"


def texts(source: Path) -> Iterator[str]:
    """Every string of a module, with a word in place of each value that is filled in."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "NAME" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_command_in_a_message_is_one_that_invoke_understands() -> None:
    options = {context.name: {*context.flags} for context in namespace.to_contexts()}
    seen = set()
    for source in SOURCES:
        for task, rest in (mention.groups() for text in texts(source) for mention in _MENTION.finditer(text)):
            assert task in options, f"{source.relative_to(ROOT)} names invoke {task}"
            unknown = {*_OPTION.findall(rest)} - options[task]
            assert not unknown, f"{source.relative_to(ROOT)}: invoke {task} has no option {', '.join(unknown)}"
            seen.add(task)
    assert {"train", "sample", "bench", "site", "gallery"} <= seen


def test_the_commands_of_the_quickstart_run(tmp_path: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    # Another process may be measuring on this machine meanwhile.
    monkeypatch.setattr("bench.measuring.machine_lock.user_temporary", lambda name: tmp_path / name)
    ran = []
    for arguments in commands((ROOT / "docs/quickstart.md").read_text(encoding="utf-8")):
        task = understood(arguments)
        if task in ELSEWHERE or BACKGROUND & set(arguments) or "publish" in arguments:
            continue
        befores = ["", *arguments[:-1]]
        small = [SMALLER.get(before, {}).get(word, word) for before, word in zip(befores, arguments, strict=True)]
        done = typed(*small, *OFFLINE.get(task, []))
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        ran.append(task)
    assert set(ran) == {"train", "sample", "bench", "results"}
    assert ran.count("train") == 2  # and once more, with --resume
    assert (tmp_path / "runs/first/model.safetensors").is_file()
    assert list((tmp_path / "results/local").glob("runs-*.parquet"))
