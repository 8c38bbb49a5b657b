"""The files of a tokenizer in a folder: tokenizer.json, or GPT-2's older pair."""

import json
from pathlib import Path

import pytest

from tests.tinygpt.gpt2_folder import BPE, END, LAST, MODEL, write_gpt2, write_pair
from tinygpt.checkpoints.layout import CONFIG, TOKENIZER, TOKENIZER_CONFIG
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.tokenizers import load_tokenizer
from tinygpt.tokenizers.files import ADDED, MERGES, VOCABULARY

TEXT = "The fox saw 3 hens,\n\n  over thé wall 🦊!"


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A folder with vocab.json and merges.txt, whose last token ends a text."""
    return write_pair(write_gpt2(tmp_path / "gpt2"))


def test_the_pair_is_the_same_tokenizer(pair: Path) -> None:
    tokenizer = load_checkpoint(pair).tokenizer
    assert (tokenizer.name, tokenizer.vocab_size) == (VOCABULARY, MODEL.vocab_size)
    assert BPE.pieces[LAST] not in TEXT.encode()
    assert tokenizer.encode(TEXT).tolist() == BPE.encode(TEXT).tolist()
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    assert tokenizer.encode(f"a{END}b").tolist() == [*BPE.encode("a"), LAST, *BPE.encode("b")]
    assert load_tokenizer(str(pair)).hash == tokenizer.hash


def test_what_is_written_names_the_end_of_a_text(pair: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "saved", load_checkpoint(pair))
    config, marks = (json.loads((tmp_path / "saved" / name).read_text()) for name in (CONFIG, TOKENIZER_CONFIG))
    assert (config["bos_token_id"], config["eos_token_id"]) == (LAST, LAST)
    assert (marks["bos_token"], marks["eos_token"]) == (END, END)
    save_checkpoint(tmp_path / "other", load_checkpoint(write_gpt2(tmp_path / "none")))
    assert json.loads((tmp_path / "other" / CONFIG).read_text())["eos_token_id"] is None


def test_further_tokens_are_read(pair: Path) -> None:
    (pair / ADDED).write_text(json.dumps({"<pad>": LAST + 1}))
    with pytest.raises(CheckpointError, match=rf"vocab\.json has {LAST + 2} tokens and the weights {LAST + 1}"):
        load_checkpoint(pair)
    assert load_tokenizer(str(pair)).encode("<pad>").tolist() == [LAST + 1]


def test_tokenizer_json_comes_before_the_pair(pair: Path) -> None:
    (pair / TOKENIZER).write_text(json.dumps(BPE.content))
    assert load_checkpoint(pair).tokenizer.hash == BPE.hash


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (VOCABULARY, b"[]", "JSON list"),
        (VOCABULARY, json.dumps({"a": 0, "b": 7}).encode(), "damaged vocabulary"),
        (VOCABULARY, json.dumps({"a": [0]}).encode(), "damaged vocabulary"),
        (MERGES, b"\xff\xfe", "cannot read .*merges.txt"),
        (ADDED, b"{", "not JSON"),
    ],
)
def test_damaged_files_are_one_line(pair: Path, file: str, content: bytes, message: str) -> None:
    (pair / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(pair)
    with pytest.raises(ConfigError, match=message):
        load_tokenizer(str(pair))


def test_a_half_of_the_pair_is_none(pair: Path) -> None:
    (pair / MERGES).unlink()
    with pytest.raises(CheckpointError, match=rf"holds no tokenizer\.json, and its vocab_size is {LAST + 1}"):
        load_checkpoint(pair)
    with pytest.raises(ConfigError, match=r"holds no tokenizer\.json"):
        load_tokenizer(str(pair))
