"""What MkDocs built, made lighter: styles without rules for what no page has, pages and scripts without idle signs.

Material's style serves every extension that it knows; more than a third of it is for things that this site never shows,
pictures of icons among them. A rule goes when one of its selectors' classes or elements occurs in no page and in no
script, so a class that a script gives an element counts as used; whatever is not understood stays. Nothing else
changes: a page looks and reads as it did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SCRIPTS = ("assets/js/*.js", "assets/generated/playground/*.js")  # ours; the libraries come minified

# Strings and addresses hold signs that mean nothing there.
_CSS_TOKEN = re.compile(r"""/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|url\([^)"']*\)|[{};]|\s+""", re.DOTALL)
_GROUPS = ("@media", "@supports", "@container")  # rules with rules inside
_PARENTHESES = re.compile(r"\([^()]*\)")
_CLASS = re.compile(r"\.([\w-]+)")
_ELEMENT = re.compile(r"(?:^|[\s>+~])([A-Za-z][\w-]*)")
# Material has rules for twenty tabs side by side, each of its own.
_TAB = re.compile(r"\.tabbed-\w.*?:nth-child\((\d+)\)")
_TAB_ID = re.compile(r'\bid="?__tabbed_\d+_(\d+)')
_START_TAG = re.compile(r"<([A-Za-z][\w-]*)")
# Kinds of boxes that only a page's own markup has, and words of which scripts are full.
_BOXES = ("abstract", "bug", "danger", "example", "failure", "info", "note", "question", "quote", "success", "tip",
          "warning")  # fmt: skip
# What Material's script would make for features that this site leaves off. A class that a page has counts all the same.
_NEVER_MADE = (
    *_BOXES,
    "md-annotation",
    "md-banner",
    "md-consent",
    "md-feedback",
    "md-source",
    "md-status",
    "md-tag",
    "md-tooltip",
    "md-version",
    "mermaid",
)
_NEVER_SET = "--md-mermaid-"
# Attributes that nothing but a page's own markup sets to a value; their colours' names make up half a style sheet.
_FIXED = re.compile(r"\[(dir|data-md-color-(?:primary|accent))=\"?([\w-]+)\"?\]")
_CLASS_LIST = re.compile(r"""\bclass=(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""")
_FIXED_VALUE = re.compile(r"""\b(dir|data-md-color-(?:primary|accent))="?([\w-]+)""")
_WORD = re.compile(r"[\w-]+")
_PROPERTY = re.compile(r"--[\w-]+")
_VARIABLE = re.compile(r"var\(\s*(--[\w-]+)")
# Elements whose blanks are seen, or are none of HTML's business.
_AS_IT_IS = re.compile(r"(<(pre|textarea|script|style)\b.*?</\2>)", re.DOTALL | re.IGNORECASE)
_LINE_BREAK = re.compile(r"\s*\n\s*")
# Escaped on the way through Markdown (sitegen.text.escape). Those that mean something to HTML stay as they are.
_ENTITY = re.compile(r"&#(\d{1,6});")
_MEANINGFUL = frozenset("<>&\"'`={}\\")
# Material asks for a site map beside every such address; as with oEmbed (sitegen.embedding.embed_pages), a blank hides
# it.
_FEED = re.compile(r'(<link rel="alternate)(" type="application/rss\+xml")')
_COMMENT_LINE = re.compile(r"^\s*(?://.*)?\n|^[ \t]+", re.MULTILINE)


@dataclass(frozen=True)
class Used:
    """What occurs in a built site.

    Attributes:
        classes: of elements in pages, and every word in a script.
        elements: in pages, and every word in a script.
        tabs: most that stand side by side.
        beginnings: of names that a script completes as it runs.
        fixed: attributes of ``_FIXED`` with the values that pages give them.
        properties: custom properties that pages and scripts name.
    """

    classes: frozenset[str]
    elements: frozenset[str]
    tabs: int
    beginnings: tuple[str, ...]
    fixed: frozenset[tuple[str, str]]
    properties: frozenset[str]


def slim_site(site: Path) -> None:
    """Rewrite the pages, scripts and styles of a built site in place."""
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    styles = {path: path.read_text(encoding="utf-8") for path in site.rglob("assets/**/*.css")}
    scripts = [path.read_text(encoding="utf-8") for path in site.rglob("*.js")]
    used = used_in([*pages.values()], scripts)
    for path, text in pages.items():
        path.write_text(slim_page(text), encoding="utf-8")
    for path, text in zip(styles, slim_styles([*styles.values()], used), strict=True):
        path.write_text(text, encoding="utf-8")
    for path in (path for pattern in _SCRIPTS for path in site.glob(pattern)):
        path.write_text(slim_script(path.read_text(encoding="utf-8")), encoding="utf-8")


