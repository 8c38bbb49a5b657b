"""The samples page: texts that the models wrote, and their origin. Every text is untrusted and escaped."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.records.rows import PUBLISHED
from bench.statistics.training_parts import EXPERIMENTS
from sitegen.rows.results import Results, row_dicts
from sitegen.text.escape import html_block
from sitegen.text.markup import nothing_yet
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

MAX_MODELS = 24
MAX_STEPS = 8  # earlier samples of one model, evenly spread
TRAIN_COMMAND = "invoke train --preset small --corpus shakespeare"


def written_samples(results: Results) -> pd.DataFrame:
    """Samples with the kind and the start of their runs, without experiments, which train a small model many times."""
    runs = results.runs[["cell_id", "kind", "suite", "started_at"]]
    samples = results.samples.merge(runs, on="cell_id", how="left")
    return samples[~samples["suite"].isin(EXPERIMENTS)]


def trained_samples(results: Results) -> pd.DataFrame:
    """The last sample of each model that was trained to write, of the longest run first."""
    samples = written_samples(results)
    samples = samples[samples["kind"] == "train"].sort_values("step")
    last = samples.groupby(["corpus", "preset", "engine", "run_id"], sort=False).tail(1)
    return last.sort_values("step", ascending=False, kind="stable")


def samples_finding(results: Results) -> str:
    """The models in one sentence: how many wrote, and the lowest loss that one of them reached."""
    last = trained_samples(results)
    if last.empty:
        return "No model has written anything yet"
    wrote = f"Texts of {quantities.counted(len(last), 'trained model')}"
    best = last.sort_values("held_out_loss").iloc[0]
    if pd.isna(best["held_out_loss"]):
        return wrote
    loss, corpus = quantities.loss(best["held_out_loss"]), one_line(best["corpus"], 40)
    return f"{wrote}; the lowest loss on unseen text is {loss} nats per byte, on {corpus}"


def samples_html(results: Results) -> str:
    """The samples of every model over its training, the last of which is shown first; one line of HTML."""
    models = written_samples(results)
    if models.empty:
        return nothing_yet("No model has written anything", f"{TRAIN_COMMAND} --record")
    # Models that were trained to write come first; a model of a benchmark has had a few steps and writes noise.
    models = models.assign(rank=(models["kind"] != "train").astype(int))
    order = models.groupby("cell_id").agg(rank=("rank", "min"), started_at=("started_at", "max"))
    order = order.sort_values(["rank", "started_at"], ascending=[True, False])
    shown = order.head(MAX_MODELS)
    trained = [_model_html(models[models["cell_id"] == cell]) for cell in shown.index[shown["rank"] == 0]]
    measured = [_model_html(models[models["cell_id"] == cell]) for cell in shown.index[shown["rank"] == 1]]
    parts = trained or [nothing_yet("No model was trained to write", "invoke train --preset small --record")]
    if measured:
        parts.append(
            f"<details><summary>What {len(measured)} benchmark cells wrote after a few steps: noise, kept as evidence"
            f"</summary>{''.join(measured)}</details>"
        )
    rest = len(order) - len(shown)
    more = f"<p>{rest} older ones are not shown; <code>invoke results export</code> has them.</p>" if rest > 0 else ""
    return f'<div class="tg-samples" data-search-exclude>{"".join(parts)}{more}</div>'


def _model_html(samples: pd.DataFrame) -> str:
    last_step = int(samples["step"].max())
    last = samples[samples["step"] == last_step]
    earlier = samples[samples["step"] < last_step].sort_values("step").drop_duplicates("step")
    if len(earlier) > MAX_STEPS:
        earlier = earlier.iloc[[round(i * (len(earlier) - 1) / (MAX_STEPS - 1)) for i in range(MAX_STEPS)]]
    first = last.iloc[0]
    where = "" if first["origin"] == PUBLISHED else " · this machine (local)"
    title = f"{first['preset']} on {first['corpus']}"
    kind = " · benchmark cell, a few steps only" if first["kind"] == "bench" else ""
    course = "" if earlier.empty else _course_html(pd.concat([earlier, last.head(1)]))
    shown = "".join(sample_html(record) for record in row_dicts(last.iloc[1:] if course else last))
    return (
        f'<section class="tg-model"><h3>{html_block(title)}</h3>'
        f'<p class="tg-model__facts">{html_block(str(first["engine"]))}, {quantities.whole(last_step)} steps'
        f"{html_block(kind)}{html_block(where)}</p>{course}{shown}</section>"
    )


def _course_html(samples: pd.DataFrame) -> str:
    """One model's texts from the first to the last, which a slider (``site.js``) shows one at a time."""
    texts = "".join(sample_html(record) for record in row_dicts(samples))
    return f'<div class="tg-course" data-label="From noise to sentences">{texts}</div>'


def sample_html(sample: dict[str, Any]) -> str:
    """One text with its settings and the losses at its step."""
    notes = [f"step {quantities.whole(sample['step'])}"]
    for label, column, write in (
        ("training loss", "train_loss", quantities.loss),
        ("held-out loss", "held_out_loss", quantities.loss),
        ("temperature", "temperature", lambda value: f"{value:g}"),
        ("top-k", "top_k", lambda value: f"{value:.0f}"),
        ("seed", "seed", lambda value: f"{value:.0f}"),
        ("tokens/s", "tokens_per_second", quantities.significant),
        ("first token after", "first_token_seconds", quantities.duration),
    ):
        value = sample[column]
        if value is not None and not pd.isna(value):
            notes.append(f"{label} {write(float(value))}")
    return (
        f'<figure class="tg-sample"><pre><span class="tg-prompt">{html_block(str(sample["prompt"]))}</span>'
        f"{html_block(str(sample['text']))}</pre><figcaption>{html_block(' · '.join(notes))}</figcaption></figure>"
    )
