"""A gallery model from training to sampling, in seconds, on a small text."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bench.records.store import read_table
from bench.training import gallery_run
from bench.training.gallery import (
    EVOLUTION,
    GALLERY,
    GalleryEntry,
    get_entry,
    judge_again,
    make_card,
    read_evolution,
    write_model,
)
from sitegen.tables.gallery import gallery_html, texts_page
from tinygpt.corpora import CORPORA, Corpus
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.evaluation.anchors import IMPOSTORS
from tinygpt.evaluation.scores import EvaluationSettings
from tinygpt.gallery import load_gallery_model
from tinygpt.presets import PRESETS
from tinygpt.recipes import RECIPES

SENTENCES = "The fox saw a hen. <b>The hen</b> saw the fox. Off she went, over the wall and home again.\n"
CORPUS = Corpus("fables", (SENTENCES * 40).encode(), (SENTENCES[::-1] * 4).encode(), "public domain", "written here")
ENTRY = GalleryEntry("fables", 12, 0.1, preset="tiny")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    patch = pytest.MonkeyPatch()
    patch.setattr(gallery_run, "get_entry", {"fables": ENTRY}.__getitem__)
    patch.setattr(gallery_run, "load_corpus", {"fables": CORPUS}.__getitem__)
    code = gallery_run.train_for_gallery("fables", folder / "run", folder / "results", resume=False)
    yield folder, code
    patch.undo()


def test_every_row_of_the_table_can_be_planned(tmp_path):
    for entry in GALLERY.values():
        plan = entry.plan(tmp_path)
        assert plan.corpus in CORPORA and PRESETS[plan.preset] and RECIPES[str(plan.recipe)]
        assert plan.samples_after(1) and plan.samples_after(30) and plan.samples_after(3000)
        assert not plan.samples_after(29)
    with pytest.raises(ConfigError, match="did you mean 'kjv'"):
        get_entry("kjw")


def test_training_is_recorded_and_its_samples_are_kept(trained):
    folder, code = trained
    assert code == 0
    runs = read_table("runs", folder / "results")
    assert runs["suite"].tolist() == ["gallery"]
    assert '"dropout 0.1' in runs["protocol"].iloc[0] or "dropout 0.1" in runs["protocol"].iloc[0]
    assert [entry["step"] for entry in read_evolution(folder / "run")] == [1, 2, 4, 6, 8, 10, 12]


def test_a_card_has_the_scores_of_the_stored_weights(trained):
    folder, _ = trained
    plan = ENTRY.plan(folder / "run")
    settings = EvaluationSettings(3, 80)
    card, data = make_card(ENTRY, plan, CORPUS, "int8", settings)
    write_model(card, data, folder / "models")
    found = load_gallery_model("fables", folder / "models")
    assert found.card == card
    assert (card.planned_steps, card.seed, card.preset) == (12, 0, "tiny")
    assert card.steps <= 12 and card.tokens == card.steps * 512
    assert "cosine to 0.1 of the rate at update 12" in card.recipe
    assert len(card.evaluation["texts"]) == 3
    assert abs(card.evaluation["held_out_loss"] - card.float32_held_out_loss) < 0.02
    assert 0 < card.largest_error < 0.01
    assert card.evaluation["judgement"]["grade"] in ("noise", "letters")
    anchors = {anchor["name"]: anchor["judgement"]["grade"] for anchor in card.evaluation["anchors"]}
    assert [*anchors][:2] == ["noise", "unigram"] and [*anchors][-len(IMPOSTORS) - 1 :] == [*IMPOSTORS, "the author"]
    assert len(card.evaluation["draws"]["grades"]) == len(card.evaluation["draws"]["memorized"]) == 20
    regraded, weights = judge_again("fables", CORPUS, settings, folder / "models")
    assert weights == data
    assert replace(regraded, evaluation=card.evaluation) == card
    assert regraded.evaluation | {"history": None} == card.evaluation | {"history": None}
    with pytest.raises(CheckpointError, match="trained on another text"):
        judge_again("fables", Corpus("other", b"x" * 500, b"y" * 100, "none", "here"), settings, folder / "models")
    again, same = make_card(ENTRY, plan, CORPUS, "int8", settings)
    assert same == data and again.evaluation == card.evaluation
    larger, _ = make_card(ENTRY, plan, CORPUS, "float16", settings)
    assert larger.largest_error < card.largest_error and larger.file_bytes > card.file_bytes


def test_the_page_shows_every_text_escaped(trained):
    folder, _ = trained
    card, _ = make_card(ENTRY, ENTRY.plan(folder / "run"), CORPUS, settings=EvaluationSettings(2, 30))
    hostile = json.loads(card.as_json())
    hostile["evaluation"]["texts"] = ["<script>alert(1)</script>", "{{ evil }}\n# heading"]
    hostile["evaluation"]["anchors"][0]["text"] = "<script>alert(2)</script> {{ evil }}"
    hostile["evaluation"]["anchors"][1]["text"] = "word " * 50
    hostile["corpus"] = "<img src=x>"
    model = type(card)(**{**hostile, "evolution": tuple(hostile["evolution"])})
    page, folded = gallery_html([model]), texts_page(model)
    for html in (page, folded):
        assert "<script" not in html and "<img" not in html and "{{" not in html
    assert "\n" not in page
    anchors = len(card.evaluation["anchors"])
    curves = page.count('<svg class="tg-curve"')
    assert (page.count("<figure"), folded.count("<figure")) == (1 + curves, 1 + len(card.evolution) + anchors)
    assert page.count("<q>") == 1 + anchors  # with the model
    assert f"<q>{'word ' * 21}word&#8230;</q>" in page  # what is cut ends in an ellipsis
    assert "Of 20 further sets of the author" in page
    scale = page.split("Grade: ")[1].split("</p>")[0]
    assert scale.startswith(("noise", "<strong>noise")) and scale.endswith("sentences · passages")
    assert f"<strong>{card.evaluation['judgement']['grade']}" in scale
    for part in ("seeds", "evolution", "anchors"):
        assert f'href="fables.html#{part}"' in page and f'id="{part}"' in folded
    assert "invoke" in gallery_html([])


def test_a_run_on_another_text_gets_no_card(trained):
    folder, _ = trained
    other = Corpus("other", b"x" * 500, b"y" * 100, "none", "here")
    with pytest.raises(CheckpointError, match="trained on another text"):
        make_card(ENTRY, ENTRY.plan(folder / "run"), other)


def test_a_damaged_evolution_is_named(tmp_path):
    (tmp_path / EVOLUTION).write_text('[{"text": "no step"}]')
    with pytest.raises(CheckpointError, match=r"evolution\.json is damaged"):
        read_evolution(tmp_path)
    assert read_evolution(tmp_path / "nowhere") == []
