"""Push a built site to a branch of a remote by git's plumbing; the checkout, its index and branches do not change.

    files → objects and a tree (through an index of its own) → a commit on top of the remote branch → push, never forced

Each deployment is one commit, whose message names the commit that the site was built from.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.records.git import ask_git, run_git
from sitegen.text.errors import SiteError

BRANCH = "gh-pages"


@dataclass(frozen=True)
class Source:
    """The source and the destination of a deployment.

    Attributes:
        root: the checkout.
        commit: that the site is built from, shortened.
        remote: its name or address, as given.
        branch: of the remote.
        url: address of the remote.
    """

    root: Path
    commit: str
    remote: str
    branch: str
    url: str


@dataclass(frozen=True)
class Deployment:
    """The outcome of a deployment.

    Attributes:
        commit: the new commit of the branch; empty when the branch already holds this site.
        n_files: files of the site.
        pushed: False for a dry run, or if there was nothing to push.
    """

    commit: str
    n_files: int
    pushed: bool


def check_source(root: Path, remote: str, branch: str) -> Source:
    """Check, before the site is built, that it can be deployed.

    Args:
        root: the checkout.
        remote: the name of a remote, or an address that git can push to.
        branch: to deploy to.

    Raises:
        SiteError: the folder is no git checkout; files have changes that are not committed; the remote does not exist;
            or the branch is the one that is checked out.
    """
    if ask_git(root, "rev-parse", "--is-inside-work-tree") != "true":
        raise SiteError(f"{root.name} is not a git checkout", "a clone of the project", "git clone")
    changed = run_git(root, "status", "--porcelain").splitlines()
    if changed:
        raise SiteError(
            f"{changed[0].split()[-1]} has changes that are not committed (such files: {len(changed)})",
            "a clean checkout, because the deployed site names the commit that it was built from",
            "git commit, or git stash",
        )
    names = run_git(root, "remote").split()
    url = run_git(root, "remote", "get-url", remote) if remote in names else remote
    if remote not in names and not re.search(r"[/:]", remote):
        raise SiteError(
            f"there is no remote {remote!r}", ", ".join(names) or "none is configured", f"git remote add {remote} URL"
        )
    if ask_git(root, "check-ref-format", "--branch", branch) != branch:
        raise SiteError(f"{branch!r} cannot be a branch", f"a name such as {BRANCH}", "invoke deploy")
    if branch == run_git(root, "branch", "--show-current"):
        raise SiteError(f"the branch {branch} is the one that holds the sources", f"another, such as {BRANCH}")
    return Source(root, run_git(root, "rev-parse", "--short=12", "HEAD"), remote, branch, url)


def deploy_site(source: Source, site: Path, dry_run: bool = False) -> Deployment:
    """Push a built site.

    Args:
        source: from ``check_source``.
        site: the built folder; gets a ``.nojekyll``, so that Pages publishes every file.
        dry_run: make the commit, but do not push it.

    Raises:
        SiteError: nothing is built there, or the branch holds something that is not a built site.
        GitError: git failed, for example because the remote cannot be reached or another deployment came first.
    """
    if not (site / "index.html").is_file():
        raise SiteError(f"there is no built site in {site}", "a folder that invoke site made", "invoke site")
    (site / ".nojekyll").touch()
    git_dir = run_git(source.root, "rev-parse", "--absolute-git-dir")
    parent = _remote_head(source)
    with tempfile.TemporaryDirectory() as folder:
        work = ("--git-dir", git_dir, "--work-tree", str(site.resolve()))
        index = os.environ | {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        run_git(site, *work, "-c", "core.autocrlf=false", "add", "--force", "--all", ".", environment=index)
        n_files = len(run_git(site, *work, "ls-files", environment=index).splitlines())
        tree = run_git(site, *work, "write-tree", environment=index)
    if parent and tree == run_git(source.root, "rev-parse", f"{parent}^{{tree}}"):
        return Deployment("", n_files, pushed=False)
    parents = ("-p", parent) if parent else ()
    commit = run_git(source.root, "commit-tree", tree, *parents, "-m", f"Site of {source.commit}")
    if not dry_run:
        run_git(source.root, "push", "--quiet", source.remote, f"{commit}:refs/heads/{source.branch}")
    return Deployment(commit, n_files, pushed=not dry_run)


def _remote_head(source: Source) -> str:
    """Fetch the remote branch and return its commit; empty if there is no such branch yet."""
    ref = f"refs/heads/{source.branch}"
    listed = run_git(source.root, "ls-remote", source.remote, ref)
    if not listed:
        return ""
    run_git(source.root, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", source.remote, ref)
    head = listed.split()[0]
    names = set(run_git(source.root, "ls-tree", "--name-only", head).splitlines())
    if not {"index.html", "sitemap.xml"} <= names:
        raise SiteError(
            f"the branch {source.branch} of {source.remote} holds something that is not a built site",
            "a branch of its own for the site, or a new one",
            "invoke deploy --branch NAME",
        )
    return head
