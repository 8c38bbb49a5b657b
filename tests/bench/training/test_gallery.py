"""A gallery model from training to sampling, in seconds, on a small text."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from bench.records.store import read_table
from bench.training import gallery_run
from bench.training.gallery import EVOLUTION, GALLERY, GalleryEntry, judge_again, make_card, model_files, read_evolution
from bench.training.gallery_cards import write_folder
from bench.training.gallery_run import get_entry
from bench.training.options import GalleryOptions
from sitegen.tables.gallery import gallery_html, texts_page
from tests.tinygpt.gallery.test_gallery import MODEL, a_card
from tinygpt.checkpoints.rounded_file import stored_bytes
from tinygpt.corpora import CORPORA, Corpus
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.evaluation.anchors import IMPOSTORS
from tinygpt.evaluation.scores import EvaluationSettings
from tinygpt.gallery import load_gallery_model
from tinygpt.generation.decoding import generate
from tinygpt.params import initial_parameters
from tinygpt.presets import PRESETS
from tinygpt.recipes import RECIPES
from tinygpt.rounding import quantize
from tinygpt.tokenizers.training import train_bpe

SENTENCES = "The fox saw a hen. <b>The hen</b> saw the fox. Off she went, over the wall and home again.\n"
CORPUS = Corpus("fables", (SENTENCES * 40).encode(), (SENTENCES[::-1] * 4).encode(), "public domain", "written here")
ENTRY = GalleryEntry("fables", "fables", 12, 0.1, preset="tiny")
OPTIONS = GalleryOptions(action="train", name="fables")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    patch = pytest.MonkeyPatch()
    patch.setattr(gallery_run, "get_entry", {"fables": ENTRY}.__getitem__)
    patch.setattr(gallery_run, "load_corpus", {"fables": CORPUS}.__getitem__)
    code = gallery_run.train_for_gallery(replace(OPTIONS, out=folder / "run"), folder / "results")
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
    card, files = make_card(ENTRY, plan, CORPUS, "int8", settings)
    write_folder(card, files, folder / "models")
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
    regraded = judge_again(found, CORPUS, settings)
    assert replace(regraded, evaluation=card.evaluation) == card
    assert regraded.evaluation | {"history": None} == card.evaluation | {"history": None}
    with pytest.raises(CheckpointError, match="trained on another text"):
        judge_again(found, Corpus("other", b"x" * 500, b"y" * 100, "none", "here"), settings)
    again, same = make_card(ENTRY, plan, CORPUS, "int8", settings)
    assert same == files and again.evaluation == card.evaluation
    larger, _ = make_card(ENTRY, plan, CORPUS, "float16", settings, judges=False)
    assert larger.evaluation == {}
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


def test_a_model_of_several_bytes_a_token_has_its_tokenizer_beside_it(tmp_path):
    tokenizer = train_bpe("bpe:262", 262, b"the hen and the fox and the wall. " * 20)
    model = replace(MODEL, vocab_size=tokenizer.vocab_size)
    data = stored_bytes(quantize(initial_parameters(model, 3), "int8"))
    words = {"model": asdict(model), "tokenizer": tokenizer.name, "tokenizer_sha256": tokenizer.hash}
    folder = write_folder(replace(a_card(data), **words), model_files(data, tokenizer), tmp_path)
    found = load_gallery_model("tiny", tmp_path)
    assert found.tokenizer.hash == tokenizer.hash and found.tokenizer.name == "bpe:262"
    assert len(list(generate(found, "the hen", 20, seed=1))) == 20
    other = train_bpe("bpe:262", 262, b"a wolf ate what a cow had left " * 20)
    write_folder(found.card, model_files(data, other), tmp_path)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is not the file of its card"):
        load_gallery_model("tiny", tmp_path)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"holds no tokenizer\.json, and its vocab_size is 262"):
        load_gallery_model("tiny", tmp_path)


def test_options_replace_the_tables_settings_and_a_model_can_be_judged_later(trained, tmp_path, monkeypatch, capsys):
    folder, _ = trained
    options = replace(OPTIONS, out=folder / "run", shelf=tmp_path, unjudged=True, commit="a" * 40)
    gallery_run.write_to_gallery(options)
    assert "not judged yet" in capsys.readouterr().out
    card = load_gallery_model("fables", tmp_path).card
    assert (card.evaluation, card.commit) == ({}, "a" * 40)
    short = EvaluationSettings(2, 40)
    monkeypatch.setattr(gallery_run, "judge_again", lambda model, corpus: judge_again(model, corpus, short))
    gallery_run.regrade(replace(options, unjudged=False))
    assert load_gallery_model("fables", tmp_path).card.evaluation["judgement"]["grade"] in capsys.readouterr().out
    changed = replace(options, tokenizer="bpe:280", recipe="muon", preset="small", dropout=0.3, steps=5, engine="numpy")
    plan = gallery_run._planned(changed)[1]
    assert (plan.tokenizer, plan.recipe, plan.preset, plan.steps) == ("bpe:280", "muon", "small", 5)
    assert (plan.dropout, plan.engine) == (0.3, "numpy")
