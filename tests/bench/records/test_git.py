"""Git's output becomes an answer or an error of one line."""

from __future__ import annotations

import subprocess

import pytest

from bench.records.git import GitError, ask_git, run_git


def test_an_answer_has_no_white_space_around_it(tmp_path):
    run_git(tmp_path, "init", "--quiet")
    assert run_git(tmp_path, "rev-parse", "--is-inside-work-tree") == "true"
    assert ask_git(tmp_path, "rev-parse", "--is-inside-work-tree") == "true"


def test_a_refusal_is_gits_own_last_word_in_one_line(tmp_path):
    with pytest.raises(GitError, match=r"^git rev-parse: fatal: not a git repository") as caught:
        run_git(tmp_path, "-c", "a.b=c", "rev-parse", "HEAD")
    assert "\n" not in str(caught.value)
    assert ask_git(tmp_path, "rev-parse", "HEAD") is None


def test_without_git_or_out_of_patience_there_is_no_answer(tmp_path, monkeypatch):
    def hangs(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", hangs)
    with pytest.raises(GitError, match="git status took longer than 2 s"):
        run_git(tmp_path, "status", timeout=2.0)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="git cannot be run: No such file"):
        run_git(tmp_path, "status")
    assert ask_git(tmp_path, "status") is None
