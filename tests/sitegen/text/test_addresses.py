from __future__ import annotations

import re
from pathlib import Path

import pytest

from sitegen.text.addresses import Addresses, find_addresses, pages_address, web_address
from sitegen.text.errors import SiteError
from tests.git import git


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SITE_URL", "REPO_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    return tmp_path


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@github.com:Someone/tinygpt.git", "https://github.com/Someone/tinygpt"),
        ("https://github.com/someone/TinyGPT", "https://github.com/someone/TinyGPT"),
        ("https://name:password@github.com/someone/tinygpt.git/", "https://github.com/someone/tinygpt"),
        ("ssh://git@git.example.org:2222/group/tinygpt.git", "https://git.example.org/group/tinygpt"),
        ("http://git.example.org:8080/tinygpt", "http://git.example.org:8080/tinygpt"),
        ("/srv/git/tinygpt", ""),
        ("../tinygpt", ""),
        ("file:///srv/git/tinygpt", ""),
        ("C:\\code\\tinygpt", ""),
        ("http://name@127.0.0.1:4000/git/tinygpt", ""),
        ("http://localhost:4000/tinygpt", ""),
        ("server:tinygpt.git", ""),
        ('https://github.com/a/b"><script>', ""),
        ("", ""),
    ],
)
def test_a_remote_has_a_page_without_names_and_passwords_or_none(remote: str, address: str) -> None:
    assert web_address(remote) == address


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("https://github.com/Someone/tinygpt", "https://someone.github.io/tinygpt/"),
        ("https://github.com/someone/TinyGPT", "https://someone.github.io/TinyGPT/"),
        ("https://github.com/someone/someone.github.io", "https://someone.github.io/"),
        ("https://git.example.org/someone/tinygpt", ""),
        ("", ""),
    ],
)
def test_the_address_of_the_pages_follows_from_a_github_repository(repository: str, address: str) -> None:
    assert pages_address(repository) == address


def test_both_addresses_follow_from_the_remote(root: Path) -> None:
    assert find_addresses(root) == Addresses()
    git(root, "remote", "add", "mine", "git@github.com:me/fork.git")
    assert find_addresses(root) == Addresses("https://me.github.io/fork/", "https://github.com/me/fork")
    git(root, "remote", "add", "origin", "https://github.com/them/tinygpt.git")
    assert find_addresses(root).repository == "https://github.com/them/tinygpt"
    assert find_addresses(root, "https://github.com/else/where").site == "https://else.github.io/where/"


def test_of_two_remotes_none_is_guessed(root: Path) -> None:
    for name in ("one", "two"):
        git(root, "remote", "add", name, f"git@github.com:{name}/tinygpt.git")
    assert find_addresses(root) == Addresses()


def test_a_folder_without_git_has_no_address(tmp_path: Path) -> None:
    assert find_addresses(tmp_path / "none") == Addresses()


def test_the_environment_overrides_each(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(root, "remote", "add", "origin", "git@github.com:them/tinygpt.git")
    monkeypatch.setenv("SITE_URL", "http://127.0.0.1:8000/sub")
    assert find_addresses(root) == Addresses("http://127.0.0.1:8000/sub/", "https://github.com/them/tinygpt")
    monkeypatch.setenv("REPO_URL", "git@git.example.org:me/tinygpt.git")
    assert find_addresses(root).repository == "https://git.example.org/me/tinygpt"


@pytest.mark.parametrize(("name", "value"), [("SITE_URL", "example.org"), ("REPO_URL", "here"), ("SITE_URL", "/sub/")])
def test_an_address_that_is_none_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SiteError, match=f"^{name} is '{value}'; allowed: "):
        find_addresses(root)


def test_an_unknown_address_is_a_warning_with_the_way_to_set_it() -> None:
    nothing, all_known = Addresses(), Addresses("https://a.example/", "https://b.example/c")
    assert "SITE_URL=https://HOST/PATH/ invoke site" in nothing.site_warning()
    assert "git remote add origin URL" in nothing.repository_warning()
    assert all_known.site_warning() == all_known.repository_warning() == ""


def test_only_the_known_host_has_pages_to_edit() -> None:
    assert Addresses(repository="https://github.com/a/b").edit_folder == "edit/main/docs/"
    assert Addresses(repository="https://git.example.org/a/b").edit_folder == ""


@pytest.mark.parametrize(
    "value", ["example.org", "https://", "ftp://example.org/", "https://a b/", "https://a/?x=1", "javascript:alert(1)"]
)
def test_an_address_on_the_command_line_is_checked(root: Path, value: str) -> None:
    assert find_addresses(root, site="https://me.example/x").site == "https://me.example/x/"
    with pytest.raises(SiteError, match=f"^the address is {re.escape(repr(value))}; allowed: a complete address"):
        find_addresses(root, site=value)
