"""The run of a gallery model, with its live view and rows, and its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.training.gallery import GalleryEntry, get_entry, judge_again, keep_evolution, make_card, write_model
from bench.training.record_training import record_events
from tinygpt.corpora import load_corpus
from tinygpt.evaluation.overlap import TextIndex
from tinygpt.gallery import Card
from tinygpt.gallery.loader import load_gallery_model
from tinygpt.runs.status import report_status
from tinygpt.system.stopping import StopRequest
from tinygpt.terminal.live_view import watch
from tinygpt.training.events import StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.session import run_session

SUITE = "gallery"


def _planned(name: str, out: Path | None, steps: int | None) -> tuple[GalleryEntry, TrainingPlan]:
    entry = get_entry(name)
    if steps is not None:
        entry = replace(entry, steps=steps)
    return entry, entry.plan(out or Path("runs") / f"gallery-{name}")


def train_for_gallery(name: str, out: Path | None, results_root: Path, resume: bool, steps: int | None = None) -> int:
    """Train a gallery model, record the run and keep its samples.

    Args:
        name: a key of ``GALLERY``.
        out: folder of the run; ``runs/gallery-NAME`` when None.
        results_root: the results folder.
        resume: continue a run that was stopped.
        steps: instead of the table's.

    Returns:
        the process's exit code, above 0 if the run was stopped.
    """
    entry, plan = _planned(name, out, steps)
    TextIndex(b"text")  # raises the error of a missing package now, not after half an hour
    corpus = load_corpus(entry.name)
    print(f"corpus {corpus.name}: {corpus.licence}", flush=True)
    stop = StopRequest()
    events = report_status(watch(run_session(plan, corpus, resume=resume, stop=stop), stop=stop))
    code = 0
    for event in keep_evolution(record_events(events, results_root, SUITE), plan.out):
        if isinstance(event, StopRecord):
            code = event.exit_code or int(event.reason == "interrupted")
    return code


def write_to_gallery(name: str, out: Path | None, precision: str, steps: int | None) -> Path:
    """Evaluate a finished run, write its card and weights, read them back, and print the scores.

    Args:
        name: a key of ``GALLERY``.
        out: folder of the run; ``runs/gallery-NAME`` when None.
        precision: of the stored weights.
        steps: the run's, if they were not the table's.

    Returns:
        the model's folder.

    Raises:
        CheckpointError: the run is not complete, or the written files cannot be read back.
    """
    entry, plan = _planned(name, out, steps)
    return _stored(*make_card(entry, plan, load_corpus(entry.name), precision))


def regrade(name: str) -> Path:
    """Evaluate a model of the gallery again, write its card, and print the scores; its weights stay as they are.

    Raises:
        ConfigError: there is no such model.
        CheckpointError: its files are damaged, or its text is not on this machine.
    """
    return _stored(*judge_again(name, load_corpus(get_entry(name).name)))


def _stored(card: Card, data: bytes) -> Path:
    folder = write_model(card, data)
    load_gallery_model(card.name)
    scores, judgement = card.evaluation, card.evaluation["judgement"]
    print(
        f"{folder}: {card.file_bytes:,} bytes in {card.precision}, step {card.steps:,}, held-out loss "
        f"{scores['held_out_loss']:.4f} ({card.float32_held_out_loss:.4f} before rounding): {judgement['grade']}"
        + (", memorized" if judgement["memorized"] else "")
    )
    for reason in judgement["reasons"]:
        print(f"  - {reason}")
    return folder
