"""The user's folders, with a home and without one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinygpt.corpora import load_corpus
from tinygpt.errors import CorpusError
from tinygpt.system.home import cache_folder, expand_home, user_temporary


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("TINYGPT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tinygpt"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the specification asks for relative paths to be ignored
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "tinygpt"


def test_a_home_is_filled_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_home("~/notes.txt") == tmp_path / "notes.txt"
    monkeypatch.setenv("TINYGPT_CACHE", "~/cache")
    assert cache_folder() == tmp_path / "cache"


def test_without_a_home_the_cache_is_a_temporary_folder_of_this_user(
    homeless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINYGPT_CACHE", raising=False)
    assert cache_folder() == user_temporary("tinygpt-cache")
    assert cache_folder().is_absolute()
    assert cache_folder().name.endswith(f"-{os.getuid()}")


def test_a_file_may_be_called_like_a_home_that_does_not_exist(
    homeless: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "~notes.txt").write_text("some text " * 100)
    monkeypatch.chdir(tmp_path)
    assert load_corpus("file:~notes.txt").train.startswith(b"some text")
    with pytest.raises(CorpusError, match=r"there is no file '~/notes\.txt'"):
        load_corpus("file:~/notes.txt")
