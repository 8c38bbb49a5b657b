"""A text of the user's own: a file, or a folder of files, whatever bytes they hold, split near the end."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tinygpt.corpora.corpus import Parts
from tinygpt.errors import CorpusError
from tinygpt.system.home import expand_home
from tinygpt.system.memory import require_memory

HELD_OUT_SHARE = 10  # the last tenth
# A window of the longest context that a preset has (512), and one more byte, fits twice.
HELD_OUT_AT_LEAST = 2 * 512 + 1
_COPIES = 2  # of a text in memory, while it is split

# How files begin that are not plain text in UTF-8, and what makes them so.
_LOOKS = (
    (b"\xff\xfe\0\0", "UTF-32", "iconv -f UTF-32 -t UTF-8"),
    (b"\0\0\xfe\xff", "UTF-32", "iconv -f UTF-32 -t UTF-8"),
    (b"\xff\xfe", "UTF-16", "iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "UTF-16", "iconv -f UTF-16 -t UTF-8"),
    (b"\xef\xbb\xbf", "UTF-8 with a byte-order mark", "tail -c +4"),
    (b"\x1f\x8b", "gzip", "gunzip -c"),
    (b"BZh", "bzip2", "bunzip2 -c"),
    (b"\xfd7zXZ\0", "xz", "xz -dc"),
    (b"\x28\xb5\x2f\xfd", "Zstandard", "zstd -dc"),
    (b"PK\x03\x04", "a zip archive", "unzip -p"),
    (b"%PDF-", "PDF", "pdftotext"),
)
_MANY_ZEROS = 0.3  # more of them than any text in UTF-8 has; text in UTF-16 without a mark has half


def read_text(corpus: str, path: str) -> Parts:
    """The two parts of a file or of a folder's files.

    Raises:
        CorpusError: there is nothing of that name, it is neither, it cannot be read, or it is empty.
        CapacityError: it does not fit into memory.
    """
    if not path:
        raise CorpusError(f"corpus {corpus!r} names no file", "file:PATH", "the same command with a path")
    folder = expand_home(path)
    if folder.is_dir():
        return split_documents([data for file in _files_below(folder) if (data := _read(corpus, str(file)))], corpus)
    return split(read_file(corpus, path))


def read_file(corpus: str, path: str) -> bytes:
    """A file's bytes.

    Raises:
        CorpusError: it is missing, no regular file, unreadable or empty.
        CapacityError: it does not fit into memory.
    """
    data = _read(corpus, path)
    if not data:
        raise CorpusError(f"the file {path!r} is empty", "a file with text in it", _again(corpus))
    return data


def _read(corpus: str, path: str) -> bytes:
    file = expand_home(path)
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # reading from a pipe, say, may never end
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise CorpusError(f"{path!r} is {kind}", "a file with text in it", _again(corpus))
        require_memory(_COPIES * status.st_size, f"the text {path!r}", "head -c 1GB FILE > PART, and train on that")
        return file.read_bytes()
    except FileNotFoundError as error:
        raise CorpusError(f"there is no file {path!r}", "a file with text in it", _again(corpus)) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or error
        raise CorpusError(f"cannot read {path!r}: {reason}", "a file with text in it", _again(corpus)) from error


def _again(corpus: str) -> str:
    return f"the same command with --corpus {corpus.partition(':')[0]}:PATH"


def _files_below(folder: Path) -> Iterator[Path]:
    """The files of a folder and the folders in it, by name; hidden ones, links and what is no text are left out."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(parent, name)
            if not name.startswith(".") and file.is_file() and not file.is_symlink() and _is_text(file):
                yield file


def _is_text(file: Path) -> bool:
    with file.open("rb") as opened:
        return look_of(opened.read(4096)) is None


def look_of(data: bytes) -> tuple[str, str] | None:
    """What bytes look like if it is not plain text, and the command that makes text of a file with them."""
    for start, name, command in _LOOKS:
        if data.startswith(start):
            return name, command
    if data and data.count(0) > _MANY_ZEROS * len(data):
        return "binary data: much of it is zero bytes", "strings"
    return None


def look_warning(name: str, data: bytes) -> str | None:
    """What to say before training on bytes that look like something else; None for what looks like text."""
    look = look_of(data)
    if look is None:
        return None
    return f"{name} looks like {look[0]}, and the model will learn these bytes as they are; its text: {look[1]} FILE"


def split(data: bytes) -> Parts:
    """Hold out the last tenth, or more of a small text so that one window of evaluation fits.

    A tenth, but at least 1,025 bytes, but never over a third: 863 bytes split into 576 and 287. The cut moves on to
    the start of a character, so that no UTF-8 sequence is broken. A text too short for the model's context is for
    the sampler to refuse, which knows the context.
    """
    n_held_out = max(len(data) // HELD_OUT_SHARE, min(HELD_OUT_AT_LEAST, len(data) // 3))
    cut = len(data) - n_held_out
    for step in range(4):
        if data[cut + step : cut + step + 1] and data[cut + step] & 0xC0 != 0x80:  # not a continuation byte
            return Parts(data[: cut + step], data[cut + step :])
    return Parts(data[:cut], data[cut:])


def split_documents(documents: list[bytes], corpus: str) -> Parts:
    """Join documents, with a blank line where they have lines of their own, and hold out whole ones at the end.

    Raises:
        CorpusError: there is no document.
    """
    if not documents:
        raise CorpusError(
            f"corpus {corpus!r} holds no text", "files or rows with text", "the same command with another"
        )
    separator = b"\n\n" if any(b"\n" in document.strip() for document in documents) else b"\n"
    sizes = [len(document) + len(separator) for document in documents]
    wanted = sum(sizes) // HELD_OUT_SHARE
    cut, n_held_out = len(documents), 0
    while cut > 1 and n_held_out < wanted:
        cut -= 1
        n_held_out += sizes[cut]
    # One document, or a last one so long that most of the text would be held out: cut inside it instead.
    if cut == len(documents) or n_held_out > sum(sizes) // 2:
        return split(separator.join(documents))
    return Parts(*(separator.join([*side, b""]) for side in (documents[:cut], documents[cut:])))
