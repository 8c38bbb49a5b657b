"""Whatever is at the other end of the output: closed, full, gone, of few characters, or a terminal that obeys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tinygpt.checkpoints.checkpoint import load_checkpoint
from tinygpt.runs.status import STATUS, read_status

TRAIN = (
    "train", "--preset", "tiny", "--engine", "vectorized[threads=1]", "--corpus", "file:plain.txt",
    "--steps", "60",
    "--out", "runs/run",
)  # fmt: skip
ESCAPE, REVERSED = "\x1b[31m\x1b]0;title\x07", "\u202e"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain.txt").write_text("Some text to learn from, again and again.\n" * 200)
    return tmp_path


def start(folder: Path, *words: str, **options: object) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "site")))}
    environment |= options.pop("env", {})  # type: ignore[arg-type]
    return subprocess.Popen([sys.executable, "-m", "tinygpt", *words], cwd=folder, env=environment, **options)  # type: ignore[call-overload, no-any-return]


def run(folder: Path, *words: str, **environment: str) -> tuple[int, str, str]:
    process = start(folder, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    out, err = process.communicate(timeout=120)
    return process.returncode, out.decode("latin-1"), err.decode("latin-1")


# ---- a lost output -----------------------------------------------------------------------------------------------


def test_training_goes_on_when_its_reader_has_gone_and_says_so_in_its_status(folder: Path) -> None:
    process = start(folder, *TRAIN, stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(4):
        process.stdout.readline()
    process.stdout.close()
    assert process.wait(120) == 0
    status, training = read_status(folder / "runs/run"), load_checkpoint(folder / "runs/run").training
    assert status is not None and training is not None
    assert (status.state, status.step, status.saved_step, training.step) == ("finished", 60, 60, 60)
    assert "nobody reads its output any more" in status.note
    assert "nobody reads its output" in run(folder, "runs", COLUMNS="200")[1]


@pytest.mark.parametrize("where", ["closed", "/dev/full"])
def test_training_needs_no_output(folder: Path, where: str) -> None:
    if where == "closed":
        process = start(folder, *TRAIN, preexec_fn=lambda: os.close(1))
    else:
        with Path(where).open("wb") as full:
            process = start(folder, *TRAIN, stdout=full)
    assert process.wait(120) == 0
    training = load_checkpoint(folder / "runs/run").training
    assert training is not None and training.step == 60


def test_what_cannot_be_printed_is_no_success(folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(folder, "doctor", stdout=full, stderr=subprocess.PIPE)
        _, error = process.communicate(timeout=120)
    assert process.returncode == 2
    assert error.decode().startswith("error: the output: No space left on device")
    process = start(folder, "doctor", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(120) == 141, "as any program whose reader has gone"


def test_a_sample_ends_quietly_when_its_reader_has_seen_enough(folder: Path) -> None:
    for count in ("1", "2000"):
        words = ("sample", "--model", "stories", "--tokens", "40", "--count", count)
        process = start(folder, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(120) == 0, count


# ---- few characters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        (("doctor",), "ascii"), (("runs",), "cp1252"), (("results", "show"), "latin-1"), (("--help", "train"), "ascii"),
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
    words = [word.replace("plain.txt", os.fsdecode(name)).replace("60", "2") for word in TRAIN]
    assert run(folder, *words)[0] == 0


@pytest.mark.parametrize("columns", ["0", "x", "99999999999999999999"])
def test_a_terminal_that_does_not_know_its_width_is_shown_everything(folder: Path, columns: str) -> None:
    (folder / "runs" / "some-run").mkdir(parents=True)
    assert "some-run" in run(folder, "runs", COLUMNS=columns)[1]


# ---- escape sequences ----------------------------------------------------------------------------------------------


def test_escape_sequences_of_files_do_not_reach_the_terminal(folder: Path) -> None:
    assert run(folder, *[word.replace("60", "2") for word in TRAIN])[0] == 0
    path = folder / "runs/run" / STATUS
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": f"x{ESCAPE}{REVERSED}", "error": ESCAPE}))
    (folder / "runs" / f"a{ESCAPE}").mkdir()
    index = {"weight_map": {"wte.weight": f"{ESCAPE}.safetensors{REVERSED}"}}
    (folder / "foreign").mkdir()
    (folder / "foreign/config.json").write_text("{}")
    (folder / "foreign/model.safetensors.index.json").write_text(json.dumps(index))
    for words in (
        ("runs",),
        ("runs", "stop", f"b{ESCAPE}"),
        ("sample", "--checkpoint", "foreign"),
        ("sample", "--checkpoint", f"{ESCAPE}{REVERSED}"),
        ("train", "--preset", ESCAPE),
        ("train", "--resume", "--out", "runs/run", "--keep", "3", "--prompt", f"{ESCAPE}{REVERSED}"),
    ):
        process = start(folder, *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        shown = process.communicate(timeout=120)[0].decode()
        assert shown and "\x1b" not in shown and "\x07" not in shown and REVERSED not in shown, words


def test_an_error_line_can_be_read(folder: Path) -> None:
    code, _, error = run(folder, "train", "--preset", "x" * 100_000)
    assert code == 2 and error.count("\n") == 1 and len(error) < 2500
