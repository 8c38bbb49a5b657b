"""Adapters of the gallery: one model learns another genre, with LoRA, in minutes on two cores.

An adapter is the best of its run by the loss on held-out text. Its card has that loss over the whole held-out part,
before and after, and what base and adapter write with the same random choices.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from bench.records.machine import fresh_machine
from bench.records.provenance import read_provenance
from bench.training.options import GalleryOptions
from tinygpt.checkpoints.adapter_files import weights_sha256
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import ADAPTER, ADAPTER_CONFIG, BEST, KEPT
from tinygpt.corpora import load_corpus
from tinygpt.engines import format_variant, parse_variant
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.evaluation.loss import scoring_engine, text_loss
from tinygpt.gallery.adapter_card import ADAPTER_CARD_VERSION, ADAPTERS, CARD, AdapterCard
from tinygpt.gallery.loader import load_gallery_model
from tinygpt.gallery.sources import load_gallery_adapter, load_run
from tinygpt.generation.decoding import generate_text
from tinygpt.runs.status import report_status
from tinygpt.schedule import optimizer_text
from tinygpt.system.files import write_file
from tinygpt.system.staging import replace_files
from tinygpt.system.stopping import StopRequest
from tinygpt.terminal.live_view import watch
from tinygpt.training.events import StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.session import run_session

_LENGTH = 400  # bytes of each text on the card
_EVALUATIONS = 5  # in a run


@dataclass(frozen=True)
class AdapterEntry:
    """The training of an adapter.

    Attributes:
        name: of the adapter.
        base: the model of the gallery that learns another genre.
        corpus: the text of that genre.
        steps: updates; chosen to end within five minutes on two cores.
        prompt: the beginning of the texts on the card.
    """

    name: str
    base: str
    corpus: str
    steps: int
    prompt: str
    lora: str = "rank=16,alpha=32,on=attn+mlp"

    def plan(self, out: Path, steps: int | None = None) -> TrainingPlan:
        """Return the plan of the run."""
        steps = steps or self.steps
        return TrainingPlan(
            out=out,
            start_from=self.base,
            corpus=self.corpus,
            lora=self.lora,
            steps=steps,
            learning_rate=4e-3,
            batch_size=16,
            eval_every=max(1, steps // _EVALUATIONS),
            eval_batches=64,
        )


_ENTRIES = (
    AdapterEntry("stories-shakespeare", "stories", "shakespeare", 1000, "\n"),
    AdapterEntry("shakespeare-kjv", "shakespeare-bytes", "kjv", 1000, "\n"),
)
GALLERY_ADAPTERS = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Name → how the adapter is trained."""


def make_adapter(options: GalleryOptions) -> int:
    """Train an adapter, evaluate it and store it with its card; return the process's exit code."""
    if options.action == "judge":
        raise ConfigError(
            f"judge with the adapter {options.name}", "train or card", f"invoke gallery card {options.name}"
        )
    entry = GALLERY_ADAPTERS[options.name]
    plan = entry.plan(options.out or Path("runs") / f"gallery-{options.name}", options.steps)
    if options.action == "train":
        stop, code = StopRequest(), 0
        events = run_session(plan, load_corpus(plan.corpus), resume=options.resume, stop=stop)
        for event in report_status(watch(events, stop=stop)):
            if isinstance(event, StopRecord):
                code = event.exit_code or int(event.reason == "interrupted")
        if code:
            return code
    card = write_adapter_card(options.name, plan)
    losses = f"held-out loss {card.loss_before:.3f} before and {card.loss_after:.3f} after"
    print(f"{card.name}: {card.seconds:.0f} s, {losses}")
    return 0


def write_adapter_card(name: str, plan: TrainingPlan, root: Path = ADAPTERS) -> AdapterCard:
    """Evaluate a finished run, and write its best adapter and its card to the gallery.

    Raises:
        CheckpointError: the run is not complete, or was trained on another text.
        StorageError: the files cannot be written.
    """
    entry, corpus = GALLERY_ADAPTERS[name], load_corpus(plan.corpus)
    kept = plan.out / KEPT / BEST
    newest, best = load_run(plan.out), load_run(kept)
    if newest.training is None or best.training is None or newest.training.corpus_sha256 != corpus.sha256:
        problem = f"{plan.out} holds no finished run on {corpus.name}"
        raise CheckpointError(problem, "a folder that invoke gallery train wrote", f"invoke gallery train {name}")
    base = load_gallery_model(entry.base)
    data = (kept / ADAPTER).read_bytes()
    machine, state = json.loads(fresh_machine()), best.training
    losses = [text_loss(scoring_engine(model), corpus.held_out_tokens) for model in (base, best)]
    texts = [generate_text(model, entry.prompt, _LENGTH, temperature=0.8, seed=0) for model in (base, best)]
    card = AdapterCard(
        version=ADAPTER_CARD_VERSION,
        name=name,
        base=entry.base,
        base_sha256=weights_sha256(best.weights),
        corpus=corpus.name,
        corpus_sha256=corpus.sha256,
        licence=corpus.licence,
        source=corpus.source,
        lora=best.train.lora,
        n_parameters=_size(best),
        engine=format_variant(parse_variant(plan.engine)[0], state.engine_options),
        recipe=optimizer_text(best.train),
        train=asdict(best.train) | {"betas": [*best.train.betas]},  # as JSON has it
        steps=state.step,
        tokens=state.step * best.train.rows_per_step * best.config.context_length,
        seed=plan.seed,
        seconds=newest.training.elapsed_seconds,
        machine={"cpu": machine.get("cpu"), "cores": machine.get("cores")},
        commit=read_provenance().commit,
        trained_on=f"{datetime.now(UTC):%Y-%m-%d}",
        command=f"invoke gallery train {name}",
        file_bytes=len(data),
        file_sha256=hashlib.sha256(data).hexdigest(),
        loss_before=losses[0],
        loss_after=losses[1],
        prompt=entry.prompt,
        text_before=texts[0],
        text_after=texts[1],
    )

    def write(folder: Path) -> None:
        write_file(folder / ADAPTER, [data])
        write_file(folder / ADAPTER_CONFIG, [(kept / ADAPTER_CONFIG).read_bytes()])
        write_file(folder / CARD, [card.as_json().encode()])

    replace_files(root / name, frozenset({ADAPTER, ADAPTER_CONFIG, CARD}), write)
    if root == ADAPTERS:
        load_gallery_adapter(name)
    return card


def _size(model: Checkpoint) -> int:
    return sum(array.size for array in (model.adapter or {}).values())
