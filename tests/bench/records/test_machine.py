from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from bench.records.machine import arch_level, fresh_machine, read_machine
from bench.records.provenance import Provenance, read_provenance
from bench.records.scrub import recorded_corpus, scrub
from tests.git import git

V2 = {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}
V3 = V2 | {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}
V4 = V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


# ---- fingerprint -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "flags", "level"),
    [
        ("x86_64", V4 | {"sgx"}, "x86-64-v4"),
        ("AMD64", V4 - {"avx512vl"}, "x86-64-v3"),
        ("x86_64", V4 - {"fma"}, "x86-64-v2"),  # levels build on each other
        ("x86_64", {"sse2"}, "x86-64-v1"),
        ("AMD64", None, "x86-64"),  # Windows and macOS have no /proc/cpuinfo
        ("arm64", None, "arm64"),
        ("aarch64", {"asimd"}, "arm64"),
        ("riscv64", None, "riscv64"),
        ("", None, "unknown"),
    ],
)
def test_arch_level(machine, flags, level):
    assert arch_level(machine, flags) == level


def test_fingerprint_is_the_same_twice_and_complete():
    first, second = read_machine(), read_machine()
    assert first.hash == second.hash
    record = json.loads(first.canonical_json)
    assert record["cores"] >= 1
    assert record["memory_gib"] > 0
    assert record["accelerator"] is None
    for name in ("cpu", "arch_level", "os", "python", "numpy", "blas"):
        assert record[name] not in ("", "unknown"), name


def test_fingerprint_tells_blas_threads_apart():
    before = read_machine()
    with threadpool_limits(1, user_api="blas"):
        limited = read_machine()
    assert limited.blas_threads in (1, None)  # None: a library that does not tell
    assert (limited.hash == before.hash) == (limited.blas_threads == before.blas_threads)


def test_a_fresh_fingerprint_ignores_what_this_process_did():
    expected = fresh_machine()
    with threadpool_limits(1, user_api="blas"):
        assert fresh_machine() == expected
    assert json.loads(expected)["cpu"] == read_machine().cpu


def test_fingerprint_holds_nothing_personal():
    text = read_machine().canonical_json
    assert str(Path.home()) not in text
    assert "/" not in text.replace("GNU/Linux", "")
    values = [str(value) for value in json.loads(text).values()]
    for name in (socket.gethostname(), getpass.getuser()):
        assert not any(name in value.split() for value in values)


# ---- what a row must not hold --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ('File "/home/ann/my code/tinygpt/engines/numpy.py", line 3', 'File "…/numpy.py", line 3'),
        ("cannot open /home/ann/data/corpus.txt: denied", "cannot open …/corpus.txt: denied"),
        (r'File "C:\Users\Ann B\run.py", line 9', 'File "…/run.py", line 9'),
        (r"cannot open D:\data\ann\corpus.txt today", "cannot open …/corpus.txt today"),
        (
            "3/18 steps, 1.5 GiB/s, and/or https://example.org/a/b",
            "3/18 steps, 1.5 GiB/s, and/or https://example.org/a/b",
        ),
        ("ValueError: shapes (3,4) and (5,6)", "ValueError: shapes (3,4) and (5,6)"),
    ],
)
def test_scrub(text, scrubbed):
    assert scrub(text) == scrubbed


def test_scrub_takes_home_and_host_out():
    text = scrub(f"{Path.home()}/x/y/z.txt on {socket.gethostname()}: no")
    assert text == "…/z.txt on (host): no"
    assert scrub(f"cannot enter {Path.home()}: no") == "cannot enter …/: no"
    assert scrub(f"{Path.home()}/z.txt") == "…/z.txt"


def test_recorded_corpus():
    assert recorded_corpus("file:/home/ann/secret/notes.txt") == "file:notes.txt"
    assert recorded_corpus("file:notes.txt") == "file:notes.txt"
    assert recorded_corpus("hf:owner/name") == "hf:owner/name"
    assert recorded_corpus("hf:/home/ann/texts") == "hf:texts"
    assert recorded_corpus("stories") == "stories"


def test_without_a_home_texts_are_scrubbed_too(homeless):
    assert scrub("cannot read /a/b/c.txt") == "cannot read …/c.txt"


# ---- provenance --------------------------------------------------------------------------------------------


def test_provenance(tmp_path):
    assert read_provenance(tmp_path) == Provenance(None, None)
    git(tmp_path, "init")
    (tmp_path / "tinygpt").mkdir()
    code = tmp_path / "tinygpt" / "a.py"
    code.write_text("1\n")
    assert read_provenance(tmp_path) == Provenance(None, None)  # no commit yet
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    clean = read_provenance(tmp_path)
    assert clean.commit is not None
    assert len(clean.commit) == 40
    assert clean.dirty is False
    (tmp_path / "notes.txt").write_text("pages and notes do not change a timing\n")
    model = tmp_path / "tinygpt" / "gallery" / "models" / "stories" / "card.json"
    model.parent.mkdir(parents=True)
    model.write_text("what one training wrote must not spoil the record of the next\n")
    assert read_provenance(tmp_path) == clean
    code.write_text("2\n")
    assert read_provenance(tmp_path) == Provenance(clean.commit, True)
    # A package installed somewhere inside another repository is not that repository's code.
    assert read_provenance(tmp_path / "tinygpt") == Provenance(None, None)
