"""An article as Markdown: headings, paragraphs, lists, code, tables, figures and formulas as plain text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from urllib.parse import quote

from sitegen.text.html_tree import Element

_BLANKS = re.compile(r"\s+")
_MARKS = re.compile(r"([\\`*_\[\]<])")  # would begin Markdown in running text
_LINES = re.compile(r"\n{3,}")


def to_markdown(content: Element) -> str:
    """The blocks of an element as Markdown, one blank line between two."""
    return _LINES.sub("\n\n", _blocks(content)).strip() + "\n"


# ---- blocks ---------------------------------------------------------------------------------------------


def _blocks(element: Element) -> str:
    """The children as blocks; text and inline elements between blocks form paragraphs."""
    blocks: list[str] = []
    line: list[Element | str] = []

    def end_line() -> None:
        if words := _inline(line).strip():
            blocks.append(words)
        line.clear()

    for child in element.children:
        if isinstance(child, Element) and (child.tag in _BLOCKS or child.tag in _CONTAINERS):
            end_line()
            blocks.append(_BLOCKS.get(child.tag, _blocks)(child))
        else:
            line.append(child)
    end_line()
    return "\n\n".join(filter(None, blocks))


def _heading(element: Element) -> str:
    return f"{'#' * int(element.tag[1])} {_inline(element.children).strip()}"


def _code(element: Element) -> str:
    text = element.text.strip("\n")
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`{3,}", text))])
    return f"{fence}\n{text}\n{fence}"


def _list(element: Element) -> str:
    items = [item for item in element.elements if item.tag == "li"]
    marks = [f"{number}." if element.tag == "ol" else "-" for number, _ in enumerate(items, 1)]
    return "\n".join(
        f"{mark} {_indented(_blocks(item), len(mark) + 1)}" for mark, item in zip(marks, items, strict=True)
    )


def _definitions(element: Element) -> str:
    lines = [
        f"**{_inline(item.children).strip()}**" if item.tag == "dt" else f": {_indented(_blocks(item), 2)}"
        for item in element.elements
    ]
    return "\n\n".join(lines)


def _quote(element: Element) -> str:
    return "\n".join(f"> {line}".rstrip() for line in _blocks(element).splitlines())


def _table(element: Element) -> str:
    rows = [[_cell(cell) for cell in row.elements if cell.tag in ("td", "th")] for row in _rows(element)]
    if not rows:
        return ""
    width = max(map(len, rows))
    head, *body = (row + [""] * (width - len(row)) for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * width, *body))


def _rows(element: Element) -> Iterable[Element]:
    return (row for row in element.walk() if row.tag == "tr")


def _cell(element: Element) -> str:
    return " ".join(_blocks(element).split()).replace("|", "\\|")


def _indented(text: str, width: int) -> str:
    return re.sub(r"\n(?!\n|$)", f"\n{' ' * width}", text).strip()


def _bold(element: Element) -> str:
    words = _inline(element.children).strip()
    return f"**{words}**" if words else ""


_BLOCKS: Mapping[str, Callable[[Element], str]] = MappingProxyType(
    {
        **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _heading),
        **dict.fromkeys(("ul", "ol"), _list),
        "pre": _code,
        "dl": _definitions,
        "blockquote": _quote,
        "table": _table,
        **dict.fromkeys(("summary", "figcaption"), _bold),
        "hr": lambda _: "---",
    }
)
_CONTAINERS = frozenset(
    (
        "p", "div", "section", "article", "main", "aside", "header", "footer", "figure", "details",
        "picture",
    )
)  # fmt: skip


# ---- inline ---------------------------------------------------------------------------------------------


def _inline(children: Iterable[Element | str]) -> str:
    parts = (
        _MARKS.sub(r"\\\1", _BLANKS.sub(" ", child)) if isinstance(child, str) else _element(child)
        for child in children
    )
    return re.sub(r"[ \t]*\n[ \t]*", "\n", re.sub("  +", " ", "".join(parts)))


def _element(element: Element) -> str:
    write = _INLINE.get(element.tag)
    return write(element) if write else _inline(element.children)


def _link(element: Element) -> str:
    words, address = _inline(element.children).strip(), _address(element, "href")
    return f"[{words}]({address})" if words and address else words


def _picture(element: Element) -> str:
    words = _MARKS.sub(r"\\\1", _BLANKS.sub(" ", element.attributes.get("alt", "")))
    return f"![{words}]({_address(element, 'src')})"


def _address(element: Element, name: str) -> str:
    """An attribute's address, without what would end it in Markdown."""
    return re.sub(r"[\s()<>]", lambda sign: quote(sign[0], safe=""), element.attributes.get(name, ""))


def _marked(mark: str) -> Callable[[Element], str]:
    def write(element: Element) -> str:
        words = _inline(element.children)
        return f"{mark}{words.strip()}{mark}{' ' * words.endswith(' ')}" if words.strip() else words

    return write


def _inline_code(element: Element) -> str:
    words = element.words
    if not words:
        return ""
    mark = "`" * (max([0, *map(len, re.findall("`+", words))]) + 1)
    return f"{mark}{words}{mark}" if "`" not in words else f"{mark} {words} {mark}"


_INLINE: Mapping[str, Callable[[Element], str]] = MappingProxyType(
    {
        "a": _link,
        "img": _picture,
        "br": lambda _: "\n",
        "code": _inline_code,
        **dict.fromkeys(("strong", "b"), _marked("**")),
        **dict.fromkeys(("em", "i"), _marked("*")),
        "math": lambda element: f"`{_BLANKS.sub(' ', formula(element)).strip()}`",
    }
)


# ---- formulas -------------------------------------------------------------------------------------------


def formula(element: Element) -> str:
    """A MathML element on one line of text, such as ``(a + b)/√(c)``."""
    parts = [formula(child) if isinstance(child, Element) else _sign(child, element.tag) for child in element.children]
    parts = [part for part in parts if part]
    write = _FORMULAS.get(element.tag)
    if write and len(parts) >= _PARTS.get(element.tag, 1):
        return write(*parts)
    return "".join(parts)


def _sign(text: str, tag: str) -> str:
    """An operator or a function's name with blanks around it where one reads it with some; else the sign itself."""
    sign = text.replace("\u2061", "").strip()
    spaced = sign in _SPACED or (tag == "mi" and len(sign) > 1)
    return f" {sign} " if sign and spaced else sign


def _grouped(part: str) -> str:
    part = part.strip()
    return part if len(part) == 1 or part.isalnum() else f"({part})"


_SPACED = frozenset("=+−<>≤≥≈≠∈→←×·")
# Elements that hold signs in a fixed number; with fewer they are written as they are.
_PARTS = {"mfrac": 2, "msup": 2, "msub": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3}
_FORMULAS: Mapping[str, Callable[..., str]] = MappingProxyType(
    {
        "mfrac": lambda a, b, *_: f"{_grouped(a)}/{_grouped(b)}",
        "msup": lambda a, b, *_: f"{a}^{_grouped(b)}",
        "msub": lambda a, b, *_: f"{a}_{_grouped(b)}",
        "munder": lambda a, b, *_: f"{a}_{_grouped(b)}",
        "mover": lambda a, b, *_: f"{a}{b}" if b in "^~¯" else f"{a}^{_grouped(b)}",
        **dict.fromkeys(("msubsup", "munderover"), lambda a, b, c, *_: f"{a}_{_grouped(b)}^{_grouped(c)}"),
        "msqrt": lambda *parts: f"√({''.join(parts)})",
        "mtr": lambda *parts: " ".join(parts) + "; ",
    }
)
