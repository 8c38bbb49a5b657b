"""Corpora by name: the table, the cache, the user's files, and the warning about small texts."""

import bz2
import gzip
import hashlib
import logging
import lzma
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.foreign_checkpoints import LFS_POINTER
from tinygpt import PRESETS
from tinygpt.corpora import CORPORA, Corpus, load_corpus, memorization_warning, python_source, textfile, tinyshakespeare
from tinygpt.corpora.cache import cached
from tinygpt.corpora.corpus import Parts
from tinygpt.errors import CapacityError, CorpusError
from tinygpt.presets import LADDER

SMALL = Parts(b"to train on", b"held out")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# The table


def test_the_table_describes_every_corpus():
    assert list(CORPORA) == [
        "shakespeare",
        "kjv",
        "python",
        "stories",
        "tinyshakespeare",
        "file:PATH",
        "hf:OWNER/NAME",
    ]
    for name, entry in CORPORA.items():
        assert entry.name == name
        assert entry.summary and entry.licence and entry.source
    for name in ("shakespeare", "kjv", "stories", "tinyshakespeare"):
        assert re.fullmatch(r"[0-9a-f]{64}", CORPORA[name].sha256)
        assert CORPORA[name].n_bytes > 1_000_000
    assert [name for name, entry in CORPORA.items() if not entry.needs_network] == ["python", "stories", "file:PATH"]


def test_stories_are_the_pinned_text():
    corpus, entry = load_corpus("stories"), CORPORA["stories"]
    assert corpus.sha256 == entry.sha256 == hashlib.sha256(corpus.train + b"\0" + corpus.held_out).hexdigest()
    assert corpus.size == entry.n_bytes == len(corpus.train_tokens) + len(corpus.held_out_tokens)
    assert 0.08 < len(corpus.held_out) / corpus.size < 0.12
    assert bytes(corpus.train_tokens[:50]) == corpus.train[:50]


@pytest.mark.parametrize(("received", "meant"), [("storys", "stories"), ("Shakespear", "shakespeare"), ("kvj", "kjv")])
def test_an_unknown_name_gets_the_nearest_one(received, meant):
    with pytest.raises(
        CorpusError, match=rf"unknown corpus '{received}' \(did you mean '{meant}'\?\); allowed: "
    ) as error:
        load_corpus(received)
    assert all(name in str(error.value) for name in CORPORA)
    assert "stories needs no download" in error.value.allowed


def test_a_corpus_file_is_for_tinyshakespeare_only(tmp_path):
    with pytest.raises(CorpusError, match="was given for corpus 'stories'"):
        load_corpus("stories", path=str(tmp_path / "text.txt"))


# The standard library


def test_python_is_the_same_on_every_load():
    corpus = load_corpus("python")
    assert corpus.sha256 == load_corpus("python").sha256
    assert corpus.size > 3_000_000
    assert 0.03 < len(corpus.held_out) / corpus.size < 0.25


def test_python_holds_out_whole_modules_of_the_library_alone(tmp_path):
    names = [f"module_{i}.py" for i in range(60)] + ["package/inner.py"]
    unwanted = [
        "test/test_x.py",
        "package/tests/test_y.py",
        "site-packages/other.py",
        "encodings/cp1.py",
        "lib2to3/z.py",
    ]
    for name in names + unwanted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(f'"""{name}"""\r\nx = 1\r\n\r\n'.encode())
    (tmp_path / "empty.py").write_bytes(b"")
    parts = python_source.build(tmp_path)
    train, held_out = ([*re.findall(rb"^# (.+)\n\n", side, re.M)] for side in (parts.train, parts.held_out))
    assert sorted(train + held_out) == sorted(name.encode() for name in names)
    assert 1 <= len(held_out) <= 15
    assert parts.train.startswith(b'# module_0.py\n\n"""module_0.py"""\nx = 1\n')
    (tmp_path / "module_7.py").write_bytes(b"y = 2\n")
    again = re.findall(rb"^# (.+)\n\n", python_source.build(tmp_path).held_out, re.M)
    assert again == held_out  # a module's side depends on its name alone


def test_python_without_source_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match=r"found no source of the standard library.*--corpus stories"):
        python_source.build(tmp_path)