def used_in(pages: list[str], scripts: list[str]) -> Used:
    """What pages and scripts can make a rule match, from their texts."""
    lists = (found for page in pages for found in _CLASS_LIST.findall(page))
    classes = {name for found in lists for part in found for name in part.split()}
    words = {word for script in scripts for word in _WORD.findall(script) if not word.startswith(_NEVER_MADE)}
    return Used(
        frozenset(classes | words),
        frozenset(words.union(*map(_START_TAG.findall, pages))),
        max((int(number) for page in pages for number in _TAB_ID.findall(page)), default=0),
        tuple(word for word in sorted(words) if word.endswith("--") and word.count("-") > 2),  # no i--
        frozenset(found for page in pages for found in _FIXED_VALUE.findall(page)),
        frozenset(
            name for text in (*pages, *scripts) for name in _PROPERTY.findall(text) if not name.startswith(_NEVER_SET)
        ),
    )


# ---- pages and scripts ---------------------------------------------------------------------------------


def slim_page(text: str) -> str:
    """HTML without indentation and empty lines, with letters in place of entities where any letter will do."""
    parts = _AS_IT_IS.split(_FEED.sub(r"\1 \2", _ENTITY.sub(_letter, text)))
    # Three parts for each element that stays: what stands before it, the element, its name.
    return "".join(
        _LINE_BREAK.sub("\n", part) if index % 3 == 0 else part for index, part in enumerate(parts) if index % 3 < 2
    )


def _letter(entity: re.Match[str]) -> str:
    letter = chr(int(entity[1]))
    return letter if letter.isprintable() and letter not in _MEANINGFUL else entity.group()


def slim_script(text: str) -> str:
    """A script of ours without lines that are comments, and without indentation."""
    return _COMMENT_LINE.sub("", text)


# ---- styles --------------------------------------------------------------------------------------------


def slim_styles(texts: list[str], used: Used) -> list[str]:
    """Style sheets without comments, without rules that cannot match, and without custom properties that none reads."""
    sheets = [_rules(_CSS_TOKEN.sub(_shorter, text), used, None) for text in texts]
    # Looked for when the rules are gone: many a property is read only where nothing matches.
    read = used.properties.union(*map(_VARIABLE.findall, sheets))
    return [_rules(sheet, used, read) for sheet in sheets]


def _shorter(token: re.Match[str]) -> str:
    text = token.group()
    return "" if text.startswith("/*") else " " if text.isspace() else text


def _rules(css: str, used: Used, read: frozenset[str] | None) -> str:
    """The rules that may match, with the custom properties that are read; with all of them if that is not known."""
    kept = []
    for prelude, body in _statements(css):
        if body is None:
            kept.append(prelude)
        elif prelude.startswith(_GROUPS):
            if inner := _rules(body, used, read):
                kept.append(f"{prelude}{{{inner}}}")
        elif prelude.startswith("@"):
            kept.append(f"{prelude}{{{body.strip()}}}")
        else:
            selectors = [selector for selector in _split(prelude) if can_match(selector, used)]
            declarations = [part for part in _declarations(body) if read is None or _is_read(part, read)]
            if selectors and declarations:
                kept.append(f"{','.join(selectors)}{{{';'.join(declarations)}}}")
    return "".join(kept)


def _statements(css: str) -> Iterator[tuple[str, str | None]]:
    """Statements on the outermost level: what stands before the braces and in them, or all of it and None."""
    start = opened = depth = 0
    for token in _CSS_TOKEN.finditer(css):
        sign = token.group()
        if sign == "{":
            depth += 1
            if depth == 1:
                opened = token.end()
        elif sign == "}":
            depth -= 1
            if depth == 0:
                yield css[start : opened - 1].strip(), css[opened : token.start()]
                start = token.end()
        elif sign == ";" and depth == 0:
            yield css[start : token.end()].strip(), None
            start = token.end()


def _declarations(body: str) -> Iterator[str]:
    start = 0
    ends = [token.start() for token in _CSS_TOKEN.finditer(body) if token.group() == ";"]
    for end in (*ends, len(body)):
        if declaration := body[start:end].strip():
            yield declaration
        start = end + 1


def _is_read(declaration: str, read: frozenset[str]) -> bool:
    name = declaration.partition(":")[0].strip()
    return not name.startswith("--") or name in read


def _split(selectors: str) -> Iterator[str]:
    """The selectors of a list; commas in parentheses do not part them."""
    start = depth = 0
    for position, sign in enumerate(selectors):
        if sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        elif sign == "," and depth == 0:
            yield selectors[start:position].strip()
            start = position + 1
    yield selectors[start:].strip()


def can_match(selector: str, used: Used) -> bool:
    """Whether an element may match, by its name, classes and fixed attributes; parentheses are passed over."""
    if "\\" in selector:
        return True
    if any(int(number) > used.tabs for number in _TAB.findall(selector)):
        return False
    outside = selector
    while "(" in outside and (inner := _PARENTHESES.sub("", outside)) != outside:
        outside = inner
    if any(pair not in used.fixed for pair in _FIXED.findall(outside)):
        return False
    without_attributes = re.sub(r"\[[^\]]*\]", "", outside)
    return used.elements.issuperset(_ELEMENT.findall(without_attributes)) and all(
        name in used.classes or name.startswith(used.beginnings) for name in _CLASS.findall(without_attributes)
    )
