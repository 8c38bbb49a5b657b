"""The playground's reader of checkpoints: the table that Python's reader is tested with, and what both write."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from tests.browser.node import encoded, run_in_node
from tests.browser.playing import ODD, trembling_weights
from tests.foreign_checkpoints import FOREIGN, LFS_POINTER

READ = """(m, cases) => {
    const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const text = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
    const read = ([config, file]) => {
        try {
            const weights = m.checkWeights(m.readConfig(config), m.readTensors(bytes(file).buffer));
            return Object.fromEntries([...weights].map(([name, data]) => [name, text(data)]));
        } catch (error) {
            return error instanceof m.FileError ? error.message : String(error.stack);
        }
    };
    return Object.fromEntries(Object.entries(cases).map(([name, files]) => [name, read(files)]));
}"""


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """Results of the reader by case: weights by name, or its refusal."""
    weights = trembling_weights(ODD, seed=1)
    written = {name: foreign.files(ODD, weights) for name, foreign in FOREIGN.items()}
    written["pointer"] = (written["as it is"][0], LFS_POINTER)
    cases = {name: [config.decode(), encoded(file)] for name, (config, file) in written.items()}
    answers = run_in_node(READ, cases)
    assert isinstance(answers, dict)
    return answers


@pytest.mark.parametrize("case", FOREIGN)
def test_files_of_other_programs_load_as_the_same_model_or_are_refused_in_words(
    found: dict[str, Any], case: str
) -> None:
    foreign, answer = FOREIGN[case], found[case]
    if not foreign.loads:
        assert isinstance(answer, str)
        assert foreign.words in answer
        return
    assert isinstance(answer, dict), answer
    weights = trembling_weights(ODD, seed=1)
    assert answer.keys() == weights.keys()
    for name, array in weights.items():
        read = np.frombuffer(base64.b64decode(answer[name]), np.float32)
        np.testing.assert_array_equal(read, foreign.rounded(array).ravel())


def test_a_pointer_is_named(found: dict[str, Any]) -> None:
    assert "Git LFS pointer" in found["pointer"]


def test_a_file_with_words_of_every_alphabet_is_read_again() -> None:
    script = """(m) => {
        const tensors = new Map([
            ["x", { shape: [2], data: Float32Array.of(1.5, -2) }],
            ["text", { shape: [3], data: Uint8Array.of(1, 2, 255) }],
        ]);
        const { tensors: read, metadata } = m.readFile(m.writeTensors(tensors, { about: "Zoë’s 🙂" }), { texts: true });
        return [metadata.about, [...read.get("x").data], [...read.get("text").data]];
    }"""
    assert run_in_node(script) == ["Zoë’s 🙂", [1.5, -2], [1, 2, 255]]
