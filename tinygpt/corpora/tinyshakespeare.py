"""The 1.1 MB excerpt of Shakespeare that many tutorials train on, for comparisons with them.

It is downloaded once, or read from the user's file; either way its hash is checked. The split is nanoGPT's
(``data/shakespeare_char/prepare.py``): the first 90 % train, the rest is held out, even if that cuts a speech in two.
"""

from __future__ import annotations

import hashlib

from tinygpt.corpora.archive import OFFLINE_CHOICES, no_network
from tinygpt.corpora.corpus import Parts
from tinygpt.corpora.textfile import read_file
from tinygpt.errors import CorpusError

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
N_BYTES = 1_115_394

_TIMEOUT_SECONDS = 30.0


def build() -> Parts:
    """Fetch the text over HTTP.

    Raises:
        CorpusError: no network, a refusal, or another text than the pinned one.
    """
    # These take a tenth of the time of importing tinygpt, for a download that happens once.
    import http.client
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(URL, timeout=_TIMEOUT_SECONDS) as response:
            data: bytes = response.read(N_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise CorpusError(
            f"corpus 'tinyshakespeare' could not be fetched: the server answered {error.code}",
            f"a copy of yours with --corpus-file PATH, or {OFFLINE_CHOICES}",
            "the same command later",
        ) from error
    except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
        raise no_network("tinyshakespeare") from error
    return _split(data, "the text received")


def build_from_file(path: str) -> Parts:
    """Read the user's copy.

    Raises:
        CorpusError: the file cannot be read, or holds another text.
    """
    return _split(read_file("file:", path), f"the file {path!r}")


def _split(data: bytes, name: str) -> Parts:
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise CorpusError(
            f"{name} is not tinyshakespeare: {len(data):,} bytes, SHA-256 {digest[:16]}…",
            f"{N_BYTES:,} bytes, SHA-256 {SHA256[:16]}…",
            "the same command with --corpus file:PATH, which takes any text",
        )
    cut = int(len(data) * 0.9)
    return Parts(data[:cut], data[cut:])
