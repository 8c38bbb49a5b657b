"""Tokenizers: exact round trips of any bytes, and one clear line for what does not fit."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tinygpt.training.small_runs import CORPUS, SENTENCES
from tinygpt.errors import ConfigError, MissingDependencyError
from tinygpt.tokenizers import BYTES, expected_vocab_size, load_tokenizer
from tinygpt.tokenizers.json_tokenizer import JsonTokenizer, stretches, tokenizer_of
from tinygpt.tokenizers.training import train_bpe

BPE = train_bpe("bpe:280", 280, CORPUS.train)


@given(st.binary(max_size=300))
def test_any_bytes_survive_the_round_trip(data):
    tokens = BYTES.encode(data)
    assert tokens.dtype == np.uint8
    assert BYTES.decode_bytes(tokens) == data
    tokens = BPE.encode(data)
    assert tokens.dtype == np.uint16
    assert BPE.decode_bytes(tokens) == data
    assert BPE.byte_lengths(tokens).sum() == len(data)


def test_text_is_utf8_and_broken_text_is_marked():
    assert BYTES.encode("é").tolist() == [0xC3, 0xA9]
    assert BYTES.decode(np.array([0xC3, 0xA9], np.int64)) == "é"
    assert BYTES.decode(np.array([0x41, 0xC3])) == "A\N{REPLACEMENT CHARACTER}"


@given(text=st.text())
def test_streamed_text_is_the_text_in_whole_characters(text):
    pieces = list(BYTES.decode_stream(text.encode()))
    assert "".join(pieces) == text
    assert all(len(piece) == 1 for piece in pieces)
    assert "".join(BPE.decode_stream(BPE.encode(text).tolist())) == text


@given(data=st.binary())
def test_streamed_bytes_are_always_valid_text(data):
    pieces = list(BYTES.decode_stream(data))
    assert "".join(pieces) == data.decode("utf-8", errors="replace") == BYTES.decode(np.frombuffer(data, np.uint8))
    "".join(pieces).encode("utf-8", errors="strict")


def test_text_comes_as_soon_as_a_character_is_whole():
    consumed = []

    def tokens():
        for token in "aé€".encode():
            consumed.append(token)
            yield token

    counts = [len(consumed) for _ in BYTES.decode_stream(tokens())]
    assert counts == [1, 3, 6]


def test_the_tokens_of_bytes_are_their_values_also_in_its_file():
    vocab = BYTES.content["model"]["vocab"]
    assert sorted(vocab.values()) == list(range(256))
    assert vocab["A"] == 65 and vocab["Ġ"] == 32 and vocab["Ċ"] == 10 and vocab["Ń"] == 173  # as in GPT-2's own file
    assert tokenizer_of("x", json.loads(json.dumps(BYTES.content))) is BYTES
    theirs = JsonTokenizer("x", BYTES.content)  # as the library reads it
    np.testing.assert_array_equal(theirs.encode("Héllo\n\0 world"), BYTES.encode("Héllo\n\0 world"))


def test_bpe_has_fewer_tokens_and_the_same_ones_from_its_file():
    tokens = BPE.encode(SENTENCES)
    assert BPE.vocab_size == 280
    assert len(tokens) < 0.6 * len(SENTENCES)
    again = tokenizer_of("again", json.loads(json.dumps(BPE.content)))
    assert again.hash == BPE.hash != BYTES.hash
    np.testing.assert_array_equal(again.encode(SENTENCES), tokens)


@pytest.mark.parametrize("size", [16, 50, 150])
def test_stretches_have_the_tokens_of_the_whole(size):
    text = ("a  \n\n b\n" + SENTENCES + "\n\n\t x ").encode() * 3
    parts = list(stretches(text, size))
    assert b"".join(parts) == text and max(map(len, parts)) <= size
    if size > 100:  # a line is longer than 16 and 50 bytes, so that words are cut
        np.testing.assert_array_equal(np.concatenate([BPE.encode(part) for part in parts]), BPE.encode(text))


def test_bpe_is_trained_on_the_training_part_and_kept_in_the_cache(monkeypatch):
    first = load_tokenizer("bpe:275", CORPUS)
    assert first.hash == train_bpe("bpe:275", 275, CORPUS.train).hash  # the held-out part has other pairs
    assert first.hash != train_bpe("bpe:275", 275, CORPUS.held_out).hash
    monkeypatch.setattr("tinygpt.tokenizers.training.train_bpe", lambda *_: pytest.fail("trained again"))
    assert load_tokenizer("bpe:275", CORPUS).hash == first.hash


def test_a_file_and_a_folder_are_read(tmp_path):
    (tmp_path / "tokenizer.json").write_text(json.dumps(BPE.content))
    for name in (str(tmp_path), str(tmp_path / "tokenizer.json")):
        assert load_tokenizer(name).hash == BPE.hash
        assert expected_vocab_size(name) == 280
    assert expected_vocab_size("bpe:2048") == 2048


def test_a_size_out_of_range_and_an_unknown_name_are_refused():
    with pytest.raises(ConfigError, match=r"'bpe:10' asks for 10 tokens; allowed: 257 to 65,536; run: invoke train"):
        load_tokenizer("bpe:10", CORPUS)
    with pytest.raises(ConfigError, match="asks for 0 tokens"):
        load_tokenizer("bpe:", CORPUS)
    with pytest.raises(
        ConfigError, match=r"unknown tokenizer 'byte' \(did you mean 'bytes'\?\); allowed: bytes, bpe:2048"
    ):
        load_tokenizer("byte")
    with pytest.raises(ConfigError, match=r"missing\.json is missing; allowed: a tokenizer\.json"):
        load_tokenizer("missing.json")


def test_what_is_no_byte_level_bpe_is_refused():
    words = {"model": {"type": "WordPiece", "vocab": {"a": 0}}, "decoder": {"type": "WordPiece"}}
    with pytest.raises(ConfigError, match=r"'x' is of type 'WordPiece' or not on bytes; allowed: byte-level BPE"):
        JsonTokenizer("x", words)
    gap = {**BYTES.content, "model": {**BYTES.content["model"], "vocab": {"a": 0, "b": 7}}}
    with pytest.raises(ConfigError, match=r"damaged vocabulary .*; allowed: ids from 0 without a gap"):
        JsonTokenizer("x", gap)


def test_a_text_that_cannot_be_represented_and_an_id_out_of_range_are_refused():
    few = {**BYTES.content, "model": {**BYTES.content["model"], "vocab": {"a": 0, "b": 1}}}
    poor = JsonTokenizer("poor", few)
    assert poor.decode(poor.encode("abba")) == "abba"
    for text in ("abc", b"ab\xff"):
        with pytest.raises(ConfigError, match=r"'poor' cannot represent the text .*--tokenizer bytes"):
            poor.encode(text)
    lower = JsonTokenizer("lower", {**BPE.content, "normalizer": {"type": "Lowercase"}})
    with pytest.raises(ConfigError, match="'lower' cannot represent"):
        lower.encode("The")
    for tokens in (np.array([1, 280]), [-1]):
        with pytest.raises(ConfigError, match=r"token -?\d+ is not one of tokenizer 'bpe:280'; allowed: 0 to 279"):
            BPE.decode(tokens)


def test_without_the_library_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(MissingDependencyError, match=r"'bpe:270' needs the package tokenizers.*install 'tinygpt\[to"):
        load_tokenizer("bpe:270", CORPUS)
    assert BPE.decode([BPE.pieces.index(b"fox")] if b"fox" in BPE.pieces else [0])  # decoding does not need it


def test_gpt2_comes_from_the_hubs_cache_or_is_one_clear_line(monkeypatch, tmp_path):
    import huggingface_hub

    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(BPE.content))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(path))
    assert load_tokenizer("gpt2").name == "gpt2"
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)

    def offline(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(
        ConfigError, match=r"'gpt2': openai-community/gpt2 is not in the hub's cache, and the hub could"
    ):
        load_tokenizer("gpt2")
