"""The parts that all cards of the gallery share: the finished run, its fields, and the folder that holds a card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.arms.devices import on_accelerator
from bench.records.machine import fresh_machine
from bench.records.provenance import Provenance, read_provenance
from bench.records.scrub import recorded_corpus
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import BEST, KEPT
from tinygpt.corpora import Corpus
from tinygpt.corpora.token_files import corpus_tokens
from tinygpt.engines import format_variant, parse_variant
from tinygpt.errors import CheckpointError
from tinygpt.gallery.card import CARD, CARD_VERSION, TrainedCard
from tinygpt.gallery.sources import load_run
from tinygpt.schedule import optimizer_text
from tinygpt.system.files import write_file
from tinygpt.system.staging import replace_files
from tinygpt.trained import n_trained
from tinygpt.training.plan import TrainingPlan


def best_folder(out: Path) -> Path:
    """Return the folder of a run's best checkpoint: the newest one if no evaluation has kept another."""
    kept = out / KEPT / BEST
    return kept if kept.is_dir() else out


def finished_run(name: str, plan: TrainingPlan, corpus: Corpus) -> tuple[Checkpoint, Checkpoint]:
    """Load the newest and the best checkpoint of a run for the gallery.

    Raises:
        CheckpointError: the folder has no complete run, or its run was trained on another text.
    """
    newest, best, run = load_run(plan.out), load_run(best_folder(plan.out)), f"invoke gallery train {name}"
    if best.training is None or newest.training is None:
        problem = f"{plan.out} has weights but no training state"
        raise CheckpointError(problem, "a folder that invoke gallery train wrote", run)
    if (found := best.training.corpus_sha256) != corpus.sha256:
        problem = f"{plan.out} was trained on another text ({found[:12]}…)"
        raise CheckpointError(problem, f"{corpus.name}, {corpus.sha256[:12]}…", f"{run} --out DIR")
    return newest, best


def trained_fields(
    name: str,
    plan: TrainingPlan,
    corpus: Corpus,
    newest: Checkpoint,
    best: Checkpoint,
    data: bytes,
    code: Provenance | None = None,
) -> dict[str, Any]:
    """Return the fields that every card has.

    Args:
        name: of the model or the adapter.
        plan: of its run.
        corpus: the text.
        newest, best: from :func:`finished_run`.
        data: contents of the file with the tensors.
        code: commit of the code that trained; the checkout's when omitted.
    """
    state, last, train = best.training, newest.training, best.train
    assert state is not None and last is not None  # as finished_run checks
    machine = json.loads(fresh_machine())
    keys = ("accelerator",) if on_accelerator(plan.engine) else ("cpu", "cores")
    read = state.step * train.rows_per_step * best.config.context_length
    return {
        "version": CARD_VERSION,
        "name": name,
        "corpus": recorded_corpus(corpus.name),
        "corpus_sha256": corpus.sha256,
        "licence": corpus.licence,
        "source": corpus.source,
        "n_parameters": n_trained(best.config, train),
        "engine": format_variant(parse_variant(plan.engine)[0], state.engine_options),
        "recipe": optimizer_text(train),
        "train": asdict(train) | {"betas": [*train.betas]},  # as JSON has it
        "steps": state.step,
        "tokens": round(read * corpus_tokens(corpus, best.tokenizer).bytes_per_token),
        "seed": plan.seed,
        "seconds": last.elapsed_seconds,
        "machine": {key: machine.get(key) for key in keys},
        "commit": (code or read_provenance()).commit,
        "trained_on": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": f"invoke gallery train {name}",
        "file_bytes": len(data),
        "file_sha256": hashlib.sha256(data).hexdigest(),
    }


def write_folder(card: TrainedCard, files: Mapping[str, bytes], root: Path) -> Path:
    """Write a card and the files beside it to the gallery, in place of what had its name, and return the folder.

    Raises:
        StorageError: the files cannot be written; the previous ones are intact.
    """

    def write(folder: Path) -> None:
        for name, data in {**files, CARD: card.as_json().encode()}.items():
            write_file(folder / name, [data])

    replace_files(root / card.name, frozenset({CARD, *card.FILES}), write)
    return root / card.name
