"""A text from a single file: the user's own, whatever bytes it holds, split near its end."""

from __future__ import annotations

from pathlib import Path

from tinygpt.corpora.corpus import Parts
from tinygpt.errors import CorpusError

HELD_OUT_SHARE = 10  # the last tenth
# A window of the longest context that a preset has (512), and one more byte, fits twice.
HELD_OUT_AT_LEAST = 2 * 512 + 1


def read_file(corpus: str, path: str) -> bytes:
    """A file's bytes.

    Raises:
        CorpusError: it is missing, a folder, unreadable or empty.
    """
    allowed, run = "a file with text in it", f"the same command with --corpus {corpus.partition(':')[0]}:PATH"
    if not path:
        raise CorpusError(f"corpus {corpus!r} names no file", "file:PATH", "the same command with a path")
    file = Path(path).expanduser()
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise CorpusError(f"there is no file {path!r}", allowed, run) from error
    except IsADirectoryError as error:
        raise CorpusError(f"{path!r} is a folder", allowed, run) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        if file.is_dir():  # Windows refuses to open a folder with PermissionError
            raise CorpusError(f"{path!r} is a folder", allowed, run) from error
        raise CorpusError(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}", allowed, run) from error
    if not data:
        raise CorpusError(f"the file {path!r} is empty", allowed, run)
    return data


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
