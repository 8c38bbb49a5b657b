"""Token files: encoded once, mapped into memory, and enough for a corpus that is larger than memory."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests import ROOT
from tests.tinygpt.training.small_runs import CORPUS
from tinygpt.corpora import load_corpus, token_files
from tinygpt.corpora.token_files import corpus_tokens
from tinygpt.system.home import cache_folder
from tinygpt.tokenizers import BYTES, load_tokenizer
from tinygpt.tokenizers.json_tokenizer import stretches

BPE = load_tokenizer("bpe:280", CORPUS)


def test_bytes_are_their_own_tokens():
    tokens = corpus_tokens(CORPUS, BYTES)
    assert tokens.train.tobytes() == CORPUS.train and tokens.held_out.tobytes() == CORPUS.held_out
    assert tokens.bytes_per_token == 1.0


def test_a_text_is_encoded_once_and_mapped(monkeypatch):
    tokens = corpus_tokens(CORPUS, BPE)
    assert isinstance(tokens.train, np.memmap) and tokens.train.dtype == np.uint16
    assert BPE.decode_bytes(tokens.train) == CORPUS.train and BPE.decode_bytes(tokens.held_out) == CORPUS.held_out
    assert tokens.bytes_per_token == len(CORPUS.train) / len(tokens.train) > 1.5
    monkeypatch.setattr(type(BPE), "encode", lambda *_: pytest.fail("encoded again"))
    np.testing.assert_array_equal(corpus_tokens(CORPUS, BPE).train, tokens.train)


IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.corpora import load_corpus, token_files
from tinygpt.corpora import load_corpus, token_files
from tinygpt.corpora.token_files import corpus_tokens
from tinygpt.system.home import cache_folder
from tinygpt.tokenizers import load_tokenizer
from tinygpt.training.session import run_session

folder, text, tokenizer = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def train(out, corpus):
    events = list(run_session(plan(folder / out, preset="micro", tokenizer=tokenizer), corpus))
    assert events[-1].reason == "finished"

train("small", CORPUS)  # takes what libraries need
used = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line)
limit = 1024 * used + text.stat().st_size // 4
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))  # private memory, without files that are mapped
try:
    bytearray(text.stat().st_size)
except MemoryError:
    train("large", load_corpus(f"file:{text}"))
    print("trained in less")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no limit on private memory alone")
@pytest.mark.parametrize("name", ["bytes", "bpe"])
def test_a_corpus_larger_than_memory_trains(tmp_path, name):
    text, tokenizer = tmp_path / "text", tmp_path / "tokenizer.json"
    with text.open("wb") as file:
        file.truncate(2**26)  # zeros, which take no room on the disk
    tokenizer.write_text(json.dumps((BYTES if name == "bytes" else BPE).content))
    if name == "bpe":  # encoding it takes half a minute
        tokens, corpus = cache_folder() / "tokens", load_corpus(f"file:{text}")
        for part, size in (("train", len(corpus.train)), ("held-out", len(corpus.held_out))):
            with (tokens / f"{corpus.sha256[:16]}-{BPE.hash[:16]}-{part}.uint16").open("wb") as file:
                file.truncate(2 * size)
    command = [sys.executable, "-c", IN_LITTLE_MEMORY, str(tmp_path), str(text), str(tokenizer)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "trained in less\n", done.stderr


def test_a_text_is_encoded_in_parts_that_fit(monkeypatch):
    sizes = []
    encode, other = type(BPE).encode, replace(CORPUS, train=CORPUS.train[:-1])
    monkeypatch.setattr(type(BPE), "encode", lambda self, part: sizes.append(len(part)) or encode(self, part))
    monkeypatch.setattr(token_files, "stretches", partial(stretches, size=500))
    tokens = corpus_tokens(other, BPE)
    assert len(sizes) > 5 and max(sizes) <= 500 and sum(sizes) == other.size
    np.testing.assert_array_equal(tokens.train, encode(BPE, other.train))