# The cache


def test_a_text_is_built_once_and_then_read_from_the_cache(cache):
    builds = []
    for _ in range(2):
        assert cached("text", lambda: builds.append(1) or SMALL, SMALL.sha256) == SMALL
    assert builds == [1]
    assert [path.name for path in cache.iterdir()] == ["text.txt"]


def damage_truncate(data):
    return data[:-1]


def damage_flip(data):
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


def damage_header(data):
    return data.replace(b"tinygpt-corpus", b"something-else", 1)


def damage_split(data):
    return data.replace(b" 11 ", b" 12 ", 1)


def damage_all(data):
    return b""


@pytest.mark.parametrize("damage", [damage_truncate, damage_flip, damage_header, damage_split, damage_all])
@pytest.mark.parametrize("pinned", [None, SMALL.sha256])
def test_a_damaged_cache_file_is_named_and_built_again(cache, caplog, damage, pinned):
    cached("text", lambda: SMALL, pinned)
    path = cache / "text.txt"
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert cached("text", lambda: SMALL, pinned) == SMALL
    assert str(path) in caplog.text and "building it again" in caplog.text
    caplog.clear()
    assert cached("text", lambda: pytest.fail("the repaired file was not used"), pinned) == SMALL
    assert not caplog.records


def test_an_intact_cache_file_of_another_text_is_rebuilt(cache, caplog):
    cached("text", lambda: Parts(b"an older version", b"of the text"))
    assert cached("text", lambda: SMALL, SMALL.sha256) == SMALL
    assert "does not match its hash" in caplog.text


def test_text_with_nul_bytes_keeps_its_split(cache):
    parts = Parts(b"a\0b\0", b"\0c\n")
    cached("text", lambda: parts)
    assert cached("text", lambda: SMALL) == parts


def test_a_built_text_with_another_hash_is_refused_and_not_kept(cache):
    with pytest.raises(CorpusError, match="has SHA-256"):
        cached("text", lambda: Parts(b"wrong", b"text"), SMALL.sha256)
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_gives_a_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path / "file"))
    assert cached("text", lambda: SMALL) == SMALL
    assert "the text is not kept in the cache" in caplog.text


def test_a_failed_write_leaves_nothing_behind(cache, monkeypatch, caplog):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert cached("text", lambda: SMALL) == SMALL
    assert list(cache.iterdir()) == []
    assert "No space left on device" in caplog.text


# The user's files


def test_a_file_of_any_bytes_is_split_near_its_end(tmp_path):
    data = bytes(range(256)) * 100
    (tmp_path / "mine.bin").write_bytes(data)
    corpus = load_corpus(f"file:{tmp_path / 'mine.bin'}")
    assert corpus.name == "file:mine.bin"  # a run's records have no path
    assert corpus.train + corpus.held_out == data
    assert abs(len(corpus.held_out) - 2560) <= 3


@pytest.mark.parametrize(("size", "held_out"), [(863, 287), (5_000, 1_025), (20_000, 2_000), (3, 1), (1, 0)])
def test_a_small_file_holds_out_enough_for_one_window(size, held_out):
    parts = textfile.split(b"x" * size)
    assert (len(parts.train), len(parts.held_out)) == (size - held_out, held_out)


@pytest.mark.parametrize("character", ["é", "€", "🙂"])
def test_the_cut_never_falls_inside_a_character(character):
    for offset in range(5):
        parts = textfile.split(("x" * offset + character * 5_000).encode())
        assert parts.train.decode() + parts.held_out.decode() == "x" * offset + character * 5_000


