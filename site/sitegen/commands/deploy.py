"""A built site → a branch of a remote, by git's plumbing: the checkout, its index and its branches stay as they are.

    files → objects and a tree (through an index of its own) → a commit on top of the remote branch → push, never forced

Each deployment is one commit, whose message names the commit that the site was built from.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sitegen.text.errors import SiteError

BRANCH = "gh-pages"
_GITHUB = re.compile(r"github\.com[:/](?P<owner>[^/]+)/(?P<name>[^/]+?)(?:\.git)?/?$")


@dataclass(frozen=True)
class Source:
    """What would be deployed from where.

    Attributes:
        root: the checkout.
        commit: that the site is built from, shortened.
        remote: its name or address, as given.
        branch: of the remote.
        url: the remote's address.
    """

    root: Path
    commit: str
    remote: str
    branch: str
    url: str


@dataclass(frozen=True)
class Deployment:
    """What a deployment did.

    Attributes:
        commit: the new commit of the branch; empty when the branch already holds this site.
        n_files: files of the site.
        pushed: whether the remote has it now.
    """

    commit: str
    n_files: int
    pushed: bool


def check_source(root: Path, remote: str, branch: str) -> Source:
    """Whether a deployment may begin; looked at before the site is built.

    Args:
        root: the checkout.
        remote: the name of a remote, or an address that git can push to.
        branch: to deploy to.

    Raises:
        SiteError: the folder is no git checkout; files have changes that are not committed; the remote does not exist;
            or the branch is the one that is checked out.
    """
    if _ask(root, "rev-parse", "--is-inside-work-tree") != "true":
        raise SiteError(f"{root.name} is not a git checkout", "a clone of the project", "git clone")
    changed = _ask(root, "status", "--porcelain").splitlines()
    if changed:
        raise SiteError(
            f"{changed[0].split()[-1]} has changes that are not committed (such files: {len(changed)})",
            "a clean checkout, so that the deployed site names the commit that it was built from",
            "git commit, or git stash",
        )
    names = _ask(root, "remote").split()
    url = _ask(root, "remote", "get-url", remote) if remote in names else remote
    if remote not in names and not re.search(r"[/:]", remote):
        raise SiteError(
            f"there is no remote {remote!r}", ", ".join(names) or "none is configured", f"git remote add {remote} URL"
        )
    if _ask(root, "check-ref-format", "--branch", branch) != branch:
        raise SiteError(f"{branch!r} cannot be a branch", f"a name such as {BRANCH}", "invoke deploy")
    if branch == _ask(root, "branch", "--show-current"):
        raise SiteError(f"the branch {branch} is the one that holds the sources", f"another, such as {BRANCH}")
    return Source(root, _ask(root, "rev-parse", "--short=12", "HEAD"), remote, branch, url)


def pages_address(url: str) -> str:
    """Where GitHub serves the pages of a repository; empty for a remote that is elsewhere."""
    found = _GITHUB.search(url)
    if found is None:
        return ""
    owner, name = found["owner"].lower(), found["name"]
    return f"https://{owner}.github.io/" + ("" if name.lower() == f"{owner}.github.io" else f"{name}/")


def deploy_site(source: Source, site: Path, dry_run: bool = False) -> Deployment:
    """Push a built site.

    Args:
        source: what ``check_source`` found.
        site: the built folder; gets a ``.nojekyll``, without which Pages would filter its files.
        dry_run: make the commit, and push nothing.

    Raises:
        SiteError: nothing is built there; the branch holds something that is not a built site; or git failed, for
            example because the remote cannot be reached or somebody else deployed meanwhile.
    """
    if not (site / "index.html").is_file():
        raise SiteError(f"there is no built site in {site}", "a folder that invoke site made", "invoke site")
    (site / ".nojekyll").touch()
    git_dir = _git(source.root, "rev-parse", "--absolute-git-dir")
    parent = _remote_head(source)
    with tempfile.TemporaryDirectory() as folder:
        work = ("--git-dir", git_dir, "--work-tree", str(site.resolve()))
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git(site, *work, "-c", "core.autocrlf=false", "add", "--force", "--all", ".", extra=index)
        n_files = len(_git(site, *work, "ls-files", extra=index).splitlines())
        tree = _git(site, *work, "write-tree", extra=index)
    if parent and tree == _git(source.root, "rev-parse", f"{parent}^{{tree}}"):
        return Deployment("", n_files, pushed=False)
    parents = ("-p", parent) if parent else ()
    commit = _git(source.root, "commit-tree", tree, *parents, "-m", f"Site of {source.commit}")
    if not dry_run:
        _git(source.root, "push", "--quiet", source.remote, f"{commit}:refs/heads/{source.branch}")
    return Deployment(commit, n_files, pushed=not dry_run)


def _remote_head(source: Source) -> str:
    """The commit that the remote branch is at, fetched; empty when there is no such branch yet."""
    ref = f"refs/heads/{source.branch}"
    listed = _git(source.root, "ls-remote", source.remote, ref)
    if not listed:
        return ""
    _git(source.root, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", source.remote, ref)
    head = listed.split()[0]
    names = set(_git(source.root, "ls-tree", "--name-only", head).splitlines())
    if not {"index.html", "sitemap.xml"} <= names:
        raise SiteError(
            f"the branch {source.branch} of {source.remote} holds something that is not a built site",
            "a branch of its own for the site, or a new one",
            "invoke deploy --branch NAME",
        )
    return head


def _ask(folder: Path, *arguments: str) -> str:
    """What git answers; empty when it refuses."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _git(folder: Path, *arguments: str, extra: dict[str, str] | None = None) -> str:
    """Run git; its last words become the error."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=os.environ | (extra or {}), capture_output=True, text=True, check=False
    )
    if done.returncode:
        command = next(word for word in arguments if re.fullmatch(r"[a-z]+(-[a-z]+)*", word))
        words = (done.stderr.strip() or "it gave no reason").splitlines()
        reason = next((line for line in words if re.match(r"(fatal|error|!| !)", line)), words[-1])
        raise SiteError(f"git {command}: {reason.strip()}", run="git remote -v, to see where it would go")
    return done.stdout.strip()
