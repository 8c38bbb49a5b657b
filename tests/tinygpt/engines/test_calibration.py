"""The choice of forms: repeatable, cached, and robust against a damaged cache."""

import json

import pytest

from tinygpt.engines import extras
from tinygpt.engines.vectorized import calibration, kernels
from tinygpt.engines.vectorized.forms import INTERPRETED, KERNELS, form_of, read_choice, write_choice
from tinygpt.errors import ConfigError, MissingDependencyError, UnknownNameError

KEY = calibration._machine_key(INTERPRETED)


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """An empty cache folder, and no choice remembered in the process."""
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path))
    calibration.calibrated_choice.cache_clear()
    yield tmp_path / "kernels.json"
    calibration.calibrated_choice.cache_clear()


def test_auto_resolves_to_a_choice_that_can_be_repeated(fresh):
    chosen = calibration.choose_kernels("auto")
    assert calibration.choose_kernels(chosen.spec) == chosen
    times = json.loads(fresh.read_text())[KEY]
    assert times.keys() == KERNELS.keys()
    assert times["gelu"].keys() == {"numpy", "exp", "numexpr"}


@pytest.mark.parametrize(("seconds", "spec"), [(0.5, "numexpr"), (0.95, "numpy"), (2.0, "numpy")])
def test_numexpr_has_to_be_clearly_faster_and_is_measured_once(fresh, monkeypatch, seconds, spec):
    def measured(kernel, forms):
        return {"numpy": 1.0, "numexpr": seconds} | ({"exp": 1.0} if kernel == "gelu" else {})

    monkeypatch.setattr(calibration, "tile_seconds", measured)
    assert calibration.choose_kernels("auto").spec == spec
    calibration.calibrated_choice.cache_clear()  # as in the next process
    monkeypatch.setattr(calibration, "tile_seconds", lambda *_: pytest.fail("measured again"))
    assert calibration.choose_kernels("auto").spec == spec


def test_auto_never_takes_a_compiled_form_and_fastest_does(fresh, monkeypatch):
    def measured(kernel, forms):
        times = {"numpy": 1.0, "exp": 0.5, "numexpr": 2.0, "numba": 0.1}
        return {form: times[form] for form in forms if form != "exp" or kernel == "gelu"}

    monkeypatch.setattr(calibration, "tile_seconds", measured)
    assert calibration.choose_kernels("auto").spec == "exp"
    assert calibration.choose_kernels("fastest").spec == "numba"


def test_without_numba_the_choice_goes_on_and_the_form_names_its_extra(fresh, monkeypatch):
    def without(name):
        raise ModuleNotFoundError("No module named 'numba'", name="numba")

    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    monkeypatch.setattr(extras, "import_module", without)
    form_of.cache_clear()
    assert calibration.choose_kernels("fastest") == calibration.choose_kernels("auto")
    with pytest.raises(MissingDependencyError, match=r"^kernels=numba needs numba, .*pip install 'tinygpt\[fast\]'$"):
        calibration.choose_kernels("numba:gelu")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"KEY": 3}', '{"KEY": {"gelu": {}}}', '{"KEY": "numexpr"}'])
def test_a_damaged_cache_is_measured_again(fresh, text):
    fresh.write_text(text.replace("KEY", KEY))
    calibration.choose_kernels("auto")
    assert json.loads(fresh.read_text())[KEY].keys() == KERNELS.keys()


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


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("numexpr:adamw+numba:gelu+residual", "numexpr:adamw+numba:gelu+residual"),
        ("numba:gelu+residual+numexpr:adamw", "numexpr:adamw+numba:gelu+residual"),
        ("exp:gelu", "exp"),
        ("exp", "exp"),
        ("exp:gelu+numexpr:adamw", "exp:gelu+numexpr:adamw"),
        (f"numba:{'+'.join(KERNELS)}", "numba"),
        ("numpy:gelu", "numpy"),
    ],
)
def test_a_choice_is_written_in_one_way(text, written):
    assert write_choice(read_choice(text)) == written
    assert read_choice(written) == read_choice(text)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("fast", ConfigError, "kernels is 'fast'; allowed: auto, fastest, numpy, exp, numexpr, numba, or FORM:NAME"),
        ("gelu", ConfigError, "kernels is 'gelu'; allowed: auto"),
        ("exp:adamw", ConfigError, "adamw has no form exp; allowed: numpy, numexpr, numba"),
        ("numba:gelo", UnknownNameError, "did you mean 'gelu'"),
    ],
)
def test_a_choice_that_cannot_be_read_is_one_line(text, error, words):
    with pytest.raises(error, match=words) as caught:
        read_choice(text)
    assert "\n" not in str(caught.value)