def test_an_unusable_file_is_a_one_line_error(tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, reason in [
        ("file:", "names no file"),
        (f"file:{tmp_path / 'missing.txt'}", "there is no file"),
        (f"file:{tmp_path / 'folder'}", "holds no text"),
        (f"file:{tmp_path / 'pipe'}", "no regular file"),
        ("file:~no-such-user/notes.txt", "there is no file"),
        (f"file:{tmp_path / 'empty.txt'}", "is empty"),
        ("file:a\0b", "cannot read"),
    ]:
        with pytest.raises(CorpusError, match=reason) as error:
            load_corpus(name)
        assert "\n" not in str(error.value)
        assert "--corpus file:PATH" in str(error.value) or error.value.allowed in (
            "file:PATH",
            "files or rows with text",
        )


def test_an_unreadable_file_gives_the_reason(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.txt").write_text("text")
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(CorpusError, match="Permission denied"):
        load_corpus(f"file:{tmp_path / 'secret.txt'}")


def test_a_text_that_does_not_fit_into_memory_is_refused_with_both_figures(tmp_path):
    with (tmp_path / "sparse.txt").open("wb") as file:
        file.write(b"words\n" * 1000)
        file.truncate(2**43)
    refused = r"needs [\d,]+\.0 GiB of memory or more, and .* leaves [\d.]+ GiB"
    with pytest.raises(CapacityError, match=refused):
        load_corpus(f"file:{tmp_path}")  # a folder, whose files are joined
    mapped = load_corpus(f"file:{tmp_path / 'sparse.txt'}")
    assert mapped.size == 2**43 and bytes(mapped.train[:6]) == b"words\n"
    with pytest.raises(CapacityError, match=refused):
        mapped.in_memory()


def test_a_folder_is_its_texts_in_order_with_the_end_of_each_held_out(tmp_path):
    (tmp_path / "b" / ".git").mkdir(parents=True)
    for name, data in {
        "a.txt": b"first\nline\n" * 50, "b/c.md": b"second\n" * 50, "b/d.txt": b"third\n" * 20, "empty": b"",
        "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(400), "b/.git/x": b"hidden", ".y": b"hidden", "z.gz": b"\x1f\x8b8",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(data)
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    corpus = load_corpus(f"file:{tmp_path}")
    assert corpus.name == f"file:{tmp_path.name}"
    texts = (b"first\nline\n" * 50, b"second\n" * 50, b"third\n" * 20)
    cuts = (366, 233, 80)  # a third of each, because all together are short
    for part, sides in (
        (corpus.train, (slice(0, cut) for cut in cuts)),
        (corpus.held_out, (slice(cut, None) for cut in cuts)),
    ):
        assert part == b"".join(text[side] + b"\n\n" for text, side in zip(texts, sides, strict=True))
    assert corpus.warning is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("a text\n".encode("utf-16"), "UTF-16, .*iconv -f UTF-16 -t UTF-8"),
        ("a text\n".encode("utf-16-le"), "UTF-16LE without a mark.*iconv -f UTF-16LE -t UTF-8"),
        ("a text\n".encode("utf-16-be"), "UTF-16BE without a mark.*iconv -f UTF-16BE -t UTF-8"),
        ("a text\n".encode("utf-32-le"), "UTF-32LE without a mark"),
        ("a text\n".encode("utf-32-be"), "UTF-32BE without a mark"),
        ("a text\n".encode("utf-32"), "UTF-32"),
        (b"\xef\xbb\xbfa text\n", "UTF-8 with a byte-order mark.*tail -c [+]4"),
        (gzip.compress(b"a text\n" * 1000, mtime=0), "gzip, .*gunzip -c"),
        (bz2.compress(b"a text\n"), "bzip2"),
        (lzma.compress(b"a text\n"), "xz"),
        (b"PK\x03\x04 and more", "a zip archive"),
        (b"%PDF-1.7", "PDF.*pdftotext"),
        (bytes(4000), "binary data: much of it is zero bytes"),
        ("Grüße, 日本語\n".encode(), None),
        (bytes(range(256)) * 20, None),
    ],
)
def test_another_format_is_loaded_with_a_warning(tmp_path, data, words):
    (tmp_path / "notes.txt").write_bytes(data * 20)
    warning = load_corpus(f"file:{tmp_path / 'notes.txt'}").warning
    assert warning is None if words is None else re.search(f"file:notes.txt looks like {words}", warning)


@pytest.mark.parametrize("where", ["text.txt", ""], ids=["a file", "a folder"])
def test_a_git_lfs_pointer_is_no_text(tmp_path, where):
    (tmp_path / "more.txt").write_text("some text\n" * 100)
    (tmp_path / "text.txt").write_bytes(LFS_POINTER)
    with pytest.raises(CorpusError, match=r"text\.txt' is a Git LFS pointer.*git lfs pull"):
        load_corpus(f"file:{tmp_path / where}")


# tinyshakespeare: from a server on this machine instead of the real one

EXCERPT = b"First Citizen:\nBefore we proceed any further, hear me speak.\n\n" * 20


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.path == "/input.txt"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(EXCERPT if found else b"")

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(tinyshakespeare, "SHA256", hashlib.sha256(EXCERPT).hexdigest())
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_tinyshakespeare_is_fetched_checked_and_split_as_usual(server, monkeypatch):
    monkeypatch.setattr(tinyshakespeare, "URL", f"{server}/input.txt")
    parts = tinyshakespeare.build()
    assert parts.train + parts.held_out == EXCERPT
    assert len(parts.train) == int(0.9 * len(EXCERPT))
    monkeypatch.setattr(tinyshakespeare, "SHA256", "0" * 64)
    with pytest.raises(CorpusError, match=r"the text received is not tinyshakespeare: 1,240 bytes"):
        tinyshakespeare.build()


def test_tinyshakespeare_out_of_reach(server, monkeypatch, cache):
    monkeypatch.setattr(tinyshakespeare, "URL", f"{server}/elsewhere")
    with pytest.raises(CorpusError, match="the server answered 404"):
        load_corpus("tinyshakespeare")
    monkeypatch.setattr(tinyshakespeare, "URL", "http://127.0.0.1:9/input.txt")  # nothing listens there
    with pytest.raises(
        CorpusError, match=r"'tinyshakespeare' needs the network once.*--corpus stories or --corpus python"
    ):
        load_corpus("tinyshakespeare")


def test_tinyshakespeare_from_a_file_is_checked(tmp_path, monkeypatch):
    path = tmp_path / "input.txt"
    path.write_bytes(EXCERPT)
    with pytest.raises(CorpusError, match=r"is not tinyshakespeare.*--corpus file:PATH"):
        load_corpus("tinyshakespeare", path=str(path))
    monkeypatch.setattr(tinyshakespeare, "SHA256", hashlib.sha256(EXCERPT).hexdigest())
    corpus = load_corpus("tinyshakespeare", path=str(path))
    assert corpus.name == "tinyshakespeare"
    assert corpus.train + corpus.held_out == EXCERPT
    with pytest.raises(CorpusError, match="there is no file"):
        load_corpus("tinyshakespeare", path=str(tmp_path / "missing"))


# The warning


def corpus_of(n_bytes):
    return Corpus("a text", b"x" * n_bytes, b"y", "", "")


def test_the_originals_story_is_memorized_by_every_preset():
    parts = textfile.split(b"x" * 863)
    story = Corpus("file:story.txt", parts.train, parts.held_out, "", "")
    for preset in PRESETS.values():
        warning = memorization_warning(story, preset.model)
        assert "576 bytes, only" in warning and "will memorize it" in warning and "\n" not in warning


def test_the_warning_names_the_size_at_which_it_stops():
    for name, kind in [("tiny", "parameters"), ("small", "parameters"), ("behemoth", "parameters")]:
        model = PRESETS[name].model
        enough = max(300 * model.context_length, model.n_parameters // 4)
        assert f"at least {enough:,} bytes" in memorization_warning(corpus_of(1000), model)
        if enough < 10_000_000:
            assert memorization_warning(corpus_of(enough), model) is None
            assert kind in memorization_warning(corpus_of(enough - 1), model)


def test_weights_that_are_trained_need_windows_of_the_text_alone():
    model = PRESETS["behemoth"].model
    enough = 300 * model.context_length
    assert memorization_warning(corpus_of(enough), model, is_trained=True) is None
    warning = memorization_warning(corpus_of(enough - 1), model, is_trained=True)
    assert f"at least {enough:,} bytes, or a shorter context" in warning


def test_the_default_corpus_is_large_enough_up_to_huge():
    default = corpus_of(4_341_482)  # the training part of shakespeare
    warned = [name for name, preset in LADDER.items() if memorization_warning(default, preset.model)]
    assert warned == ["massive", "mega", "behemoth"]
