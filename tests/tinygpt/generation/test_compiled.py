"""Generation as one compiled loop: the bytes of the NumPy loop, in turns and threads that change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.tinygpt.slow_gpt2 import random_model
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.errors import DivergedError, MissingDependencyError
from tinygpt.generation.decoding import generate, generate_batch
from tinygpt.generation.inference import InferenceModel
from tinygpt.generation.sampling import COLDEST, SamplingSettings, choose_token, penalized

pytest.importorskip("numba")

from tinygpt.engines.loops.compiling import entry, prepare
from tinygpt.generation.compiled import choice, rows

PROMPTS = ["a", b"sixteen bytes ok", "", "abc", b"a"]


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    return random_model()


@pytest.fixture(params=["input-first", "output-first"])
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    streamed = 0 if request.param == "output-first" else 1 << 40
    monkeypatch.setattr("tinygpt.generation.inference.folding.STREAMED_BYTES", streamed)


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("settings", [(0.0, None), (0.8, 5), (1.3, None)])
@pytest.mark.parametrize("more", [{}, {"top_p": 0.7, "repetition_penalty": 1.4}, {"min_p": 0.1, "top_p": 0.95}])
@pytest.mark.parametrize("prompt", [b"x", b"sixteen bytes ok"])
def test_it_writes_the_bytes_of_the_numpy_loop(
    model: Checkpoint, prompt: bytes, settings: tuple[float, int | None], more: dict[str, Any]
) -> None:
    texts = [
        list(generate(InferenceModel(model, compiled=compiled), prompt, 45, *settings, seed=3, **more))
        for compiled in (False, True)
    ]
    assert texts[0] == texts[1] and len(set(texts[0])) > 1


def test_a_text_that_ends_inside_a_turn_ends_there(model: Checkpoint) -> None:
    reader = InferenceModel(model, compiled=True)
    whole = bytes(generate(reader, "a", 45, seed=2))
    assert bytes(generate(reader, "a", 45, seed=2, stop_strings=[whole[5:7]])) == whole[: whole.find(whole[5:7]) + 2]
    assert bytes(generate(reader, "a", 45, seed=2, eos_token_id=whole[5])) == whole[: whole.find(whole[5])]


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("threads", [1, 3])
def test_a_row_of_a_batch_is_its_prompt_alone(model: Checkpoint, threads: int) -> None:
    reader = InferenceModel(model, threads, compiled=True)
    together = np.array(list(generate_batch(reader, PROMPTS, 40, 1.0, None, 7))).T.tolist()
    assert together == [list(generate(reader, prompt, 40, seed=7 + row)) for row, prompt in enumerate(PROMPTS)]


def test_the_length_of_a_turn_changes_no_text(model: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InferenceModel(model, compiled=True)
    whole = list(generate(reader, "a", 45, seed=2))
    monkeypatch.setattr(rows, "_TURN_BYTES", 1)
    assert list(generate(reader, "a", 45, seed=2)) == whole


@entry
def choose_each(scores, drawn, temperature, top_k, top_p, min_p, below, above, seen, heap, chosen):
    for row in range(len(scores)):
        if below != 1.0:
            choice.penalize(scores[row], seen[row], below, above)
        chosen[row] = choice.choose(scores[row], drawn[row], temperature, top_k, top_p, min_p, heap)


@pytest.mark.parametrize(("temperature", "top_k"), [(0.0, None), (1.0, None), (0.3, 40), (2.0, 1), (1e-300, 7)])
@pytest.mark.parametrize(
    ("top_p", "min_p", "penalty"), [(1.0, 0.0, 1.0), (0.9, 0.0, 1.3), (1.0, 0.2, 0.7), (0.5, 0.05, 3)]
)
def test_a_token_is_chosen_as_by_numpy(
    temperature: float, top_k: int | None, top_p: float, min_p: float, penalty: float
) -> None:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((300, 256)).astype(np.float32)
    scores[100:200] = scores[100:200].round(1)  # many are equal, and rank by id
    scores[200:, 3:250] = -np.inf
    drawn, chosen = rng.random(300), np.zeros(300, np.int64)
    heap, divisor = np.zeros(256, np.int64), max(temperature, COLDEST) if temperature else 0.0
    seen = rng.random((300, 256)) < 0.5
    settings = SamplingSettings(1, temperature, top_k, top_p=top_p, min_p=min_p, repetition_penalty=penalty)
    given = [penalized(row, of_text, settings).copy() for row, of_text in zip(scores, seen, strict=True)]
    more = float(top_p), float(min_p), *settings.penalty_factors, seen
    arguments = scores, drawn, divisor, top_k or 256, *more, heap, chosen
    prepare(choose_each, *arguments)
    choose_each(*arguments)

    class Drawn:
        def __init__(self, number: float) -> None:
            self.random = lambda: number

    assert [*map(bytes, scores)] == [*map(bytes, given)]
    expected = [choose_token(row, settings, Drawn(number)) for row, number in zip(given, drawn, strict=True)]  # type: ignore[arg-type]
    assert chosen.tolist() == expected


def test_weights_that_are_not_finite_end_it_in_one_line(model: Checkpoint) -> None:
    reader = InferenceModel(model, compiled=True)
    reader.weights.positions[5] = np.nan
    with pytest.raises(DivergedError, match="not finite"):
        list(generate(reader, "a", 10))


def test_it_is_taken_where_it_pays_and_missed_only_if_asked_for(
    model: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = InferenceModel(model)
    assert reader.is_compiled(1_000_000) and not reader.is_compiled(100)
    monkeypatch.setattr("tinygpt.generation.inference.model.fastest_engine", lambda: "vectorized")
    assert not reader.is_compiled(1_000_000)
    with pytest.raises(MissingDependencyError, match=r"needs numba.*tinygpt\[fast\]"):
        InferenceModel(model, compiled=True)
