"""Byte-level BPE without the library: the library's own ids, also where texts are odd."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tinygpt.training.small_runs import CORPUS
from tinygpt.errors import MissingDependencyError
from tinygpt.tokenizers.byte_tokenizer import BYTES
from tinygpt.tokenizers.json_tokenizer import JsonTokenizer, library
from tinygpt.tokenizers.plain_bpe import PlainBpe, is_plain, words
from tinygpt.tokenizers.training import train_bpe

WORDY = (CORPUS.train.decode() + "I'll say we've said that it's naïve – 1,024 × 3² naïve naïve. ") * 3
BPE = train_bpe("bpe:300", 300, WORDY.encode())
CASES = (
    "",
    "The fox saw a hen.",
    "I'll say: we've SAID IT'S don't 'tis ''ve 'LL",
    "  two  blanks\n\n\n\tand\ttabs \r\n at the end   ",
    "a\xa0b\u2003 c\u3000\u0085d\x1c\ufeff e",
    "1024 3²½Ⅷ x2y ٣٤",
    "naïve Ünïcödé Straße ΑΒΓ абв 漢字かな 한국어 עברית",
    "👩‍👩‍👧 e\u0301 \u200d\u200b – “quotes” …",
    "def f(x):\n    return {'a': x_1}  # comment\n",
    "\x00\x01\x7f\x80\xad",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
)
# The library may know newer characters than this Python.
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=60)


def ids_of_the_library(text: str) -> list[int]:
    made = library("x").Tokenizer.from_str(json.dumps(BPE.content))
    return list(made.encode(text, add_special_tokens=False).ids)


@pytest.mark.parametrize("text", CASES)
def test_the_ids_are_the_librarys(text: str) -> None:
    assert PlainBpe(BPE.content).encode(text) == ids_of_the_library(text)


@given(TEXTS)
def test_the_ids_of_any_text_are_the_librarys(text: str) -> None:
    assert PlainBpe(BPE.content).encode(text) == BPE.encode(text).tolist()
    assert "".join(words(text)) == text


def test_words_are_cut_as_gpt2_cuts_them() -> None:
    assert [*words("We'll go  home\n\nnow: 12th  ")] == [
        "We", "'ll", " go", " ", " home", "\n", "\n", "now", ":", " 12", "th", "  ",
    ]  # fmt: skip


def test_our_tokenizers_need_no_library_and_others_name_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = BPE.encode("The fox's hen")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert JsonTokenizer("again", BPE.content).encode("The fox's hen").tolist() == expected.tolist()
    changes = (
        {"normalizer": {"type": "NFC"}},
        {"added_tokens": [{"id": 300, "content": "<|endoftext|>"}]},
        {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}},
        {"pre_tokenizer": BYTES.content["pre_tokenizer"]},
        {"model": {**BPE.content["model"], "ignore_merges": True}},
    )
    for change in changes:
        content = {**BPE.content, **change}
        assert not is_plain(content)
        with pytest.raises(MissingDependencyError, match=r"'other' needs the package tokenizers"):
            JsonTokenizer("other", content).encode("The fox")
