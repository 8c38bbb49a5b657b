"""The user's folders, with and without a home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinygpt.corpora import load_corpus
from tinygpt.errors import CorpusError
from tinygpt.system.home import cache_folder, expand_home, user_temporary


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("TINYGPT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tinygpt"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the specification asks for relative paths to be ignored
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "tinygpt"


def test_a_tilde_becomes_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_a_file_name_may_begin_with_a_tilde(homeless: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "~notes.txt").write_text("some text " * 100)
    monkeypatch.chdir(tmp_path)
    assert load_corpus("file:~notes.txt").train.startswith(b"some text")
    with pytest.raises(CorpusError, match=r"there is no file '~/notes\.txt'"):
        load_corpus("file:~/notes.txt")
