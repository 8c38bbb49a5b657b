"""The tasks as a person types them: bad input gets one clear line and an exit code, good input what it asked for."""

import io
import os
import subprocess
import sys

import pytest

from sitegen.commands.program import main, namespace
from tests import ROOT
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.params import initial_parameters
from tinygpt.terminal.samples import print_sample
from tinygpt.tokenizers import BYTES


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "checkpoint"
    model = ModelConfig(1, 16, 2, 16)
    save_checkpoint(folder, Checkpoint(model, TrainConfig(batch_size=2), initial_parameters(model, 0)))
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
    "a temperature in words": (["sample", "--checkpoint", "x", "--temperature", "warm"], ["'warm'", "a finite number"]),
    "a port in words": (["serve", "--port", "http"], ["'http'", "a whole number"]),
    "an empty file": (["train", "--corpus", "file:/dev/null"], ["/dev/null"]),
    "a shape whose heads do not divide": (["train", "--preset", "small[d_model=100]"], ["d_model is 100", "n_heads"]),
    "an unknown part of a shape": (["bench", "--presets", "tiny[layers=1]"], ["'layers'", "did you mean 'n_layers'"]),
    "a shape that is not closed": (["estimate", "--preset", "tiny[n_layers=1"], ["no closing bracket"]),
    "a decay that is no decay": (["train", "--betas", "0.9"], ["betas is (0.9,)", "two numbers in [0, 1)"]),
    "no updates between evaluations": (["train", "--eval-every", "0"], ["eval_every is 0", "1 or more"]),
    "minutes with an interval": (["train", "--minutes", "5", "--eval-every", "9"], ["--minutes with --eval-every"]),
    "an empty stop string": (["sample", "--model", "x", "--stop-strings", ""], ["--stop-strings is empty"]),
    "a nucleus of nothing": (["sample", "--model", "x", "--top-p", "0"], ["top_p is 0.0", "above 0, at most 1"]),
    "a share above all": (["sample", "--model", "x", "--min-p", "1.5"], ["min_p is 1.5", "from 0 to 1"]),
    "a penalty of nothing": (["sample", "--repetition-penalty", "0"], ["repetition_penalty is 0.0", "above 0"]),
    "turns of several texts": (["sample", "--interactive", "--count", "2"], ["--interactive with several texts"]),
    "missing checkpoint": (["sample", "--checkpoint", "nowhere"], ["nowhere", "run:"]),
    "a run that is not there to stop": (["runs", "stop", "nowhere"], ["unknown run 'nowhere'", "run: invoke runs"]),
    "a run that is not there to restore": (["restore", "nowhere"], ["unknown run 'nowhere'"]),
    "a folder of runs that is not there": (["runs"], ["there is no folder runs", "run: invoke train"]),
    "a start that is recorded": (["train", "--start-from", "x", "--record"], ["--record with --start-from"]),
    "a start with a preset": (
        ["train", "--start-from", "x", "--preset", "tiny"],
        ["--preset with --start-from", "--context and --batch"],
    ),
    "a context without a start": (
        ["train", "--preset", "tiny", "--context", "16"],
        ["--context without --start-from", "run: invoke train --preset 'tiny[context_length=16]'"],
    ),
    "a mistyped GPT-2": (["sample", "--checkpoint", "gtp2"], ["no folder gtp2", "did you mean 'gpt2'", "run:"]),
    "minutes with a batch": (["train", "--minutes", "5", "--batch", "4"], ["--minutes with --batch", "one of the two"]),
    "nothing to keep": (["train", "--keep", "-1"], ["keep is -1", "0 or more"]),
    "nothing to resume in the background": (
        ["train", "--out", "x", "--resume", "--detach"],
        ["there is no folder x to resume", "--auto-resume"],
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
    "minutes in words": (["estimate", "--minutes", "ten"], ["--minutes is 'ten'", "a finite number"]),
    "unknown format": (["results", "export", "--format", "xls"], ["unknown format 'xls'", "csv"]),
    "unknown action on results": (
        ["results", "shwo"],
        ["'shwo'", "did you mean 'show'", "show, publish, merge, export"],
    ),
    "a corpus that is a file": (["train", "--corpus", "notes.txt"], ["'notes.txt'", "did you mean 'file:notes.txt'"]),
    "more steps than a number holds": (["train", "--steps", "1" * 401], ["--steps is '1111", "below 2^63"]),
    "more minutes than a number holds": (["train", "--minutes", "1" * 401], ["--minutes is '1111", "a finite number"]),
    "an empty value, as of a variable that is not set": (["train", "--steps", "", "--out="], ["is empty", "allowed:"]),
    "more minutes than a year has": (["train", "--minutes", "1e300"], ["minutes is 1e+300", "525,600", "run:"]),
    "an estimate for a text that is not there": (["estimate", "--corpus", "file:/nope"], ["there is no file '/nope'"]),
    "an estimate for an unknown corpus": (["estimate", "--corpus", "kvj"], ["unknown corpus 'kvj'", "'kjv'"]),
    "a name longer than the system has": (
        ["train", "--auto-resume", "--out", "x" * 300],
        ["too long", "run: invoke --help train"],
    ),
    "unknown task": (["trian"], ["unknown task 'trian'", "did you mean 'train'", "run: invoke --list"]),
    "unknown task to be helped with": (["--help", "trian"], ["unknown task 'trian'", "did you mean 'train'"]),
    "unknown option": (
        ["train", "--stepz", "3"],
        ["train has no option '--stepz'", "'--steps'", "run: invoke --help train"],
    ),
    "an option with an underscore": (["sample", "--top_k", "4"], ["'--top_k'", "did you mean '--top-k'"]),
    "another program's name of an option": (["train", "--lr", "1e-3"], ["'--lr'", "did you mean '--learning-rate'"]),
    "what the preset decides": (["train", "--layers=3"], ["'--layers'", "the preset decides", "'--preset'"]),
    "what steps decide": (["train", "--epochs", "3"], ["'--epochs'", "--minutes", "'--steps'"]),
    "a word without an option": (["sample", "runs/node"], ["'runs/node'", "did you mean '--checkpoint runs/node'"]),
    "an option without a value": (["train", "--steps"], ["--steps has no value", "a whole number"]),
    "a prompt without a value": (["sample", "--checkpoint", "x", "--prompt"], ["--prompt has no value"]),
    "an option in a value's place": (["sample", "--prompt", "--tokens", "3"], ["--prompt has no value"]),
    "a flag with a value": (["train", "--resume=yes"], ["--resume has the value 'yes'", "--resume alone"]),
    "an option given twice": (["train", "--steps", "1", "--steps", "2"], ["--steps is given twice"]),
    "one of two required words": (["compare", "a"], ["compare was not given AFTER", "run: invoke --help compare"]),
    "no run to stop": (["runs", "stop"], ["stop was not given NAME"]),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_one_clear_line(case, typed, tmp_path):
    arguments, expected = BAD_INPUT[case]
    done = typed(*arguments)
    assert done.returncode not in (0, 1), done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert done.stdout == ""
    for words in expected:
        assert words in lines[0]
    assert not list(tmp_path.iterdir()), "a refused command leaves nothing behind"


def test_of_a_prompt_longer_than_the_context_its_end_is_read_when_sampling(checkpoint, typed):
    done = typed("sample", "--checkpoint", str(checkpoint), "--prompt", "y" * 17, "--tokens", "4")
    assert done.returncode == 0, done.stderr
    assert "17 bytes, and the model sees the last 16 of them" in done.stderr


def test_a_truncated_checkpoint_is_refused(checkpoint, typed, tmp_path):
    for file in checkpoint.iterdir():
        data = file.read_bytes()
        (tmp_path / file.name).write_bytes(data[: len(data) // 2] if file.suffix == ".safetensors" else data)
    done = typed("sample", "--checkpoint", str(tmp_path))
    assert done.returncode == 2
    assert "model.safetensors" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_results_file_that_is_not_parquet_is_named(typed, tmp_path):
    (tmp_path / "results" / "local").mkdir(parents=True)
    (tmp_path / "results" / "local" / "runs-mine.parquet").write_text("not Parquet")
    done = typed("results", "show")
    assert done.returncode == 2
    assert "runs-mine.parquet" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_bytes_of_the_command_line_that_are_not_text_reach_the_model(checkpoint):
    prompt, expected = b"caf\xe9", io.StringIO()
    assert BYTES.encode(os.fsdecode(prompt)).tobytes() == prompt
    settings = SamplingSettings(40, 0.9, None, 3)
    print_sample(load_checkpoint(checkpoint), prompt, settings, out=expected, info=io.StringIO())
    options = ["--checkpoint", str(checkpoint), "--tokens", "40", "--temperature", "0.9", "--seed", "3"]
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "sample", "--prompt", prompt, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == expected.getvalue(), done.stderr


def test_sample_streams_text_and_ends_with_its_speed(checkpoint, typed):
    done = typed("sample", "--checkpoint", str(checkpoint), "--prompt", "To be", "--tokens", "40", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("To be")
    assert "tokens/s" in done.stderr
    assert "first token" in done.stderr
    again = typed("sample", "--checkpoint", str(checkpoint), "--prompt", "To be", "--tokens", "40", "--seed", "3")
    assert again.stdout == done.stdout


def test_several_prompts_and_a_count_are_written_together(checkpoint, typed):
    options = ["--checkpoint", str(checkpoint), "--tokens", "10", "--seed", "3", "--count", "2"]
    done = typed("sample", "--prompt", "To be", "--prompt", "or", *options)
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


def test_train_then_resume(typed, tmp_path):
    run = ["train", "--preset", "tiny", "--corpus", "stories", "--steps", "4", "--out", str(tmp_path / "run")]
    done = typed(*run)
    assert done.returncode == 0, done.stderr
    assert {"config.json", "model.safetensors"} <= {file.name for file in (tmp_path / "run").iterdir()}
    refused = typed(*run)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    longer = [*run[:6], "8", *run[7:], "--resume"]
    assert typed(*longer).returncode == 0


def test_another_projects_folder_is_not_taken_for_the_checkout(typed, tmp_path):
    (tmp_path / "mkdocs.yml").write_text("site_name: somebody else's\n")
    done = typed("site")
    assert done.returncode == 2
    assert "no TinyGPT checkout" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["mkdocs.yml"]


def test_every_task_says_what_it_is(typed):
    listing = typed("--list")
    assert listing.returncode == 0
    for name in ("train", "sample", "bench", "compare", "results", "site", "serve", "demo", "test", "parity"):
        line = next(line for line in listing.stdout.splitlines() if line.split()[:1] == [name])
        assert len(line.split()) > 3, f"{name} has no description"


def test_options_go_by_their_names_alone():
    for context in namespace.to_contexts():
        assert not [name for name in context.flags if len(name) < 4 or not name.startswith("--")], context.name


def test_every_option_has_a_help():
    for task in namespace.tasks.values():
        assert not [option.name for option in task.options if not option.help], task.name


def test_the_threshold_is_that_of_comparisons():
    from bench.statistics.compare import THRESHOLD
    from bench.terminal.commands import BenchOptions, CompareOptions

    assert BenchOptions.threshold == CompareOptions.threshold == THRESHOLD


def test_help_after_a_task_and_before_it_is_the_same(typed):
    before = typed("--help", "train").stdout
    assert typed("train", "--steps", "3", "--help").stdout == before
    assert "--start-from=TEXT" in before


EXTRAS = (
    "pandas", "pyarrow", "scipy", "altair", "mkdocs", "vl_convert", "math_core", "pydivsufsort", "pytest", "mypy",
    "ruff", "torch", "jax", "transformers", "datasets",
)  # fmt: skip


def test_looking_at_the_tasks_imports_no_extra():
    code = (
        "import sys\n"
        f"sys.modules |= dict.fromkeys({EXTRAS})\n"
        "from sitegen.commands.program import main\n"
        "main(['tinygpt', '--list'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_task_that_needs_an_extra_says_so_and_fails_without_it():
    """In one process without the extras: each task that needs one, with as few words as it takes."""
    words = {"compare": ["a", "b"], "embed": ["speedup"], "gallery": ["card", "kjv"], "results": ["show"],
             "accelerator": ["rows"], "accelerator-train": ["rows"], "evaluate": ["--model", "shakespeare"],
             "checks": None, "sweep": ["--corpus", "stories"], "race": ["--corpus", "stories"]}  # fmt: skip
    tasks = {name: task.needs for name, task in namespace.tasks.items() if task.needs}
    asked = [[name, *words.get(name, [])] for name in tasks if words.get(name, []) is not None]
    code = (
        "import sys\n"
        f"sys.modules |= dict.fromkeys({EXTRAS})\n"
        "from sitegen.commands.program import main\n"
        f"for words in {asked}:\n"
        "    try: main(['tinygpt', *words])\n"
        "    except SystemExit as ended: print(words[0], ended.code, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert lines[1::2] == [f"{words[0]} 2" for words in asked], done.stderr
    for line, (name, *_) in zip(lines[::2], asked, strict=True):
        assert f"tinygpt[{tasks[name]}]" in line, line
        assert f"needs the extra `{tasks[name]}`" in namespace.tasks[name].__doc__


def test_the_console_script_names_itself_in_what_it_says(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/tinygpt", "train", "--preset", "smal"])
    with pytest.raises(SystemExit):
        main()
    assert capfd.readouterr().err.strip().endswith("run: tinygpt --help train")


def test_the_package_offers_the_same_tasks_whatever_tasks_py_is_near(tmp_path):
    (tmp_path / "tasks.py").write_text("raise SystemExit('the tasks of another project')")
    done = subprocess.run(
        [sys.executable, "-m", "tinygpt", "--list"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "site")))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {"train", "sample", "bench", "site"} <= {
        line.split()[0] for line in done.stdout.splitlines() if line.strip()
    }


@pytest.mark.parametrize(
    "words", ["-D x", "-T x doctor", "-f /nosuch train", "-f .. train", "-D", "--list nosuch", "-F xx -l"]
)
def test_options_before_the_task_have_one_line_errors_too(words, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/tinygpt", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    error = capfd.readouterr().err
    assert ended.value.code == 2
    assert error.startswith("error: ") and error.count("\n") == 1 and error.endswith("run: tinygpt --help\n")


def test_only_a_prompt_may_be_empty():
    assert {
        option.name for task in namespace.tasks.values() for option in task.options if option.may_be_empty
    } == {"prompt"}  # fmt: skip


def test_the_shell_completes_options(typed):
    done = typed("--complete", "--", "invoke", "train", "--st")
    assert {"--steps", "--start-from"} <= {*done.stdout.split()}, done.stderr
