"""The course's pages: sections that exercises name exist, and the code on them does what the text says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from markdown.extensions.toc import slugify

from tests import ROOT
from tests.tinygpt.learn.test_course import EXERCISES, SOLUTIONS
from tinygpt import load_corpus
from tinygpt.learn.course import SITTINGS, Exercise, Sitting
from tinygpt.learn.student import forget_students

PAGES = {sitting.number: ROOT / f"docs/learn/sitting_{sitting.number}.md" for sitting in SITTINGS}


def sections(page: Path) -> dict[str, str]:
    """Anchor → heading of every section."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {slugify(heading, "-"): heading for heading in headings}


@pytest.mark.parametrize(("sitting", "exercise"), EXERCISES, ids=lambda value: getattr(value, "name", ""))
def test_an_exercise_names_a_section_and_its_page_asks_for_it(sitting: Sitting, exercise: Exercise) -> None:
    page, _, anchor = exercise.read.partition("#")
    assert anchor in sections(ROOT / "docs" / page), exercise.read
    assert re.search(rf"\*\*[^*]*`{exercise.name}`", PAGES[sitting.number].read_text("utf-8")), exercise.name


@pytest.mark.parametrize("sitting", SITTINGS, ids=lambda sitting: sitting.file)
def test_a_stub_names_sections_that_exist(sitting: Sitting) -> None:
    compile(sitting.stub, sitting.file, "exec")
    named = re.findall(r"read: docs/(\S+\.md), (.+)", sitting.stub)
    assert named or sitting.number == 1
    for page, heading in named:
        assert heading in sections(ROOT / "docs" / page).values(), f"{page}, {heading}"


@pytest.mark.parametrize("page", [*PAGES.values(), ROOT / "docs/learn/by_hand.md"], ids=lambda page: page.stem)
def test_every_question_has_a_folded_answer(page: Path) -> None:
    text = page.read_text("utf-8")
    paragraphs = text.split("\n\n")
    asking = [number for number, text in enumerate(paragraphs) if text.startswith("*Check yourself.*")]
    listed = re.search(r"(?ms)^## (?:Questions|Try it on paper)\n(.*?)(?=^## |\Z)", text)
    assert listed
    questions = re.split(r"(?m)^\d\. ", listed[1])[1:]
    assert len(questions) >= 4 and (asking or page.stem == "by_hand")
    for number in asking:
        assert paragraphs[number + 1] == '??? success "Answer"', paragraphs[number]
    for question in questions:
        assert re.search(r'\n\n    \?\?\? success "Answer"\n\n        \S', question), question


@pytest.fixture
def shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stories that programs load have a tenth of their usual length."""
    whole = load_corpus("stories")
    part = replace(whole, train=whole.train[:450_000], held_out=whole.held_out[:50_000])
    monkeypatch.setattr("tinygpt.load_corpus", {"stories": part}.__getitem__)


def run_blocks(number: int, monkeypatch: pytest.MonkeyPatch, *smaller: tuple[str, str]) -> None:
    """Run the programs of a page beside the solutions, with numbers that take less time."""
    monkeypatch.syspath_prepend(SOLUTIONS)
    forget_students()
    text = PAGES[number].read_text("utf-8")
    programs = [
        block for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if "import" in block
    ]
    assert programs
    for program in programs:
        for usual, less in smaller:
            assert usual in program
            program = program.replace(usual, less)
        exec(compile(program, PAGES[number].name, "exec"), {})
    forget_students()


def losses(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"([\d.]+) nats per byte", text)]


@pytest.mark.usefixtures("shorter")
def test_the_programs_of_sittings_1_and_2_show_what_the_pages_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_blocks(1, monkeypatch)
    _, one, little = losses(capsys.readouterr().out)
    assert one < 5.545 / 2 and abs(one - little) < 0.03
    run_blocks(2, monkeypatch)
    first, *_, last = losses(capsys.readouterr().out)
    assert 5.5 < first < 6.5 and abs(last - little) < 0.25


def test_the_program_of_sitting_3_prints_what_the_page_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_blocks(3, monkeypatch)
    even, _, sharp = capsys.readouterr().out.splitlines()
    assert even == "0 [0.  0.5 1.  1.5]" and sharp == "50 [0.  1.  2.  1.5]"


@pytest.mark.usefixtures("shorter")
def test_the_programs_of_sittings_4_and_5_train_judge_and_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    smaller = ("preset.train.batch_size, shape", "4, shape"), ("3e-3, 50", "4e-3, 10")
    run_blocks(4, monkeypatch, ("n_steps = 1000", "n_steps = 150"), *smaller)
    lines = capsys.readouterr().out.splitlines()
    pairs = [[float(number) for number in re.findall(r"\d\.\d{3}", line)] for line in lines]
    assert len(pairs) == 10 and all(abs(mine - engine) < 0.01 for mine, engine in pairs)
    assert 4.0 < pairs[0][0] < 5.6 and pairs[-1][0] < 3.2
    run_blocks(5, monkeypatch, ('list(b"Once "), 200', 'list(b"Once "), 20'))
    text = capsys.readouterr().out
    model, table = losses(text)
    assert 2.5 < model < 3.3 and 2.2 < table < 2.4
    assert text.count("Once ") == 3 and text.count("--- temperature") == 3


@pytest.mark.usefixtures("shorter")
def test_the_notebook_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((ROOT / "docs/learn/sitting_1.ipynb").read_text("utf-8"))
    assert notebook["nbformat"] == 4
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells), "outputs are made, never stored"
    names: dict[str, object] = {}
    for cell in cells:
        exec("".join(cell["source"]), names)
    orders = losses(capsys.readouterr().out)
    assert len(orders) == 4 and all(longer < shorter for shorter, longer in pairwise(orders))
