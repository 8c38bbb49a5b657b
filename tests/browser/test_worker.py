"""The playground's worker as a thread of Node: it trains, goes on to the bit, answers meanwhile, and rests if asked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.node import in_page, run_in_node
from tests.browser.playing import ODD
from tinygpt.config import TrainConfig
from tinygpt.schedule import learning_rate_at

TEXT = "The cat sat on the mat, and the dog ran to the door. " * 20

# What every script below begins with: a started worker, and a training of the odd model on the text.
WORKER = """
    const opened = async (only) => {
        const client = m.client();
        await client.call("start", { only });
        return client;
    };
    const training = {
        config: a.config, batchSize: 3, seed: 7, text: new TextEncoder().encode(a.text), corpus: "cats", about: "Zoë’s",
        prompt: "The", learningRate: 3e-3, warmupSteps: 4, decaySteps: 18, decayTo: 0.1, evaluateEvery: 5,
    };
    const trained = async (client, message) => {
        const news = [];
        const answer = await client.call("train", message, { progress: (piece) => news.push(piece) });
        return { news, answer };
    };
"""


def in_worker(script: str, **more: object) -> Any:
    """Run a script's body with ``m``, the modules, ``a``, the arguments, and the helpers above."""
    argument = {"config": in_page(ODD), "text": TEXT} | more
    return run_in_node(f"async (m, a) => {{ {WORKER} {script} }}", argument)


# ---- to the bit ----------------------------------------------------------------------------------------------------

GO_ON = """
    const snapshot = async (client) => (await client.call("snapshot")).file;
    const whole = await opened(a.only);
    const { answer: all } = await trained(whole, { ...training, steps: 20 });
    const expected = m.readFile(await snapshot(whole), { texts: true });

    const first = await opened(a.only);
    await trained(first, { ...training, steps: 10 });
    const file = await snapshot(first);
    const copy = file.slice();
    first.close();
    const second = await opened(a.only);
    const { news, answer } = await trained(second, { continueFrom: file, steps: 6, prompt: "The" });
    await trained(second, { continueFrom: "model", steps: 4, prompt: "The" });
    const found = m.readFile(await snapshot(second), { texts: true });

    const bits = ({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const equal = (one, other) => bits(one).every((byte, i) => byte === bits(other)[i]);
    const differ = (some) => [...expected.tensors].filter(([name, one]) => !equal(one, some.get(name))).map(([n]) => n);
    const { milliseconds: _, ...run } = answer.model.run;
    return {
        names: [...found.tensors.keys()],
        different: differ(found.tensors),
        early: differ(m.readFile(copy, { texts: true }).tensors).length,
        updates: found.metadata.updates,
        begun: news[0].step,
        clock: news[0].milliseconds,
        about: found.metadata.about,
        run,
        curves: [all.model.run.curve, run.curve],
    };
"""


@pytest.mark.parametrize("only", ["js", ""])
def test_ten_steps_a_reload_and_ten_more_are_twenty_to_the_bit(only: str) -> None:
    answer = in_worker(GO_ON, only=only)
    parameters = 4 + 12 * ODD.n_layers
    assert len(answer["names"]) == 3 * parameters + 1
    assert answer["different"] == []
    assert answer["early"] == 3 * parameters  # all of it moved after the first ten
    assert (answer["updates"], answer["begun"], answer["about"]) == ("20", 10, "Zoë’s")
    assert answer["clock"] > 0
    assert answer["run"]["seed"] == 7 and answer["run"]["settings"]["warmupSteps"] == 4
    whole, parts = ([loss for _, loss in curve["train"]["points"]] for curve in answer["curves"])
    assert len(parts) == 16 and whole[:16] == parts
    assert len(answer["curves"][1]["heldOut"]["points"]) == 3 + 7  # of each part, its beginning, too


LONG_LINE = """(m, n) => {
    const { train } = m.newCurve();
    for (let i = 0; i < n; i++) m.addLoss(train, i, i);
    return train;
}"""


