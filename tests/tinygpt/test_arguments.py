"""Wrong arguments of the public functions: one line that names the argument, what was received and what is allowed."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygpt
from tests import ROOT
from tests.tinygpt.small_checkpoint import MODEL, TRAIN
from tinygpt import (
    ENGINES,
    PRESETS,
    BatchSampler,
    MissingDependencyError,
    TinyGPTError,
    TrainConfig,
    Trainer,
    attention_weights,
    create_engine,
    generate,
    generate_batch,
    generate_text,
    load_checkpoint,
    load_corpus,
    load_engine,
    load_gallery_model,
    next_token_probabilities,
    save_checkpoint,
    score_text,
)

TOKENS = np.arange(200, dtype=np.uint8)
ENGINE = create_engine("numpy", MODEL, TRAIN)
SAMPLER = BatchSampler(TOKENS, 2, 3, seed=0)
BATCH = SAMPLER.batch(0)
MODEL_OF_GALLERY = load_gallery_model("stories")
CORPUS = load_corpus("stories")


def create(name: Any = "numpy", model: Any = MODEL, train: Any = TRAIN, *more: Any, **options: Any) -> object:
    return create_engine(name, model, train, *more, **options)


def sampler(tokens: Any = TOKENS, batch: Any = 2, context: Any = 3, seed: Any = 0) -> object:
    return BatchSampler(tokens, batch, context, seed)


def steps(*arguments: Any, **named: Any) -> object:
    return list(Trainer(ENGINE, SAMPLER).run(*arguments, **named))


def trainer(*arguments: Any) -> object:
    return Trainer(*arguments)


CALLS: list[tuple[Callable[[], object], str]] = [
    (lambda: PRESETS["huge1"], "unknown preset 'huge1' (did you mean 'huge'?); allowed: micro, tiny, small"),
    (lambda: PRESETS[None], "unknown preset None; allowed: micro, tiny, small"),
    (lambda: ENGINES["numpi"], "unknown engine 'numpi' (did you mean 'numpy'?); allowed: python, numpy"),
    (lambda: generate_text("runs/x", "a"), "model is 'runs/x'; allowed: an engine or a loaded model"),
    (lambda: generate(PRESETS["tiny"], "a", 3), "model is of type Preset; allowed: an engine or a loaded model"),
    (lambda: generate_text(ENGINE, None), "the text is None; allowed: a string or bytes"),
    (lambda: generate_text(ENGINE, ["a"]), "the text is ['a']; allowed: a string or bytes"),
    (lambda: generate_text(ENGINE, TOKENS), "the text is of type ndarray; allowed: a string or bytes"),
    (lambda: generate_text(ENGINE, "a", max_new_tokens=0), "max_new_tokens is 0; allowed: a whole number, 1 or more"),
    (lambda: generate_text(ENGINE, "a", top_p=0), "top_p is 0; allowed: a finite number above 0, at most 1"),
    (lambda: generate_text(ENGINE, "a", top_p=1.5), "top_p is 1.5; allowed: a finite number above 0, at most 1"),
    (lambda: generate_text(ENGINE, "a", min_p=-0.1), "min_p is -0.1; allowed: a finite number from 0 to 1"),
    (
        lambda: generate_text(ENGINE, "a", repetition_penalty=0),
        "repetition_penalty is 0; allowed: a finite number above",
    ),
    (lambda: generate_text(ENGINE, "a", stop_strings=[".", ""]), "stop_strings is ['.', '']; allowed: texts of at"),
    (lambda: generate_text(ENGINE, "a", stop_strings=3), "stop_strings is 3; allowed: a text, or a list of texts"),
    (
        lambda: generate_text(ENGINE, "a", eos_token_id=256),
        "eos_token_id is 256; allowed: a whole number from 0 to 255",
    ),
    (lambda: generate_text(ENGINE, "a", temperature="1"), "temperature is '1'; allowed: a finite number, 0 or more"),
    (lambda: generate_text(ENGINE, "a", top_k=300), "top_k is 300; allowed: a whole number from 1 to 256"),
    (lambda: generate_text(ENGINE, "a", threads=1.5), "threads is 1.5; allowed: a whole number, 1 or more"),
    (lambda: generate_batch(ENGINE, None, 3), "prompts is None; allowed: a list of at least one prompt"),
    (lambda: next_token_probabilities("stories", "a"), "model is 'stories'; allowed: an engine or a loaded model"),
    (lambda: score_text("stories", "text"), "model is 'stories'; allowed: an engine or a loaded model"),
    (lambda: attention_weights(ENGINE, "ab", layer="0"), "layer is '0'; allowed: a whole number from 0 to 0"),
    (lambda: trainer(MODEL_OF_GALLERY, SAMPLER), "engine is of type GalleryModel; allowed: an engine, from"),
    (lambda: trainer(ENGINE, CORPUS), "sampler is of type Corpus; allowed: a BatchSampler"),
    (lambda: trainer(ENGINE, SAMPLER, 3e-4), "schedule is 0.0003; allowed: a function of the step"),
    (lambda: steps(0, 1.5), "n_steps is 1.5; allowed: a whole number, 0 or more"),
    (lambda: steps(0, -1), "n_steps is -1; allowed: a whole number, 0 or more"),
    (lambda: steps("0", 1), "first_step is '0'; allowed: a whole number, 0 or more"),
    (lambda: sampler(CORPUS), "tokens is of type Corpus; allowed: an array of token ids (n,)"),
    (lambda: sampler([1, 2, 3, 4, 5]), "tokens is [1, 2, 3, 4, 5]; allowed: an array of token ids (n,)"),
    (lambda: sampler(b"abcdef"), "tokens is b'abcdef'; allowed: an array of token ids (n,)"),
    (lambda: sampler("abcdef"), "tokens is 'abcdef'; allowed: an array of token ids (n,)"),
    (lambda: sampler(TOKENS.reshape(2, 100)), "tokens is of type ndarray; allowed: an array of token ids (n,)"),
    (lambda: sampler(TOKENS / 2), "tokens is of type ndarray; allowed: an array of token ids (n,)"),
    (lambda: sampler(TOKENS, -3), "batch_size is -3; allowed: a whole number, 1 or more"),
    (lambda: sampler(TOKENS, "16"), "batch_size is '16'; allowed: a whole number, 1 or more"),
    (lambda: sampler(TOKENS, 0), "batch_size is 0; allowed: a whole number, 1 or more"),
    (lambda: sampler(TOKENS, 2, 0), "context_length is 0; allowed: a whole number, 1 or more"),
    (lambda: sampler(TOKENS, 2, 3, -1), "seed is -1; allowed: a whole number, 0 or more"),
    (lambda: create("numpy", PRESETS["tiny"]), "model is of type Preset; allowed: a ModelConfig, such as PRESETS"),
    (lambda: create("numpy", "tiny"), "model is 'tiny'; allowed: a ModelConfig, such as PRESETS['tiny'].model"),
    (lambda: create("numpy", TRAIN, MODEL), "model is of type TrainConfig; allowed: a ModelConfig"),
    (lambda: create("numpy", MODEL, None), "train is None; allowed: a TrainConfig, such as PRESETS['tiny'].train"),
    (lambda: create(None), "engine is None; allowed: a name, such as 'numpy'"),
    (lambda: create("vectorized", threads="two"), "option threads of engine 'vectorized' is 'two'; allowed: a whole"),
    (
        lambda: create("vectorized", threads=1.5),
        "option threads of engine 'vectorized' is 1.5; allowed: a whole number",
    ),
    (lambda: create("vectorized[threads=x]"), "option threads of engine 'vectorized' is 'x'; allowed: a whole number"),
    (lambda: create("vectorized", threads=0), "threads is 0; allowed: a whole number, 1 or more"),
    (lambda: create("jax", remat="perhaps"), "option remat of engine 'jax' is 'perhaps'; allowed: yes or no"),
    (lambda: create("numpy", MODEL, TRAIN, -1), "seed is -1; allowed: a whole number, 0 or more"),
    (lambda: create("numpy", MODEL, TRAIN, "a"), "seed is 'a'; allowed: a whole number, 0 or more"),
    (lambda: create("numpy", MODEL, TRAIN, 1.5), "seed is 1.5; allowed: a whole number, 0 or more"),
    (lambda: create(weights=ENGINE), "weights is of type NumpyEngine; allowed: a mapping, name → array"),
    (lambda: load_engine(None), "model is None; allowed: an engine or a loaded model"),
    (lambda: TrainConfig(8, learning_rate="3e-4"), "learning_rate is '3e-4'; allowed: a finite number above 0"),
    (lambda: TrainConfig(8, betas=0.9), "betas is 0.9; allowed: two numbers in [0, 1)"),
    (lambda: TrainConfig(8, betas=("a", "b")), "betas is ('a', 'b'); allowed: two numbers in [0, 1)"),
    (lambda: TrainConfig(True), "batch_size is True; allowed: a whole number from 1"),
    (lambda: ENGINE.train_step([[1, 2]], [[2, 3]]), "inputs is [[1, 2]]; allowed: an array (batch, tokens)"),
    (lambda: ENGINE.train_step(BATCH.inputs, [[2, 3]]), "targets is [[2, 3]]; allowed: an array (batch, tokens)"),
    (lambda: ENGINE.logits([[1, 2]]), "inputs is [[1, 2]]; allowed: an array (batch, tokens) of integers"),
    (lambda: ENGINE.loss(BATCH.inputs, [[1]]), "targets is [[1]]; allowed: an array (batch, tokens) of integers"),
    (lambda: save_checkpoint(ENGINE, "runs/x"), "directory is of type NumpyEngine; allowed: a folder's path"),
    (lambda: save_checkpoint("runs/x", PRESETS["tiny"]), "model is of type Preset; allowed: an engine or a loaded"),
    (lambda: save_checkpoint("", ENGINE), "directory is ''; allowed: a separate folder"),
    (lambda: save_checkpoint(".", ENGINE), "directory is '.'; allowed: a separate folder"),
    (lambda: load_checkpoint(None), "directory is None; allowed: a folder's path"),
    (lambda: load_corpus(None), "name is None; allowed: a path, or one of shakespeare"),
    (lambda: load_corpus("stories", path="a.txt"), "a corpus file was given for corpus 'stories'; allowed: a file of"),
    (lambda: load_gallery_model(None), "unknown gallery model None; allowed: kjv, python"),
    (lambda: copy.copy(ENGINE), "an engine can be neither copied nor pickled; allowed: load_engine(engine)"),
    (lambda: copy.deepcopy(ENGINE), "an engine can be neither copied nor pickled"),
    (lambda: pickle.dumps(ENGINE), "an engine can be neither copied nor pickled"),
]


@pytest.mark.parametrize(("call", "words"), CALLS, ids=[words for _, words in CALLS])
def test_a_wrong_argument_is_named_with_what_is_allowed(
    call: Callable[[], object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TinyGPTError) as caught:
        call()
    message = str(caught.value)
    assert message.startswith(words) and "\n" not in message
    assert "invoke" not in message and "--" not in message  # the terminal adds its own command
    assert not any(tmp_path.iterdir())


def test_numbers_of_numpy_are_taken_and_become_plain() -> None:
    train = TrainConfig(np.int64(8), learning_rate=np.float32(0.5), betas=[0.9, np.float64(0.95)])  # type: ignore[arg-type]
    assert train == TrainConfig(8, learning_rate=0.5)
    assert [type(value) for value in (train.batch_size, train.learning_rate, train.betas)] == [int, float, tuple]
    cold = generate_text(ENGINE, "a", 3, temperature=np.float32(0.5))  # type: ignore[arg-type]
    assert cold == generate_text(ENGINE, "a", 3, temperature=0.5)


def test_a_run_starts_at_the_first_step_and_ends_when_its_caller_leaves() -> None:
    engine = create_engine("numpy", MODEL, TRAIN)
    for record in Trainer(engine, SAMPLER).run():
        if record.step == 3:
            break
    assert engine.optimizer_state().step == 3
    assert [record.step for record in Trainer(engine, SAMPLER).run(n_steps=2)] == [1, 2]


def test_a_gallery_model_is_saved_and_an_engine_is_loaded_with_its_state(tmp_path: Path) -> None:
    loaded = load_checkpoint(save_checkpoint(tmp_path / "stories", MODEL_OF_GALLERY))
    assert loaded.optimizer is None
    np.testing.assert_array_equal(loaded.weights["wte.weight"], MODEL_OF_GALLERY.weights["wte.weight"])
    engine = create_engine("numpy", MODEL, TRAIN, seed=4)
    list(Trainer(engine, SAMPLER).run(0, 2))
    twin = load_engine(engine, "numpy")
    assert (twin.train, twin.seed, twin.optimizer_state().step) == (TRAIN, 4, 2)
    first, second = (list(Trainer(each, SAMPLER).run(2, 3)) for each in (engine, twin))
    assert [record.loss for record in first] == [record.loss for record in second]


def test_an_engine_names_the_extra_that_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    for name in [name for name in sys.modules if name.startswith("tinygpt.engines.jax")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingDependencyError, match=r"engine 'jax' needs jax.*pip install 'tinygpt\[jax\]'$"):
        create_engine("jax", MODEL, TRAIN)


def test_a_path_is_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("some text\n" * 500)
    assert load_corpus(tmp_path / "mine.txt").train == load_corpus(f"file:{tmp_path / 'mine.txt'}").train


def test_tables_are_read_only_and_can_be_copied_and_pickled() -> None:
    for table in (PRESETS, ENGINES, tinygpt.CORPORA, tinygpt.RECIPES):
        assert not hasattr(table, "__setitem__")
        for twin in (copy.deepcopy(table), pickle.loads(pickle.dumps(table))):
            assert dict(twin) == dict(table)
    assert PRESETS.get("huge1") is None and "huge1" not in PRESETS and "nanogpt" in PRESETS
    with pytest.raises(KeyError, match=r"^unknown preset"):
        PRESETS["huge1"]


def test_a_sampler_and_a_trainer_describe_themselves() -> None:
    assert repr(SAMPLER) == "<batches of 2 × 3 tokens from 200, seed 0>"
    assert repr(Trainer(ENGINE, SAMPLER)).startswith("<trainer of <engine numpy: 1 layers, width 4,")
    assert repr(PRESETS).startswith("<presets: micro, tiny, small, ")


def test_no_signature_shows_a_path_of_this_machine() -> None:
    for name in tinygpt.__all__:
        if callable(thing := getattr(tinygpt, name)):
            assert str(ROOT) not in str(inspect.signature(thing)), name
