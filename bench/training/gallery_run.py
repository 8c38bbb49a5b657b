"""The run of a gallery model, with its live view and rows, and its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.records.provenance import vouched_provenance
from bench.training.gallery import GalleryEntry, get_entry, judge_again, keep_evolution, make_card, write_model
from bench.training.options import GalleryOptions
from bench.training.record_training import record_events
from tinygpt.corpora import load_corpus
from tinygpt.evaluation.overlap import TextIndex
from tinygpt.gallery import Card
from tinygpt.gallery.loader import MODELS, WEIGHTS, load_gallery_model
from tinygpt.runs.status import report_status
from tinygpt.system.stopping import StopRequest
from tinygpt.terminal.live_view import watch
from tinygpt.training.events import StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.session import run_session

SUITE = "gallery"
_CHANGES = ("preset", "tokenizer", "recipe", "steps", "dropout", "engine")  # options that replace the table's settings


def _planned(options: GalleryOptions) -> tuple[GalleryEntry, TrainingPlan]:
    given = {name: value for name in _CHANGES if (value := getattr(options, name)) is not None}
    entry = replace(get_entry(options.name), **given)
    return entry, entry.plan(options.out or Path("runs") / f"gallery-{options.name}")


def train_for_gallery(options: GalleryOptions, results_root: Path) -> int:
    """Train a gallery model, record the run and keep its samples.

    Args:
        options: of the task.
        results_root: the results folder.

    Returns:
        the process's exit code, above 0 if the run was stopped.
    """
    entry, plan = _planned(options)
    if not options.unjudged:
        TextIndex(b"text")  # raises the error of a missing package now, not after half an hour
    corpus = load_corpus(entry.corpus)
    print(f"corpus {corpus.name}: {corpus.licence}", flush=True)
    stop, own = StopRequest(), vouched_provenance(options.commit)
    events = report_status(watch(run_session(plan, corpus, resume=options.resume, stop=stop), stop=stop))
    code = 0
    for event in keep_evolution(record_events(events, results_root, SUITE, code=own), plan.out):
        if isinstance(event, StopRecord):
            code = event.exit_code or int(event.reason == "interrupted")
    return code


def write_to_gallery(options: GalleryOptions) -> Path:
    """Evaluate a finished run, write its card and weights, read them back, and print the scores.

    Returns:
        the model's folder.

    Raises:
        CheckpointError: the run is not complete, or the written files cannot be read back.
    """
    entry, plan = _planned(options)
    own, judges = vouched_provenance(options.commit), not options.unjudged
    made = make_card(entry, plan, load_corpus(entry.corpus), options.precision, code=own, judges=judges)
    root = options.shelf or MODELS
    folder = write_model(*made, root)
    return _shown(load_gallery_model(entry.name, root).card, folder)


def regrade(options: GalleryOptions) -> Path:
    """Evaluate a model of the gallery again, write its card, and print the scores; its weights stay as they are.

    Raises:
        ConfigError: there is no such model.
        CheckpointError: its files are damaged, or its text is not on this machine.
    """
    root = options.shelf or MODELS
    model = load_gallery_model(options.name, root)
    card = judge_again(model, load_corpus(model.card.corpus))
    folder = write_model(card, (root / options.name / WEIGHTS).read_bytes(), model.tokenizer, root)
    return _shown(card, folder)


def _shown(card: Card, folder: Path) -> Path:
    stored = f"{folder}: {card.file_bytes:,} bytes in {card.precision}, step {card.steps:,}"
    if not card.evaluation:
        print(f"{stored}, held-out loss {card.float32_held_out_loss:.4f} before rounding: not judged yet")
        return folder
    scores, judgement = card.evaluation, card.evaluation["judgement"]
    print(
        f"{stored}, held-out loss {scores['held_out_loss']:.4f} ({card.float32_held_out_loss:.4f} before rounding): "
        f"{judgement['grade']}" + (", memorized" if judgement["memorized"] else "")
    )
    for reason in judgement["reasons"]:
        print(f"  - {reason}")
    return folder
