"""The user's own text: a file or a folder of files, of any bytes, each split near its end."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from tinygpt.corpora.corpus import Parts
from tinygpt.errors import CorpusError
from tinygpt.system.files import LFS_POINTER
from tinygpt.system.home import expand_home
from tinygpt.system.memory import require_memory

HELD_OUT_SHARE = 10  # the last tenth
# Two windows of the longest context of a preset (512), and one more byte.
HELD_OUT_AT_LEAST = 2 * 512 + 1
_COPIES = 2  # of a text in memory during the split
_MAPPED_FROM = 2**26  # bytes of a file that is mapped into memory instead of read
_LOOKED_AT = 2**20  # bytes at the start of a text that show its format

# First bytes of files that are not plain UTF-8 text, their format, and the command that converts them.
_FORMATS = (
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
_MANY_ZEROS = 0.3  # the share of zero bytes; UTF-8 text has fewer
# Which of four bytes in a row are mostly zero in Western text without a mark → its encoding.
_ENCODINGS: dict[tuple[bool, ...], str] = {
    (False, True, False, True): "UTF-16LE", (True, False, True, False): "UTF-16BE",
    (False, True, True, True): "UTF-32LE", (True, True, True, False): "UTF-32BE",
}  # fmt: skip


def read_text(corpus: str, path: str) -> Parts:
    """Read a file, or all files of a folder.

    Raises:
        CorpusError: the path is missing, neither file nor folder, unreadable or empty.
        CapacityError: the text does not fit into memory.
    """
    if not path:
        raise CorpusError(f"corpus {corpus!r} names no file", "file:PATH", "the same command with a path")
    folder = expand_home(path)
    if folder.is_dir():
        return split(*_some([data for file in _files_below(folder) if (data := _read(corpus, str(file)))], corpus))
    return split(read_file(corpus, path))


def read_file(corpus: str, path: str) -> bytes:
    """Read a file's bytes, or map a large file into memory: then only the pages in use take room there.

    Raises:
        CorpusError: it is missing, no regular file, unreadable or empty.
        CapacityError: it does not fit into memory.
    """
    data = _read(corpus, path, may_map=True)
    if not data:
        raise unusable(corpus, f"the file {path!r} is empty")
    return data


def _read(corpus: str, path: str, may_map: bool = False) -> bytes:
    file = expand_home(path)
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # reading from a pipe may never end
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise unusable(corpus, f"{path!r} is {kind}")
        if may_map and status.st_size >= _MAPPED_FROM:
            with file.open("rb") as opened:
                return memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
        require_memory(_COPIES * status.st_size, f"the text {path!r}", "head -c 1GB FILE > PART, and train on that")
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise unusable(corpus, f"there is no file {path!r}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise unusable(corpus, f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}") from error
    if data.startswith(LFS_POINTER):
        raise CorpusError(
            f"{path!r} is a Git LFS pointer, not the text that it points to", "the file itself", "git lfs pull"
        )
    return data


def unusable(corpus: str, problem: str) -> CorpusError:
    """Build the error for a user's own text."""
    run = f"the same command with --corpus {corpus.partition(':')[0]}:PATH"
    return CorpusError(problem, "a file with text in it", run)


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the text files of a folder tree, ordered by name, without hidden files and links."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(parent, name)
            if not name.startswith(".") and file.is_file() and not file.is_symlink() and _is_text(file):
                yield file


def _is_text(file: Path) -> bool:
    with file.open("rb") as opened:
        return detect_format(opened.read(4096)) is None


def detect_format(data: bytes) -> tuple[str, str] | None:
    """Return the format of bytes that are not plain text, and the command that converts it; None for plain text."""
    for start, name, command in _FORMATS:
        if data.startswith(start):
            return name, command
    if data and data.count(0) > _MANY_ZEROS * len(data):
        zeros = tuple(data[place::4].count(0) > len(data) / 8 for place in range(4))
        if encoding := _ENCODINGS.get(zeros):
            return f"{encoding} without a mark", f"iconv -f {encoding} -t UTF-8"
        return "binary data: much of it is zero bytes", "strings"
    return None


def format_warning(name: str, data: bytes) -> str | None:
    """Return the warning before training on bytes that are not plain text, or None."""
    if (found := detect_format(bytes(data[:_LOOKED_AT]))) is None:
        return None
    return f"{name} looks like {found[0]}, and the model will learn these bytes as they are; its text: {found[1]} FILE"


def split(*texts: bytes) -> Parts:
    """Hold out the last tenth of every text, or more of small texts so that one window of evaluation fits.

    That is a tenth of all, at least 1,025 bytes, and at most a third: 863 bytes split into 576 and 287. A cut moves
    forward to the start of a character, so that no UTF-8 sequence is broken. Several texts are joined as documents. The
    sampler refuses a text that is too short for the model's context.
    """
    size = sum(map(len, texts))
    n_held_out = max(size // HELD_OUT_SHARE, min(HELD_OUT_AT_LEAST, size // 3))
    cuts = [_start_of_character(text, len(text) - -(-len(text) * n_held_out // size)) for text in texts]
    halves = [(text[:cut], text[cut:]) for text, cut in zip(texts, cuts, strict=True)]
    if len(texts) == 1:
        return Parts(*halves[0])
    separator = _separator(texts)
    return Parts(*(separator.join([*filter(None, side), b""]) for side in zip(*halves, strict=True)))


def _start_of_character(data: bytes, cut: int) -> int:
    for place in range(cut, min(cut + 4, len(data))):
        if data[place] & 0xC0 != 0x80:  # not a continuation byte
            return place
    return cut


def _some(documents: list[bytes], corpus: str) -> list[bytes]:
    if not documents:
        raise CorpusError(
            f"corpus {corpus!r} holds no text", "files or rows with text", "the same command with another"
        )
    return documents


def _separator(documents: Iterable[bytes]) -> bytes:
    """Return a line break, or a blank line if a document has several lines."""
    return b"\n\n" if any(b"\n" in document.strip() for document in documents) else b"\n"


def split_documents(documents: list[bytes], corpus: str) -> Parts:
    """Join the rows of a data set and hold out whole ones at the end.

    Raises:
        CorpusError: there is no document.
    """
    separator = _separator(_some(documents, corpus))
    sizes = [len(document) + len(separator) for document in documents]
    wanted = sum(sizes) // HELD_OUT_SHARE
    cut, n_held_out = len(documents), 0
    while cut > 1 and n_held_out < wanted:
        cut -= 1
        n_held_out += sizes[cut]
    # A single document, or a last one longer than half the text, is cut inside instead.
    if cut == len(documents) or n_held_out > sum(sizes) // 2:
        return split(separator.join(documents))
    return Parts(*(separator.join([*side, b""]) for side in (documents[:cut], documents[cut:])))
