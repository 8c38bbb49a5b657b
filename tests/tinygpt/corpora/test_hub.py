"""``hf:``: the real ``datasets`` library on small local data sets, without a network."""

import json
import sys

import pytest

from tinygpt.corpora import hub, load_corpus
from tinygpt.errors import CorpusError, MissingDependencyError


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def write_rows(folder, rows):
    folder.mkdir(exist_ok=True)
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_a_folder_of_rows_with_lines_of_their_own(tmp_path):
    rows = [{"id": i, "text": f"Poem {i}\nwith é and a second line"} for i in range(40)]
    corpus = load_corpus(f"hf:{write_rows(tmp_path / 'poems', rows)}")
    assert corpus.name == "hf:poems"
    poems = (corpus.train + corpus.held_out).decode().split("\n\n")
    assert poems == [row["text"] for row in rows] + [""]
    assert corpus.held_out.decode() == "".join(f"{row['text']}\n\n" for row in rows[36:])


def test_a_folder_with_a_text_file_is_read_line_by_line(tmp_path):
    folder = tmp_path / "lines"
    folder.mkdir()
    (folder / "train.txt").write_text("".join(f"line {i:03}\n" for i in range(100)), encoding="utf-8")
    corpus = load_corpus(f"hf:{folder}")
    assert corpus.train.decode() == "".join(f"line {i:03}\n" for i in range(90))
    assert corpus.held_out.decode() == "".join(f"line {i:03}\n" for i in range(90, 100))


def test_a_single_text_column_is_read(tmp_path):
    folder = write_rows(tmp_path / "one", [{"n": i, "content": "words and more words"} for i in range(10)])
    assert load_corpus(f"hf:{folder}").train.startswith(b"words and more words\n")


def test_several_text_columns_are_refused(tmp_path):
    folder = write_rows(tmp_path / "two", [{"question": "why", "answer": "so"}])
    with pytest.raises(CorpusError, match="has the columns 'question', 'answer'; allowed: a column 'text'"):
        load_corpus(f"hf:{folder}")


def test_streaming_stops_at_the_cap(tmp_path):
    folder = write_rows(tmp_path / "long", [{"text": "x" * 99} for _ in range(1000)])
    parts = hub.load(str(folder), max_bytes=990)
    assert len(parts.train) + len(parts.held_out) == 1000  # ten rows, each with its line break


def test_one_long_row_is_cut_by_bytes(tmp_path):
    parts = hub.load(str(write_rows(tmp_path / "single", [{"text": "word " * 4000}])))
    assert (len(parts.train), len(parts.held_out)) == (18_000, 2_000)


def test_unusable_data_sets_are_refused(tmp_path):
    empty = write_rows(tmp_path / "empty", [{"text": ""}, {"text": ""}])
    with pytest.raises(CorpusError, match="holds no text"):
        load_corpus(f"hf:{empty}")
    with pytest.raises(CorpusError, match="there is no folder"):
        load_corpus(f"hf:{tmp_path / 'missing'}")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(CorpusError, match="could not be read") as error:
        load_corpus(f"hf:{tmp_path / 'nothing'}")
    assert "\n" not in str(error.value)
    for name in ("hf:", "hf:not a name", "hf:a/b/c", "hf:a/b@"):
        with pytest.raises(CorpusError, match="names no data set"):
            load_corpus(name)


def test_no_network_for_a_data_set_of_the_hub(monkeypatch):
    import datasets

    def refuse(*args, **options):
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(
        CorpusError, match=r"'hf:owner/name' needs the network once.*--corpus stories or --corpus python"
    ):
        load_corpus("hf:owner/name")


def test_a_data_set_of_the_hub_is_loaded_once_and_cached(monkeypatch, tmp_path):
    import datasets

    calls = []

    def load_dataset(path, name, *, split, streaming):
        calls.append((path, name, split, streaming))
        return iter([{"text": f"row {i}"} for i in range(20)])

    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    first = load_corpus("hf:owner/name@small")
    assert load_corpus("hf:owner/name@small").sha256 == first.sha256
    assert first.name == "hf:owner/name@small"
    assert calls == [("owner/name", "small", "train", True)]


def test_a_missing_package_is_named_with_its_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'tinygpt\[hf\]'"):
        load_corpus(f"hf:{write_rows(tmp_path / 'rows', [{'text': 'x'}])}")
