"""Models of several bytes a token in the playground: Python's ids, Python's text, and files that do not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from sitegen.commands.serve import serve_folder
from sitegen.playground.publish import SOURCES
from tests import ROOT
from tests.browser.node import encoded, in_page, run_in_node
from tests.browser.playing import ODD, reference, trembling_weights
from tests.tinygpt.tokenizers.test_plain_bpe import BPE, CASES
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.engines import create_engine
from tinygpt.evaluation.loss import text_loss
from tinygpt.generation.decoding import generate_text

CONTENT = json.dumps(BPE.content, ensure_ascii=False)
ENCODE = """(m, { content, size, texts }) => {
    const tokenizer = m.readTokenizer(content, size);
    return texts.map((text) => {
        const ids = [...tokenizer.encode(text)];
        const bytes = ids.flatMap((id) => [...tokenizer.piece(id)]);
        return [ids, new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes))];
    });
}"""
REFUSED = """(m, cases) => cases.map(([content, size]) => {
    try { return m.readTokenizer(content, size).unit; } catch (error) { return error.message; }
})"""
FILES = """
    const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
    const client = m.client();
    await client.call("start", {});
    const files = { configText: a.config, buffer: bytes(a.weights), about: "wordy" };
"""


@pytest.fixture(scope="module")
def wordy(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], Checkpoint]:
    """The files of a checkpoint whose tokenizer was trained here, and the checkpoint."""
    folder, model = tmp_path_factory.mktemp("wordy"), replace(ODD, vocab_size=BPE.vocab_size)
    checkpoint = Checkpoint(model, TrainConfig(3), trembling_weights(model, seed=1), tokenizer=BPE)
    save_checkpoint(folder, checkpoint)
    return _files(folder), checkpoint


def _files(folder: Path) -> dict[str, str]:
    texts = {name: (folder / f"{name}.json").read_text() for name in ("config", "tokenizer")}
    return texts | {"weights": encoded((folder / "model.safetensors").read_bytes())}


def test_the_ids_of_any_text_are_pythons() -> None:
    found = run_in_node(ENCODE, {"content": CONTENT, "size": BPE.vocab_size, "texts": [*CASES]})
    assert found == [[BPE.encode(text).tolist(), text] for text in CASES]


def test_tokenizers_that_cannot_be_used_are_refused_in_words() -> None:
    model = BPE.content["model"]
    changes: list[tuple[dict[str, Any], str]] = [
        ({"normalizer": {"type": "NFC"}}, "this page reads no other"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "does not know"),
        ({"model": {**model, "merges": [["Q", "Q"]]}}, "merges tokens that it does not have"),
        ({"model": {**model, "vocab": {"a": 0}}}, "damaged vocabulary"),
    ]
    cases = [(json.dumps({**BPE.content, **change}), BPE.vocab_size, words) for change, words in changes]
    cases += [("{", 300, "is not JSON"), (None, 300, "tokens are the 256 bytes"), (CONTENT, 9, "vocab_size of 9")]
    answers = run_in_node(REFUSED, [[content, size] for content, size, _ in cases])
    for answer, (_, _, words) in zip(answers, cases, strict=True):
        assert words in answer


def test_a_checkpoint_with_its_tokenizer_writes_pythons_text(wordy: tuple[dict[str, str], Checkpoint]) -> None:
    files, checkpoint = wordy
    prompt = "The fox said: né 🙂"
    script = f"""async (m, a) => {{ {FILES}
        const refused = await client.call("open", files).catch((error) => error.message);
        const again = {{ ...files, buffer: bytes(a.weights) }};
        await client.call("open", {{ ...again, tokenizerText: a.tokenizer }});
        const parts = [];
        const settings = {{ count: 120, temperature: 0, topK: 0, seed: 0 }};
        const progress = (news) => parts.push(...news.bytes);
        await client.call("generate", {{ prompt: a.prompt, ...settings }}, {{ progress }});
        const {{ pieces }} = await client.call("predict", {{ text: a.prompt }});
        const {{ tokenizer }} = await client.call("export");
        return {{ refused, parts, read: pieces.map((piece) => [...piece]), same: tokenizer === a.tokenizer }};
    }}"""
    answer = run_in_node(script, files | {"prompt": prompt})
    assert f"vocab_size of {BPE.vocab_size}" in answer["refused"]
    assert bytes(answer["parts"]).decode(errors="replace") == generate_text(checkpoint, prompt, 120, temperature=0)
    assert [bytes(piece) for piece in answer["read"]] == [BPE.pieces[token] for token in BPE.encode(prompt)]
    assert answer["same"]


def test_its_training_shows_losses_per_byte_and_is_kept_with_its_tokenizer(
    wordy: tuple[dict[str, str], Checkpoint],
) -> None:
    files, checkpoint = wordy
    text = "The fox saw a hen. The hen saw the fox. Off she went. " * 40
    script = f"""async (m, a) => {{ {FILES}
        await client.call("open", {{ ...files, tokenizerText: a.tokenizer }});
        const news = [];
        const message = {{
            from: "loaded", config: a.shape, batchSize: 3, seed: 7, text: new TextEncoder().encode(a.text), corpus: "x",
            about: "y", prompt: "The", steps: 3, learningRate: 1e-3, evaluateEvery: 3,
        }};
        await client.call("train", message, {{ progress: (piece) => news.push(piece) }});
        const {{ file }} = await client.call("snapshot");
        const kept = m.readSnapshot(file);
        return {{ heldOut: news[0].heldOut, sample: news[0].sample, size: kept.tokenizer.vocabSize }};
    }}"""
    answer = run_in_node(script, files | {"text": text, "shape": in_page(checkpoint.config)})
    engine = create_engine("numpy", checkpoint.config, TrainConfig(4), weights=checkpoint.weights)
    engine.tokenizer = BPE
    expected = text_loss(engine, BPE.encode(text[-len(text) // 10 :]))
    assert answer["heldOut"] == pytest.approx(expected, rel=0.05)  # other windows of the same text
    assert answer["size"] == BPE.vocab_size and answer["sample"]


def test_another_vocabulary_agrees_with_python() -> None:
    ref = reference(replace(ODD, vocab_size=301))
    script = """(m, a) => {
        const engine = new m.TrainingEngine(a.config, m.kernels.simd, a.tokens[0].length);
        const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
        engine.load(new Map(Object.entries(a.weights).map(([name, text]) => [name, floats(text)])));
        const ids = (batch, from, to) => Uint16Array.from(batch.flatMap((row) => row.slice(from, to)));
        return a.tokens.map((batch) => engine.trainStep(ids(batch, 0, -1), ids(batch, 1, undefined)).loss);
    }"""
    weights = {name: encoded(array) for name, array in ref.weights.items()}
    argument = {"config": in_page(ref.model), "weights": weights, "tokens": ref.tokens.tolist()}
    assert run_in_node(script, argument) == pytest.approx(ref.losses, abs=1e-4)


def test_webgpu_trains_it_to_the_same_losses(gpu_browser: Browser, wordy: tuple[dict[str, str], Checkpoint]) -> None:
    files, checkpoint = wordy
    script = """async (a) => {
        const { Client } = await import(new URL("client.js", location.href));
        const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
        const run = {
            from: "loaded", config: a.shape, batchSize: 3, seed: 7, text: new TextEncoder().encode(a.text), corpus: "x",
            about: "y", prompt: "The", steps: 5, learningRate: 1e-3,
        };
        const lossesWith = async (only) => {
            const client = new Client(new URL("worker.js", location.href));
            const { kernels } = await client.call("start", { only });
            const [configText, tokenizerText, buffer] = [a.config, a.tokenizer, bytes(a.weights)];
            await client.call("open", { configText, tokenizerText, buffer, about: "wordy" });
            const losses = [];
            const progress = (news) => losses.push(...news.losses.map(([, loss]) => loss), news.heldOut ?? []);
            await client.call("train", run, { progress });
            client.close();
            return [kernels, losses.flat()];
        };
        return [await lossesWith("js"), await lossesWith("webgpu")];
    }"""
    text = "The fox saw a hen. The hen saw the fox. Off she went. " * 40
    with serve_folder(ROOT / SOURCES) as address:
        page = gpu_browser.new_page()
        page.goto(address)
        plain, card = page.evaluate(script, files | {"text": text, "shape": in_page(checkpoint.config)})
        page.close()
    assert (plain[0], card[0]) == ("js", "webgpu")
    assert len(plain[1]) == 11 and card[1] == pytest.approx(plain[1], abs=1e-4)
