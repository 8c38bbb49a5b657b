"""Deployment into a bare repository on this disk."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.records.git import GitError
from sitegen.build.site import BuiltSite
from sitegen.commands.deploy import Source, check_source, deploy_site
from sitegen.rows.choice import PUBLIC
from sitegen.text.errors import SiteError
from tests.conftest import Typed
from tests.git import git


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean checkout whose remote `origin` is a bare repository, with a built site that git ignores."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "test")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "test@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "bare")], check=True)
    root = tmp_path / "checkout"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch", "main")
    (root / ".gitignore").write_text("/_site/\n/results/local/\n*.csv\n")
    (root / "source.txt").write_text("source")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "first")
    git(root, "remote", "add", "origin", str(tmp_path / "bare"))
    site = root / "_site"
    (site / "data").mkdir(parents=True)
    for name, text in {"index.html": "home", "sitemap.xml": "<urlset/>", "data/rows.csv": "a,b\r\n"}.items():
        (site / name).write_bytes(text.encode())
    return root


def deploy(root: Path, dry_run: bool = False, branch: str = "gh-pages") -> str:
    return deploy_site(check_source(root, "origin", branch), root / "_site", dry_run).commit


def test_the_branch_holds_exactly_the_site_and_the_checkout_is_as_before(checkout: Path) -> None:
    source = check_source(checkout, "origin", "gh-pages")
    done = deploy_site(source, checkout / "_site")
    bare = checkout.parent / "bare"
    assert done.pushed
    assert git(bare, "rev-parse", "gh-pages") == done.commit
    files = git(bare, "ls-tree", "-r", "--name-only", "gh-pages").splitlines()
    assert files == [".nojekyll", "data/rows.csv", "index.html", "sitemap.xml"]
    assert done.n_files == 4
    assert source.commit in git(bare, "log", "-1", "--format=%s", "gh-pages")
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "branch", "--format=%(refname:short)") == "main"


def test_a_second_deployment_adds_a_commit_and_an_unchanged_site_none(checkout: Path) -> None:
    first = deploy(checkout)
    assert deploy(checkout) == ""
    (checkout / "_site/index.html").write_text("home, again")
    (checkout / "_site/data/rows.csv").unlink()
    second = deploy(checkout)
    bare = checkout.parent / "bare"
    assert git(bare, "rev-list", "gh-pages").split() == [second, first]
    assert "rows.csv" not in git(bare, "ls-tree", "-r", "--name-only", "gh-pages")


def test_a_dry_run_pushes_nothing(checkout: Path) -> None:
    assert deploy(checkout, dry_run=True)
    assert git(checkout.parent / "bare", "branch") == ""


def test_what_somebody_else_deployed_is_built_upon_and_not_overwritten(checkout: Path, tmp_path: Path) -> None:
    deploy(checkout)
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", "--branch", "gh-pages", str(tmp_path / "bare"), str(other))
    (other / "index.html").write_text("theirs")
    git(other, "commit", "--quiet", "--all", "-m", "theirs")
    git(other, "push", "--quiet")
    theirs = git(other, "rev-parse", "HEAD")
    (checkout / "_site/index.html").write_text("ours")
    ours = deploy(checkout)
    assert git(tmp_path / "bare", "rev-parse", f"{ours}^") == theirs


def refused(root: Path, remote: str, branch: str) -> str:
    with pytest.raises(SiteError) as caught:
        check_source(root, remote, branch)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_deployment_that_must_not_begin_is_refused_in_one_line(checkout: Path, tmp_path: Path) -> None:
    assert "no remote 'upstream'" in refused(checkout, "upstream", "gh-pages")
    assert "holds the sources" in refused(checkout, "origin", "main")
    assert "cannot be a branch" in refused(checkout, "origin", "a..b")
    assert "not a git checkout" in refused(tmp_path, "origin", "gh-pages")
    (checkout / "source.txt").write_text("changed")
    assert "source.txt has changes that are not committed (such files: 1)" in refused(checkout, "origin", "gh-pages")


def test_a_branch_that_holds_something_else_is_left_alone(checkout: Path) -> None:
    git(checkout, "push", "--quiet", "origin", "main:work")
    with pytest.raises(SiteError, match="is not a built site"):
        deploy(checkout, branch="work")


def test_gits_own_refusal_becomes_one_line(checkout: Path) -> None:
    source = check_source(checkout, str(checkout.parent / "nowhere"), "gh-pages")
    with pytest.raises(GitError, match=r"^git ls-remote: fatal: .*nowhere") as caught:
        deploy_site(source, checkout / "_site")
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_site_is_refused(checkout: Path) -> None:
    source = Source(checkout, "0" * 12, "origin", "gh-pages", "")
    with pytest.raises(SiteError, match="no built site"):
        deploy_site(source, checkout)


def test_local_rows_are_left_out_and_the_command_says_so(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, typed: Typed
) -> None:
    (checkout / "results/local").mkdir(parents=True)
    (checkout / "results/local/runs-mine.parquet").touch()
    asked: list[object] = []

    def build(*arguments: object) -> BuiltSite:
        asked.extend(arguments)
        return BuiltSite(checkout / "_site", 1, ())

    monkeypatch.setattr("sitegen.build.site.build_site", build)
    monkeypatch.setattr("sitegen.commands.commands.checkout", lambda: checkout)
    done = typed("deploy", "--url", "https://example.org/", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert asked[-1] is PUBLIC
    first, last = done.stdout.splitlines()
    assert first == "left out: 1 local run; a deployed site has published and contributed rows only"
    assert last.startswith("would push ")
