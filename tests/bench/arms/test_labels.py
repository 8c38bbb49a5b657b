from __future__ import annotations

import pytest

from bench.arms.labels import Label, is_copy, read_label
from bench.arms.variants import check_variant, engine_name, kind_of
from bench.records.provenance import code_sha256
from tinygpt.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("numpy", Label("numpy", None, 1)),
        (
            "vectorized[threads=1,kernels=numexpr:adamw]#2",
            Label("vectorized[threads=1,kernels=numexpr:adamw]", None, 2),
        ),
        ("vectorized@1a2b3c4", Label("vectorized", "1a2b3c4", 1)),
        ("vectorized[threads=1]@1a2b3c4#2", Label("vectorized[threads=1]", "1a2b3c4", 2)),
        ("my.module:Engine", Label("my.module:Engine", None, 1)),
        ("odd#name", Label("odd#name", None, 1)),
    ],
)
def test_names_and_their_parts(text, label):
    assert read_label(text) == label
    assert label.text == text
    assert is_copy(text) == (label.copy > 1)


def test_label_of_a_copy_is_an_engine():
    assert check_variant("vectorized[threads = 1]#2") == "vectorized[threads=1]#2"
    assert (engine_name("vectorized[threads=1]#2"), kind_of("vectorized#2")) == ("vectorized", "bench")


def test_label_of_another_commit_is_rejected():
    with pytest.raises(ConfigError, match="invoke bench --against 1a2b3c4"):
        check_variant("vectorized@1a2b3c4")


def test_the_codes_hash_follows_the_code_and_nothing_else(tmp_path):
    (tmp_path / "tinygpt").mkdir()
    (tmp_path / "tinygpt" / "a.py").write_text("a = 1")
    (tmp_path / "README.md").write_text("hello")
    before = code_sha256(tmp_path)
    (tmp_path / "README.md").write_text("goodbye")
    (tmp_path / "tinygpt" / "a.pyc").write_text("cache")
    assert code_sha256(tmp_path) == before
    (tmp_path / "tinygpt" / "a.py").rename(tmp_path / "tinygpt" / "b.py")
    assert code_sha256(tmp_path) != before