def test_a_long_curve_has_no_more_points_than_are_drawn() -> None:
    line = run_in_node(LONG_LINE, 10_000)
    assert 300 <= len(line["points"]) < 600
    ends = [(i + 1) * line["stretch"] - 1 for i in range(len(line["points"]))]
    assert line["points"] == [[end, end - (line["stretch"] - 1) / 2] for end in ends]


def test_the_rate_of_a_step_is_pythons() -> None:
    settings = {"learningRate": 3e-3, "warmupSteps": 4, "decaySteps": 18, "decayTo": 0.1}
    train = TrainConfig(batch_size=1, learning_rate=3e-3, warmup_steps=4, decay_steps=18, decay_to=0.1)
    rates = run_in_node("(m, s) => Array.from({ length: 25 }, (_, i) => m.learningRateAt(s, i))", settings)
    assert rates == pytest.approx([learning_rate_at(train, step) for step in range(25)], rel=1e-12)


DAMAGED = """
    const client = await opened("js");
    const refusal = async (file) => {
        try {
            await client.call("train", { continueFrom: file, steps: 1, prompt: "" });
        } catch (error) {
            return error.message;
        }
    };
    await trained(client, { ...training, steps: 1 });
    const { file } = await client.call("snapshot");
    const { weights, config } = await client.call("export");
    const refusals = [];
    const half = file.byteLength >> 1;
    for (const end of [0, 5, 100, half, 2 * half - 1]) refusals.push(await refusal(file.slice(0, end)));
    refusals.push(await refusal(weights.slice()));
    const whole = await refusal(file);
    await client.call("open", { configText: config, buffer: weights, about: "a file" });
    return { refusals, whole: whole ?? "", foreign: await refusal("model") };
"""


def test_half_a_snapshot_and_other_files_are_refused_in_words() -> None:
    answer = in_worker(DAMAGED)
    words = [*["less than 8 bytes"] * 2, "longer than the file", *["cut short"] * 2, "not a snapshot"]
    for refusal, part in zip(answer["refusals"], words, strict=True):
        assert part in refusal
    assert answer["whole"] == ""
    assert "was not trained here" in answer["foreign"]


# ---- progress ------------------------------------------------------------------------------------------------------


def test_progress_has_every_loss_on_the_clock_and_the_gradients_by_layer() -> None:
    answer = in_worker('return trained(await opened("js"), { ...training, steps: 12 });')
    news = answer["news"]
    losses = [entry for piece in news for entry in piece["losses"]]
    assert [step for step, _, _ in losses] == [*range(1, 13)]
    times = [milliseconds for _, _, milliseconds in losses]
    assert times == sorted(times) and times[0] > 0 and times[-1] <= news[-1]["milliseconds"]
    evaluated = [piece for piece in news if "heldOut" in piece]
    assert [piece["step"] for piece in evaluated] == [0, 5, 10, 12]
    assert evaluated[0]["heldOut"] == pytest.approx(5.5, abs=0.2) and evaluated[-1]["heldOut"] < 5
    assert len({piece["sample"] for piece in evaluated}) > 1
    assert "gradients" not in evaluated[0]
    names = [entry["name"] for entry in evaluated[1]["gradients"]]
    assert names == [
        "embedding", "block 1 attention", "block 1 MLP", "block 2 attention", "block 2 MLP", "final norm",
    ]  # fmt: skip
    assert all(entry["norm"] > 0 for entry in evaluated[1]["gradients"])
    assert news[-1]["loss"] == losses[-1][1] and news[-1]["secondsLeft"] == 0
    assert answer["answer"]["stopped"] is False


