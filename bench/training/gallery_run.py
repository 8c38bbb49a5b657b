"""The run of a gallery model or adapter, with its live view and rows, and its card."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from bench.records.provenance import vouched_provenance
from bench.training.gallery import GALLERY, GalleryEntry, judge_again, keep_evolution, make_card, model_files
from bench.training.gallery_adapters import GALLERY_ADAPTERS, AdapterEntry, make_adapter_card
from bench.training.gallery_cards import write_folder
from bench.training.options import GalleryOptions
from bench.training.record_training import record_events
from tinygpt.corpora import load_corpus
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.evaluation.overlap import TextIndex
from tinygpt.gallery import Card
from tinygpt.gallery.card import ADAPTERS, MODELS, WEIGHTS, AdapterCard
from tinygpt.gallery.loader import load_gallery_model
from tinygpt.gallery.sources import load_gallery_adapter
from tinygpt.runs.status import report_status
from tinygpt.system.stopping import StopRequest
from tinygpt.terminal.live_view import watch
from tinygpt.training.events import StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.session import run_session

SUITE = "gallery"
# Options that replace the table's settings; an adapter has no others than its steps.
_CHANGES = ("preset", "tokenizer", "recipe", "steps", "dropout", "engine")


def get_entry(name: str) -> GalleryEntry | AdapterEntry:
    """Look a model or an adapter up by name.

    Raises:
        ConfigError: none has this name; the message suggests the nearest one.
    """
    entries: dict[str, GalleryEntry | AdapterEntry] = {**GALLERY, **GALLERY_ADAPTERS}
    if name not in entries:
        raise unknown_name("gallery model", name, entries, "invoke gallery train shakespeare")
    return entries[name]


def _planned(options: GalleryOptions) -> tuple[GalleryEntry | AdapterEntry, TrainingPlan]:
    given = {name: value for name in _CHANGES if (value := getattr(options, name)) is not None}
    entry = get_entry(options.name)
    for name in given.keys() - {field.name for field in fields(entry)}:
        problem = f"--{name} with the adapter {options.name}, which has the {name} of its base"
        raise ConfigError(problem, "--steps", f"the same command without --{name}")
    entry = replace(entry, **given)
    return entry, entry.plan(options.out or Path("runs") / f"gallery-{options.name}")


def train_for_gallery(options: GalleryOptions, results_root: Path) -> int:
    """Train a gallery model, record the run and keep its samples; or train an adapter.

    Args:
        options: of the task.
        results_root: the results folder.

    Returns:
        the process's exit code, above 0 if the run was stopped.
    """
    entry, plan = _planned(options)
    is_model = isinstance(entry, GalleryEntry)
    if is_model and not options.unjudged:
        TextIndex(b"text")  # raises the error of a missing package now, not after half an hour
    corpus = load_corpus(entry.corpus)
    print(f"corpus {corpus.name}: {corpus.licence}", flush=True)
    stop, own, code = StopRequest(), vouched_provenance(options.commit), 0
    events = report_status(watch(run_session(plan, corpus, resume=options.resume, stop=stop), stop=stop))
    if is_model:  # recorded runs start from their seed
        events = keep_evolution(record_events(events, results_root, SUITE, code=own), plan.out)
    for event in events:
        if isinstance(event, StopRecord):
            code = event.exit_code or int(event.reason == "interrupted")
    return code


def write_to_gallery(options: GalleryOptions) -> Path:
    """Evaluate a finished run, write its card and files, read them back, and print the scores.

    Returns:
        the folder of the model or adapter.

    Raises:
        CheckpointError: the run is not complete, or the written files cannot be read back.
    """
    entry, plan = _planned(options)
    own, corpus = vouched_provenance(options.commit), load_corpus(entry.corpus)
    if isinstance(entry, AdapterEntry):
        root = options.shelf or ADAPTERS
        card, files = make_adapter_card(entry, plan, corpus, own)
        folder = write_folder(card, files, root)
        load_gallery_adapter(entry.name, root)
        return _shown_adapter(card, folder)
    root = options.shelf or MODELS
    made, files = make_card(entry, plan, corpus, options.precision, code=own, judges=not options.unjudged)
    folder = write_folder(made, files, root)
    return _shown(load_gallery_model(entry.name, root).card, folder)


def regrade(options: GalleryOptions) -> Path:
    """Evaluate a model of the gallery again, write its card, and print the scores; its weights stay as they are.

    Raises:
        ConfigError: there is no such model.
        CheckpointError: its files are damaged, or its text is not on this machine.
    """
    if options.name in GALLERY_ADAPTERS:
        problem = f"judge with the adapter {options.name}"
        raise ConfigError(problem, "train or card", f"invoke gallery card {options.name}")
    root = options.shelf or MODELS
    model = load_gallery_model(options.name, root)
    card = judge_again(model, load_corpus(model.card.corpus))
    files = model_files((root / options.name / WEIGHTS).read_bytes(), model.tokenizer)
    return _shown(card, write_folder(card, files, root))


def _shown_adapter(card: AdapterCard, folder: Path) -> Path:
    losses = f"held-out loss {card.loss_before:.3f} before and {card.loss_after:.3f} after"
    print(f"{folder}: {card.seconds:.0f} s, {losses}")
    return folder


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
