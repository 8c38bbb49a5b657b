"""Tasks about trained models: evaluate one, race to a loss, sweep the learning rate, make the gallery."""

from __future__ import annotations

from pathlib import Path

from invoke import Context, Exit, task

from tinygpt.errors import ConfigError
from tinygpt.terminal.options import real_number, reports_errors, results_folder, whole_number
from tinygpt.terminal.quantities import or_dash


@task(
    help={
        "checkpoint": "folder that `invoke train` wrote, or any GPT-2 folder with a byte vocabulary",
        "model": "a gallery model instead, such as shakespeare",
        "corpus": "text to evaluate on; the one that the model was trained on when omitted",
        "corpus-file": "the corpus tinyshakespeare as a file that you have",
        "texts": "that the model writes, with the seeds 0, 1, …",
        "tokens": "bytes of each text",
        "temperature": "of the texts",
        "json": "print everything as JSON, texts included",
    }
)
@reports_errors
def evaluate(
    c: Context,
    checkpoint: str = "",
    model: str = "",
    corpus: str = "",
    corpus_file: str = "",
    texts: str = "8",
    tokens: str = "1000",
    temperature: str = "0.8",
    json: bool = False,
) -> None:
    """Say how well a model writes and how much of it is memory: held-out loss, real words, copies, a verdict."""
    from tinygpt.corpora import load_corpus
    from tinygpt.evaluation import EvaluationSettings, evaluate_model
    from tinygpt.evaluation.subject import load_subject
    from tinygpt.terminal.evaluation_view import print_evaluation

    settings = EvaluationSettings(
        whole_number("texts", texts), whole_number("tokens", tokens), real_number("temperature", temperature)
    )
    subject = load_subject(checkpoint, model)
    text = load_corpus(subject.corpus_name(corpus), path=corpus_file or None)
    result = evaluate_model(subject.model, text, settings)
    if json:
        print(result.as_json())
        return
    print_evaluation(result)
    if subject.trained_on not in (None, text.sha256):
        print("note: this is not the text that the model was trained on; copies are looked for in it all the same")


@task(
    help={
        "engines": "comma-separated: ours and rivals; ratios are against the first",
        "preset": "model and batch; nanogpt is nanoGPT's for a CPU",
        "corpus": "what everybody trains on",
        "corpus-file": "the corpus tinyshakespeare as a file that you have",
        "recipe": "constant, warmup, cosine or nanogpt",
        "steps": "updates",
        "learning-rate": "instead of the recipe's",
        "dropout": "share of the numbers that dropout sets to 0; rivals have none",
        "target": "held-out loss to reach, nats per byte",
        "seed": "of the starting weights and the batches",
    }
)
@reports_errors
def race(
    c: Context,
    engines: str = "vectorized,torch,torch-mkl-avx512",
    preset: str = "nanogpt",
    corpus: str = "tinyshakespeare",
    corpus_file: str = "",
    recipe: str = "nanogpt",
    steps: str = "2000",
    learning_rate: str = "",
    dropout: str = "",
    target: str = "1.9",
    seed: str = "0",
) -> None:
    """Train one recipe with several engines, one after the other, and record who reaches a loss when."""
    from bench.arms.variants import split_names
    from bench.terminal.show_race import print_evaluation_line, print_race
    from bench.training.race import Race, run_race
    from tinygpt.corpora import load_corpus
    from tinygpt.training.plan import TrainingPlan

    plan = TrainingPlan(
        Path("runs/race"),
        preset=preset,
        corpus=corpus,
        steps=whole_number("steps", steps),
        seed=whole_number("seed", seed),
        recipe=recipe,
        learning_rate=real_number("learning-rate", learning_rate) if learning_rate else None,
        dropout=real_number("dropout", dropout) if dropout else None,
    )
    wanted = Race(plan, tuple(split_names(engines)), real_number("target", target))
    text = load_corpus(corpus, path=corpus_file or None)
    result = run_race(wanted, text, results_folder(), print_evaluation_line)
    print_race(result)
    if result.exit_code:
        raise Exit(code=result.exit_code)


@task(
    help={
        "preset": "model and batch",
        "corpus": "what is trained on",
        "engine": "python, numpy or vectorized",
        "steps": "updates of each run",
        "rates": "comma-separated learning rates",
        "recipes": "comma-separated: constant, warmup, cosine, nanogpt",
        "seed": "of the starting weights and the batches",
    }
)
@reports_errors
def sweep(
    c: Context,
    preset: str = "tiny",
    corpus: str = "shakespeare",
    engine: str = "vectorized",
    steps: str = "2000",
    rates: str = "1e-4,3e-4,1e-3,3e-3,1e-2,3e-2",
    recipes: str = "constant,warmup,cosine",
    seed: str = "0",
) -> None:
    """Train at several learning rates and record every run; the figure of the sweep is on the site."""
    from bench.arms.variants import split_names
    from bench.training.sweep import run_sweep
    from tinygpt.corpora import load_corpus
    from tinygpt.training.plan import TrainingPlan

    plan = TrainingPlan(
        Path("runs/sweep"),
        preset=preset,
        corpus=corpus,
        engine=engine,
        steps=whole_number("steps", steps),
        seed=whole_number("seed", seed),
    )
    numbers = [real_number("rates", rate) for rate in split_names(rates)]
    for point in run_sweep(plan, load_corpus(corpus), results_folder(), numbers, split_names(recipes)):
        loss = or_dash(point.held_out_loss, ".4f")
        print(f"{point.recipe:<10} {point.learning_rate:<8g} {point.status:<12} held-out loss {loss}", flush=True)
        if point.exit_code:
            raise Exit(code=point.exit_code)


@task(
    positional=["action", "name"],
    help={
        "action": "train (then evaluate and store) or card (evaluate and store a finished run again)",
        "name": "shakespeare, kjv, python or stories",
        "out": "folder of the run; runs/gallery-NAME when omitted",
        "resume": "go on with a run that was stopped",
        "steps": "updates, instead of the table's",
        "precision": "of the stored weights: int8 or float16",
    },
)
@reports_errors
def gallery(
    c: Context,
    action: str,
    name: str,
    out: str = "",
    resume: bool = False,
    steps: str = "",
    precision: str = "int8",
) -> None:
    """Make the models that come with the package: train, evaluate, store in int8, write the card."""
    from bench.training.gallery_run import train_for_gallery, write_to_gallery

    if action not in ("train", "card"):
        raise ConfigError(f"gallery action is {action!r}", "train, card", "invoke gallery train shakespeare")
    folder = Path(out) if out else None
    count = whole_number("steps", steps) if steps else None
    if action == "train":
        code = train_for_gallery(name, folder, results_folder(), resume, count)
        if code:
            raise Exit(code=code)
    write_to_gallery(name, folder, precision, count)
