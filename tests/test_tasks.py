"""The tasks as a person types them: bad input gets one clear line and an exit code, good input what it asked for."""

import os
import subprocess
import sys

import pytest
from invoke import Program

import tasks
from tests import ROOT
from tinygpt.checkpoints.checkpoint import save_checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.params import initial_parameters


def invoke(*arguments, cwd=ROOT, **environment):
    return subprocess.run(
        [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "checkpoint"
    model = ModelConfig(1, 16, 2, 16)
    save_checkpoint(folder, model, TrainConfig(batch_size=2), initial_parameters(model, 0))
    return folder


BAD_INPUT = {
    "unknown preset": (["train", "--preset", "smal"], ["unknown preset 'smal'", "did you mean 'small'", "run:"]),
    "unknown engine": (["train", "--engine", "numpi"], ["unknown engine 'numpi'", "did you mean 'numpy'", "run:"]),
    "unknown corpus": (
        ["train", "--corpus", "shakespear"],
        ["unknown corpus 'shakespear'", "did you mean 'shakespeare'"],
    ),
    "unknown option of an engine": (["train", "--engine", "vectorized[thread=2]"], ["did you mean 'threads'"]),
    "missing file": (["train", "--corpus", "file:nowhere.txt"], ["nowhere.txt"]),
    "steps that are not a number of steps": (["train", "--steps", "0"], ["steps is 0", "allowed:"]),
    "steps that are not a number": (["train", "--steps", "abc"], ["--steps is 'abc'", "a whole number"]),
    "a learning rate of nothing": (["train", "--learning-rate", "0"], ["learning_rate is 0.0", "above 0"]),
    "no texts to sample": (["sample", "--checkpoint", "x", "--count", "0"], ["--count is 0", "1 or more"]),
    "a temperature in words": (["sample", "--checkpoint", "x", "--temperature", "warm"], ["'warm'", "a number"]),
    "a port in words": (["serve", "--port", "http"], ["'http'", "a whole number"]),
    "an empty file": (["train", "--corpus", "file:/dev/null"], ["/dev/null"]),
    "prompt longer than the context": (["train", "--preset", "tiny", "--prompt", "x" * 33], ["33", "32"]),
    "missing checkpoint": (["sample", "--checkpoint", "nowhere"], ["nowhere", "run:"]),
    "a run that is not there to stop": (["runs", "stop", "nowhere"], ["unknown run 'nowhere'", "run: invoke runs"]),
    "a run that is not there to restore": (["restore", "nowhere"], ["unknown run 'nowhere'"]),
    "a folder of runs that is not there": (["runs"], ["there is no folder runs", "run: invoke train"]),
    "a start that is recorded": (["train", "--start-from", "x", "--record"], ["--record with --start-from"]),
    "minutes with a batch": (["train", "--minutes", "5", "--batch", "4"], ["--minutes with --batch", "one of the two"]),
    "nothing to keep": (["train", "--keep", "-1"], ["keep is -1", "0 or more"]),
    "nothing to resume in the background": (
        ["train", "--out", "x", "--resume", "--detach"],
        ["x holds no checkpoint", "run: invoke train"],
    ),
    "unknown suite": (["bench", "--suite", "fast"], ["unknown suite 'fast'", "quick, standard, full"]),
    "unknown preset to measure": (
        ["bench", "--presets", "tiny,hige"],
        ["unknown preset 'hige'", "did you mean 'huge'"],
    ),
    "unknown engine to measure": (["bench", "--engines", "torhc"], ["unknown engine 'torhc'", "did you mean 'torch'"]),
    "a run that is not there to resume": (
        ["bench", "--resume", "last"],
        ["no unfinished run 'last'", "run: invoke bench"],
    ),
    "a commit that is none": (["bench", "--against", "nowhere"], ["'nowhere' is no commit", "git log"]),
    "runs that are not there to compare": (["compare", "a", "b"], ["'a' names no run", "invoke results show --all"]),
    "folders without results to merge": (["results", "merge", "--dirs", "nowhere"], ["nowhere holds no results"]),
    "minutes in words": (["estimate", "--minutes", "ten"], ["--minutes is 'ten'", "a number"]),
    "unknown format": (["results", "export", "--format", "xls"], ["unknown format 'xls'", "csv"]),
    "unknown action on results": (["results", "shwo"], ["'shwo'", "show, publish, merge, export"]),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_one_clear_line(case, tmp_path, monkeypatch, capfd):
    """In this process, which spares each case the start of an interpreter; further below are real ones."""
    arguments, expected = BAD_INPUT[case]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["invoke", "--search-root", str(ROOT), *arguments])
    with pytest.raises(SystemExit) as ended:
        Program(binary="invoke").run()
    said, complaint = capfd.readouterr()
    assert ended.value.code not in (0, 1), complaint
    lines = complaint.strip().splitlines()
    assert len(lines) == 1, complaint
    assert lines[0].startswith("error: ")
    assert said == ""
    for words in expected:
        assert words in lines[0]
    assert not list(tmp_path.iterdir()), "a refused command leaves nothing behind"


def test_a_prompt_longer_than_the_context_is_refused_when_sampling(checkpoint):
    done = invoke("sample", "--checkpoint", str(checkpoint), "--prompt", "y" * 17)
    assert done.returncode == 2
    assert "17" in done.stderr
    assert "16" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_truncated_checkpoint_is_refused(checkpoint, tmp_path):
    for file in checkpoint.iterdir():
        data = file.read_bytes()
        (tmp_path / file.name).write_bytes(data[: len(data) // 2] if file.suffix == ".safetensors" else data)
    done = invoke("sample", "--checkpoint", str(tmp_path))
    assert done.returncode == 2
    assert "model.safetensors" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_results_file_that_is_not_parquet_is_named(tmp_path):
    (tmp_path / "results" / "local").mkdir(parents=True)
    (tmp_path / "results" / "local" / "runs-mine.parquet").write_text("not Parquet")
    done = invoke("results", "show", cwd=tmp_path)
    assert done.returncode == 2
    assert "runs-mine.parquet" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_sample_streams_text_and_ends_with_its_speed(checkpoint):
    done = invoke("sample", "--checkpoint", str(checkpoint), "--prompt", "To be", "--tokens", "40", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("To be")
    assert "tokens/s" in done.stderr
    assert "first token" in done.stderr
    again = invoke("sample", "--checkpoint", str(checkpoint), "--prompt", "To be", "--tokens", "40", "--seed", "3")
    assert again.stdout == done.stdout


def test_several_prompts_and_a_count_are_written_together(checkpoint):
    options = ["--checkpoint", str(checkpoint), "--tokens", "10", "--seed", "3", "--count", "2"]
    done = invoke("sample", "--prompt", "To be", "--prompt", "or", *options)
    assert done.returncode == 0, done.stderr
    starts = [
        "--- 1 of 4, seed 3\nTo be",
        "--- 2 of 4, seed 4\nTo be",
        "--- 3 of 4, seed 5\nor",
        "--- 4 of 4, seed 6\nor",
    ]
    places = [done.stdout.find(start) for start in starts]
    assert places[0] == 0 and places == sorted(places)
    assert "40 tokens in 4 texts" in done.stderr


def test_train_then_resume(tmp_path):
    run = ["train", "--preset", "tiny", "--corpus", "stories", "--steps", "4", "--out", str(tmp_path / "run")]
    done = invoke(*run)
    assert done.returncode == 0, done.stderr
    assert {"config.json", "model.safetensors"} <= {file.name for file in (tmp_path / "run").iterdir()}
    refused = invoke(*run)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    longer = [*run[:6], "8", *run[7:], "--resume"]
    assert invoke(*longer).returncode == 0


def test_another_projects_folder_is_not_taken_for_the_checkout(tmp_path):
    (tmp_path / "mkdocs.yml").write_text("site_name: somebody else's\n")
    done = invoke("site", cwd=tmp_path)
    assert done.returncode == 2
    assert "no TinyGPT checkout" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["mkdocs.yml"]


def test_every_task_says_what_it_is():
    listing = invoke("--list")
    assert listing.returncode == 0
    for name in ("train", "sample", "bench", "compare", "results", "site", "serve", "demo", "test", "parity"):
        line = next(line for line in listing.stdout.splitlines() if line.split()[:1] == [name])
        assert len(line.split()) > 3, f"{name} has no description"


def test_options_go_by_their_names_alone():
    for context in tasks.namespace.to_contexts():
        assert not [name for name in context.flags if len(name) < 4 or not name.startswith("--")], context.name


def test_the_console_script_names_itself_in_what_it_says(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/tinygpt", "train", "--preset", "smal"])
    with pytest.raises(SystemExit):
        tasks.main()
    assert capfd.readouterr().err.strip().endswith("run: tinygpt train --preset small")


def test_the_console_script_offers_the_same_tasks(tmp_path):
    code = "import sys; sys.argv[0] = 'tinygpt'; import tasks; tasks.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--list"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {"train", "sample", "bench", "site"} <= {
        line.split()[0] for line in done.stdout.splitlines() if line.strip()
    }
