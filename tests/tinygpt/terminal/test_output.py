"""Output to anything: closed, full, without a reader, of another encoding, or a terminal that obeys sequences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import environment
from tests.conftest import Typed
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.runs.status import STATUS, read_status

TRAIN = (
    "train", "--preset", "tiny", "--engine", "vectorized[threads=1]", "--corpus", "file:plain.txt",
    "--steps", "60",
    "--out", "runs/run",
)  # fmt: skip
BRIEFLY = [word.replace("60", "2") for word in TRAIN]
ESCAPE, REVERSED = "\x1b[31m\x1b]0;title\x07", "\u202e"


# Several commands in one process, whose start takes longer than most of them.
END = "\n---- end of a command ----\n"
ONE_AFTER_THE_OTHER = f"""
import json, os, sys
from contextlib import suppress
from sitegen.commands.program import main
for words in json.load(sys.stdin):
    with suppress(SystemExit):
        main(["tinygpt", *words])
    sys.stdout.flush()
    os.write(1, {END.encode()})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain.txt").write_text("Some text to learn from, again and again.\n" * 200)
    return tmp_path


def start(folder: Path, *words: str, env: dict[str, str] | None = None, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tinygpt", *words]
    return subprocess.Popen(command, cwd=folder, env=environment(**env or {}), **options)  # type: ignore[call-overload, no-any-return]


def run(folder: Path, *words: str, **changes: str) -> tuple[int, str, str]:
    process = start(folder, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=changes)
    out, err = process.communicate(timeout=120)
    return process.returncode, out.decode("latin-1"), err.decode("latin-1")


# ---- a lost output -----------------------------------------------------------------------------------------------


def test_training_continues_without_its_reader_and_notes_it_in_its_status(
    folder: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(folder, *TRAIN, stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(4):
        process.stdout.readline()
    process.stdout.close()
    assert process.wait(120) == 0
    status, training = read_status(folder / "runs/run"), load_checkpoint(folder / "runs/run").training
    assert status is not None and training is not None
    assert (status.state, status.step, status.saved_step, training.step) == ("finished", 60, 60, 60)
    assert "its output can no longer be written" in status.note
    monkeypatch.setenv("COLUMNS", "200")
    assert "its output can no longer" in typed("runs").stdout


@pytest.mark.parametrize("where", ["closed", "/dev/full"])
def test_training_needs_no_output(folder: Path, where: str) -> None:
    if where == "closed":
        process = start(folder, *BRIEFLY, preexec_fn=lambda: os.close(1))
    else:
        with Path(where).open("wb") as full:
            process = start(folder, *BRIEFLY, stdout=full)
    assert process.wait(120) == 0
    training = load_checkpoint(folder / "runs/run").training
    assert training is not None and training.step == 2
    status = read_status(folder / "runs/run")
    assert status is not None and "its output can no longer be written" in status.note


def test_output_that_cannot_be_written_is_an_error(folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(folder, "doctor", stdout=full, stderr=subprocess.PIPE)
        _, error = process.communicate(timeout=120)
    assert process.returncode == 2
    expected = "allowed: an output that can be written; run: the same command with another output"
    assert error.decode().startswith("error: the output: No space left on device") and expected in error.decode()
    process = start(folder, "doctor", preexec_fn=lambda: os.close(1), stderr=subprocess.PIPE)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 2 and expected in error.decode() and error.count(b"\n") == 1
    (folder / "runs" / "some-run").mkdir(parents=True)
    process = start(folder, "runs", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(120) == 141, "as any program whose reader has gone"


def test_a_sample_ends_quietly_when_its_reader_has_seen_enough(folder: Path) -> None:
    for count in ("1", "2000"):
        words = ("sample", "--model", "stories", "--tokens", "4", "--count", count)
        process = start(folder, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert b"2000 texts" not in process.stderr.read(), "it went on without a reader"
        assert process.wait(120) == 0, count


# ---- few characters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        (("doctor", "results", "show"), "ascii"), (("runs",), "cp1252"), (("--help", "train"), "latin-1"),
    ],
)  # fmt: skip
def test_an_encoding_without_arrows_and_dashes_will_do(folder: Path, words: tuple[str, ...], encoding: str) -> None:
    (folder / "runs" / "lauf \U0001f600").mkdir(parents=True)
    code, out, error = run(folder, *words, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert code == 0, error
    assert out and "Traceback" not in error


def test_a_text_whose_name_cannot_be_encoded_is_trained_on(folder: Path) -> None:
    name = b"caf\xe9.txt"
    (folder / os.fsdecode(name)).write_text("Some text to learn from, again and again.\n" * 200)
    assert run(folder, *[word.replace("plain.txt", os.fsdecode(name)) for word in BRIEFLY])[0] == 0


@pytest.mark.parametrize("columns", ["0", "x", "99999999999999999999"])
def test_a_terminal_of_unknown_width_shows_everything(
    folder: Path, columns: str, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "runs" / "some-run").mkdir(parents=True)
    monkeypatch.setenv("COLUMNS", columns)
    assert "some-run" in typed("runs").stdout


# ---- escape sequences ----------------------------------------------------------------------------------------------


def test_escape_sequences_of_files_do_not_reach_the_terminal(folder: Path, typed: Typed) -> None:
    assert typed(*BRIEFLY).returncode == 0
    path = folder / "runs/run" / STATUS
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": f"x{ESCAPE}{REVERSED}", "error": ESCAPE}))
    (folder / "runs" / f"a{ESCAPE}").mkdir()
    index = {"weight_map": {"wte.weight": f"{ESCAPE}.safetensors{REVERSED}"}}
    (folder / "foreign").mkdir()
    (folder / "foreign/config.json").write_text("{}")
    (folder / "foreign/model.safetensors.index.json").write_text(json.dumps(index))
    commands = (
        ("runs",),
        ("runs", "stop", f"b{ESCAPE}"),
        ("sample", "--checkpoint", "foreign"),
        ("sample", "--checkpoint", f"{ESCAPE}{REVERSED}"),
        ("train", "--preset", ESCAPE),
        ("train", "--resume", "--out", "runs/run", "--keep", "3", "--prompt", f"{ESCAPE}{REVERSED}"),
    )
    process = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER], cwd=folder, input=json.dumps(commands).encode(), env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=True,
    )  # fmt: skip
    shown = process.stdout.decode().split(END)
    assert len(shown) == len(commands) + 1 and all(text.strip() for text in shown[:-1])
    assert not [text for text in shown if "\x1b" in text or "\x07" in text or REVERSED in text]


def test_an_error_line_can_be_read(typed: Typed) -> None:
    done = typed("train", "--preset", "x" * 100_000)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and len(done.stderr) < 2500
