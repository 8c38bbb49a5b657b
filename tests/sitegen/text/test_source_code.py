from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.text.errors import SiteError
from sitegen.text.source_code import definitions


def test_definitions_come_in_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text("def a():\n    return 1\n\n\nclass B:\n    x = 2\n")
    code = "    ```python\n    class B:\n        x = 2\n\n\n    def a():\n        return 1\n    ```"
    assert definitions(path, ("B", "a")) == f'??? example "`B`, `a` in `code.py`"\n\n{code}'


def test_a_name_that_the_file_does_not_define_is_an_error_with_those_it_does(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text("def a():\n    return 1\n")
    with pytest.raises(SiteError, match=r"code.py has no b; it defines a"):
        definitions(path, ("a", "b"))
