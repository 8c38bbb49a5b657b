from __future__ import annotations

import math

import pytest

from bench.arms.step_work import TRAFFIC, step_work
from bench.planning.projection import StepTime, fit_models, project
from bench.statistics.cost_model import LEAST_LOG_ERROR, fit_cost_model
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.params import parameter_shapes
from tinygpt.presets import LADDER

OVERHEAD, RATE, BANDWIDTH = 4e-6, 250e9, 12e9


def ideal(variant: str, presets: list[str], rate: float = RATE) -> dict[str, float]:
    """Step times of a machine that the model describes exactly."""
    works = {name: step_work(variant, LADDER[name].model, LADDER[name].train) for name in presets}
    return {
        name: OVERHEAD * work.calls + work.flops / rate + work.bytes / BANDWIDTH for name, work in works.items()
    }  # fmt: skip


# ---- work --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", LADDER)
def test_flops_are_three_forwards_of_every_product(preset):
    model, train = LADDER[preset].model, LADDER[preset].train
    n, t = train.batch_size * model.context_length, model.context_length
    forward = 2 * n * model.vocab_size * model.d_model  # the tied head
    for name, shape in parameter_shapes(model).items():
        if len(shape) == 2 and name.startswith("h."):
            forward += 2 * n * shape[0] * shape[1]
    pairs = train.batch_size * model.n_heads * model.n_layers
    forward += pairs * 2 * (2 * t * t * model.head_dim)  # q kᵀ and P v
    assert step_work("numpy", model, train).flops == pytest.approx(3 * forward)


def test_what_the_mask_hides_costs_plain_python_nothing():
    model, train = ModelConfig(1, 16, 2, 64), TrainConfig(batch_size=2)
    saved = step_work("numpy", model, train).flops - step_work("python", model, train).flops
    t, n = 64, 128
    assert saved == pytest.approx(3 * n * 4 * t * 16 * (1 - (t + 1) / (2 * t)))


def test_every_term_grows_with_what_it_counts():
    small, train = ModelConfig(2, 32, 2, 32), TrainConfig(batch_size=4)
    for engine in TRAFFIC:
        base = step_work(engine, small, train)
        deeper = step_work(engine, ModelConfig(4, 32, 2, 32), train)
        assert deeper.calls > base.calls and deeper.flops > base.flops and deeper.bytes > base.bytes
        assert step_work(engine, small, TrainConfig(batch_size=8)).calls == base.calls
    assert step_work("a peer", small, train) == step_work("vectorized", small, train)


# ---- the fit -----------------------------------------------------------------------------------------------


def test_known_constants_are_recovered():
    model = fit_cost_model("numpy", ideal("numpy", [*LADDER]))
    assert model is not None
    assert model.overhead == pytest.approx(OVERHEAD, rel=1e-3)
    assert 1 / model.seconds_per_flop == pytest.approx(RATE, rel=1e-3)
    assert 1 / model.seconds_per_byte == pytest.approx(BANDWIDTH, rel=1e-3)
    assert model.largest_error < 1e-6


def test_leaving_one_out_finds_the_preset_that_does_not_fit():
    times = ideal("numpy", [*LADDER])
    times["large"] *= 1.5
    model = fit_cost_model("numpy", times)
    assert model is not None
    errors = {row.preset: row.relative_error for row in model.left_out}
    assert min(errors, key=lambda name: errors[name]) == "large"
    # The others are exact, so what is predicted is what it would have been without the change.
    assert errors["large"] == pytest.approx(1 / 1.5 - 1, abs=1e-3)
    assert model.largest_error == max(abs(error) for error in errors.values())
    assert {row.measured_seconds for row in model.left_out} == set(times.values())


def test_no_coefficient_is_negative():
    falling = {"tiny": 3.0, "small": 2.0, "medium": 1.5, "large": 1.0, "xl": 0.9, "huge": 0.8}
    model = fit_cost_model("numpy", falling)
    assert model is not None
    assert min(model.overhead, model.seconds_per_flop, model.seconds_per_byte) >= 0
    assert all(model.estimate(name).seconds > 0 for name in LADDER)