def test_norms_by_layer_are_those_of_the_parameters() -> None:
    squares = {"wte.weight": 9.0, "wpe.weight": 16.0, "h.0.attn.c_attn.bias": 4.0, "ln_f.bias": 1.0, "ln_f.weight": 3.0}
    norms = run_in_node("(m, squares) => m.gradientNorms(new Map(Object.entries(squares)))", squares)
    assert norms == [
        {"name": "embedding", "norm": 5.0},
        {"name": "block 1 attention", "norm": 2.0},
        {"name": "final norm", "norm": 2.0},
    ]  # fmt: skip


# ---- meanwhile -----------------------------------------------------------------------------------------------------

MEANWHILE = """
    const client = await opened("");
    let begun = null;
    const going = new Promise((resolve) => (begun = resolve));
    const progress = (piece) => piece.done && begun();
    const result = client.call("train", { ...training, steps: 1_000_000 }, { progress });
    await going;
    const early = await client.call("predict", { text: "The cat" });
    const { step } = await client.call("snapshot");
    let later = step;
    while (later < step + 5) later = (await client.call("snapshot")).step;
    const late = await client.call("predict", { text: "The cat" });

    client.control("pause", { of: "train" });
    const paused = (await client.call("snapshot")).step;
    const text = await client.call("generate", { prompt: "The", count: 20, temperature: 0, topK: 0, seed: 0 });
    const endless = client.call("generate", { prompt: "The", count: 1e9, temperature: 0, topK: 0, seed: 0 }, {
        progress: () => client.control("stop"),
    });
    const cut = await endless;
    const stillThere = (await client.call("snapshot")).step;
    client.control("resume", { of: "train" });
    client.control("stop", { of: "train" });
    const end = await result;
    const share = (p) => Array.from(p.probabilities).reduce((a, b) => a + b);
    return {
        step, paused, stillThere, text: text.n, cut, end,
        shares: [share(early), share(late)],
        moved: early.probabilities.some((p, i) => p !== late.probabilities[i]),
        attention: Array.from(late.attention), shape: [late.nLayers, late.nHeads, late.length],
    };
"""


def test_a_model_in_training_is_asked_paused_sampled_and_stopped() -> None:
    answer = in_worker(MEANWHILE)
    assert answer["shares"] == pytest.approx([1, 1], abs=1e-5)
    assert answer["moved"]
    layers, heads, length = answer["shape"]
    assert (layers, heads, length) == (ODD.n_layers, ODD.n_heads, 7)
    rows = [answer["attention"][i : i + length] for i in range(0, layers * heads * length**2, length)]
    for i, row in enumerate(rows):
        assert sum(row) == pytest.approx(1, abs=1e-5)
        assert not any(row[i % length + 1 :])
    assert answer["step"] < answer["paused"] <= answer["stillThere"] <= answer["paused"] + 1
    assert answer["text"] == 20
    assert answer["cut"]["stopped"]
    assert answer["end"]["stopped"] and answer["end"]["done"] >= answer["stillThere"]
    assert answer["end"]["model"]["updates"] == answer["end"]["done"]


def test_a_slow_pace_leaves_most_of_the_time_to_others() -> None:
    script = """async (m) => {
        const rest = async (share) => {
            m.setPace(share);
            const task = new m.Task(1, "train", () => {}, async () => {});
            const begun = performance.now();
            while (performance.now() < begun + 20);
            await task.turn();
            return performance.now() - begun;
        };
        return [await rest(1), await rest(0.1), await rest(0)];
    }"""
    full, slow, hardly = run_in_node(script)
    assert full < 150 < slow < 1500 < hardly < 10_000


def test_a_training_that_diverges_leaves_the_model_from_before() -> None:
    script = """
        const client = await opened("js");
        await trained(client, { ...training, steps: 3 });
        const wild = { ...training, steps: 50, learningRate: 1e12 };
        const refused = await trained(client, wild).catch((error) => error.message);
        return [refused, (await client.call("snapshot")).step];
    """
    refused, step = in_worker(script)
    assert "diverged at step" in refused and "Try a smaller one" in refused
    assert step == 3
