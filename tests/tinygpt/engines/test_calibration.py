"""The choice of forms: repeatable, cached, and robust against a damaged cache."""

import json

import pytest

from tinygpt.engines.vectorized import calibration, kernels


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """An empty cache folder, and no choice remembered in the process."""
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path))
    calibration.calibrated_spec.cache_clear()
    yield tmp_path / "kernels.json"
    calibration.calibrated_spec.cache_clear()


def test_auto_resolves_to_a_choice_that_can_be_repeated(fresh):
    chosen = calibration.choose_kernels("auto")
    assert calibration.choose_kernels(chosen.spec) == chosen
    assert json.loads(fresh.read_text()) == {calibration._machine_key(): chosen.spec}


@pytest.mark.parametrize(("numexpr_seconds", "spec"), [(0.5, "numexpr"), (0.95, "numpy"), (2.0, "numpy")])
def test_numexpr_has_to_be_clearly_faster_and_is_measured_once(fresh, monkeypatch, numexpr_seconds, spec):
    monkeypatch.setattr(calibration, "calibration_seconds", lambda name: (1.0, numexpr_seconds))
    assert calibration.choose_kernels("auto").spec == spec
    calibration.calibrated_spec.cache_clear()  # as in the next process
    monkeypatch.setattr(calibration, "calibration_seconds", lambda name: pytest.fail("measured again"))
    assert calibration.choose_kernels("auto").spec == spec


@pytest.mark.parametrize("text", ["", "[]", "{", '{"KEY": 3}', '{"KEY": "numexpr:nonsense"}', '{"KEY": "fast"}'])
def test_a_damaged_cache_is_measured_again(fresh, text):
    fresh.write_text(text.replace("KEY", calibration._machine_key()))
    chosen = calibration.choose_kernels("auto")
    assert json.loads(fresh.read_text())[calibration._machine_key()] == chosen.spec


def test_an_unwritable_cache_gives_a_warning(fresh, monkeypatch, caplog):
    (fresh.parent / "file").write_text("")
    monkeypatch.setenv("TINYGPT_CACHE", str(fresh.parent / "file" / "below"))
    calibration.choose_kernels("auto")
    assert "the choice of kernels is not kept" in caplog.text


def test_mixed_choice():
    chosen = calibration.choose_kernels("numexpr:adamw+gelu")
    assert chosen.spec == "numexpr:gelu+adamw"
    assert chosen.adamw is kernels.adamw_numexpr
    assert chosen.exponentials is kernels.exponentials_numpy