@pytest.mark.parametrize(
    ("presets", "terms"),
    [
        (["tiny", "small"], {"seconds_per_flop"}),
        (["tiny", "small", "medium"], {"seconds_per_flop"}),
        (["tiny", "small", "medium", "large"], {"seconds_per_flop", "overhead"}),
        (["tiny", "small", "medium", "large", "xl"], {"seconds_per_flop", "overhead", "seconds_per_byte"}),
    ],
)
def test_few_presets_get_a_smaller_model(presets, terms):
    model = fit_cost_model("numpy", ideal("numpy", presets))
    assert model is not None
    used = {name for name in ("overhead", "seconds_per_flop", "seconds_per_byte") if getattr(model, name) > 0}
    assert used == terms
    assert len(model.left_out) == len(presets)


def test_one_preset_is_no_model():
    assert fit_cost_model("numpy", {"tiny": 0.01}) is None
    assert fit_cost_model("numpy", {}) is None
    assert fit_cost_model("numpy", {"tiny": 0.01, "a preset of long ago": 0.02}) is None


# ---- bands -------------------------------------------------------------------------------------------------


def test_a_band_is_never_narrower_than_a_machine_drifts():
    model = fit_cost_model("numpy", ideal("numpy", ["tiny", "small", "medium", "large", "huge"]))
    assert model is not None
    within = model.estimate("xl")
    assert within.high / within.seconds == pytest.approx(math.exp(LEAST_LOG_ERROR))
    assert within.seconds / within.low == pytest.approx(math.exp(LEAST_LOG_ERROR))


def test_a_band_widens_beyond_the_measured_presets():
    model = fit_cost_model("python", ideal("python", ["tiny", "small"]))
    assert model is not None
    widths = [math.log(model.estimate(name).high / model.estimate(name).low) for name in ("medium", "xl", "behemoth")]
    assert widths == sorted(widths) and widths[0] < widths[-1]
    small, behemoth = (step_work("python", LADDER[n].model, LADDER[n].train).flops for n in ("small", "behemoth"))
    assert widths[-1] >= 2 * LEAST_LOG_ERROR * math.log10(behemoth / small)


def test_the_band_follows_the_errors_nearby():
    times = ideal("numpy", [*LADDER])
    del times["behemoth"]
    calm = fit_cost_model("numpy", times)
    rough = fit_cost_model("numpy", times | {"mega": times["mega"] * 1.4})
    assert calm is not None and rough is not None
    assert rough.log_error > calm.log_error
    width = {model.id: model.estimate("behemoth").high / model.estimate("behemoth").low for model in (calm, rough)}
    assert width[rough.id] > width[calm.id]


def test_a_model_s_name_changes_with_what_it_was_fitted_to():
    times = ideal("numpy", [*LADDER])
    first, again = fit_cost_model("numpy", times), fit_cost_model("numpy", dict(reversed(times.items())))
    other = fit_cost_model("numpy", times | {"tiny": times["tiny"] * 1.01})
    assert first and again and other
    assert first.id == again.id != other.id


# ---- scopes ------------------------------------------------------------------------------------------------


def step_times() -> list[StepTime]:
    return [
        StepTime(("local", machine), variant, preset, seconds)
        for machine, variant in (("a", "numpy"), ("b", "numpy"), ("a", "numpy[x=1]"), ("a", "torch"))
        for preset, seconds in ideal("numpy", ["tiny", "small", "medium"], RATE / (1 + (machine == "b"))).items()
    ]


def test_machines_are_not_pooled_and_only_our_plain_engines_are_projected():
    models = fit_models(step_times())
    assert {scope: set(found) for scope, found in models.items()} == {
        ("local", "a"): {"numpy"},
        ("local", "b"): {"numpy"},
    }
    assert models[("local", "a")]["numpy"].seconds_per_flop < models[("local", "b")]["numpy"].seconds_per_flop
    projected = project(models[("local", "a")])
    assert [found.preset for found in projected] == ["micro", "large", "xl", "huge", "massive", "mega", "behemoth"]
