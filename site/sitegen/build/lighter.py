"""What MkDocs built, made lighter: pages, scripts and styles without idle signs, styles without idle rules.

Material's style serves every extension that it knows, and this site shows a few of them. A rule goes when its selector
names a class, or a value of an attribute, that no page has and no script may set; a custom property goes when nothing
reads it. A page looks and reads as it did.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

_SCRIPTS = ("assets/js/*.js", "assets/generated/playground/*.js")  # ours; the libraries come minified
_FOREIGN = ("assets/stylesheets/*.css", "assets/_mkdocstrings.css")


def lighten_site(site: Path) -> None:
    """Rewrite the pages, scripts and styles of a built site in place."""
    pages = [_rewrite(path, lighter_page) for path in site.rglob("*.html")]
    for path in _found(site, *_SCRIPTS):
        _rewrite(path, lighter_script)
    scripts = [path.read_text(encoding="utf-8") for path in site.rglob("*.js")]
    styles = {path: _rewrite(path, lighter_style) for path in site.rglob("assets/**/*.css")}
    names, foreign = names_in(pages, scripts), _found(site, *_FOREIGN)
    # Properties are looked for when the rules are gone: many are read only where nothing matches.
    styles |= {path: _rewrite(path, lambda style: without_idle_rules(style, names)) for path in foreign}
    read = properties_read(styles.values(), [*pages, *scripts])
    for path in foreign:
        _rewrite(path, lambda style: without_idle_properties(style, read))


def _found(site: Path, *patterns: str) -> list[Path]:
    return [path for pattern in patterns for path in site.glob(pattern)]


def _rewrite(path: Path, change: Callable[[str], str]) -> str:
    text = change(path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")
    return text


# ---- idle signs ----------------------------------------------------------------------------------------

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
_STRING = r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"""
_CSS_TOKEN = re.compile(rf"/\*.*?\*/|{_STRING}|url\([^)\"']*\)|\s*[{{}};]\s*|\s+", re.DOTALL)


def lighter_page(text: str) -> str:
    """HTML without indentation and empty lines, with letters in place of entities where any letter will do."""
    parts = _AS_IT_IS.split(_FEED.sub(r"\1 \2", _ENTITY.sub(_letter, text)))
    # Three parts for each element that stays: what stands before it, the element, its name.
    return "".join(
        _LINE_BREAK.sub("\n", part) if index % 3 == 0 else part for index, part in enumerate(parts) if index % 3 < 2
    )


def _letter(entity: re.Match[str]) -> str:
    letter = chr(int(entity[1]))
    return letter if letter.isprintable() and letter not in _MEANINGFUL else entity.group()


def lighter_script(text: str) -> str:
    """A script of ours without lines that are comments, and without indentation."""
    return _COMMENT_LINE.sub("", text)


def lighter_style(text: str) -> str:
    """A style sheet without comments and without blanks that part nothing."""
    return _CSS_TOKEN.sub(lambda token: "" if token[0].startswith("/*") else token[0].strip() or " ", text)


# ---- idle rules: of a minified sheet, what no page can show ---------------------------------------------

_PARENTHESES = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_RULE = re.compile(rf"([^{{}}]+)\{{((?:{_STRING}|[^{{}}\"'])*)\}}")
_SELECTOR = re.compile(rf"(?:{_PARENTHESES}|[^,(])+")
_CHOSEN = r"(?:dir|data-md-color-(?:primary|accent))"  # attributes that the configuration chooses for all pages
_NAME = re.compile(rf"\.([\w-]+)|\[{_CHOSEN}=[\"']?([\w-]+)")
_NAMES_OF_TAG = re.compile(rf"""\b(?:class|{_CHOSEN})=(?:"([^"]*)"|([^\s>"']+))""")
_PASSED_OVER = re.compile(rf"{_PARENTHESES}|[*^$]=[^\]]*\]")  # no names as a whole
_WORD = re.compile(r"[\w-]+")
_PROPERTY = re.compile(rf"(?<=[{{;])(--[\w-]+):(?:{_STRING}|[^;\"'}}])*;?")
_READ = re.compile(r"var\(\s*(--[\w-]+)")
# Classes that Material's script gives, and that stand in it neither whole nor with a dash.
_GIVEN = frozenset({"js", "tabbed-control--next", "tabbed-control--prev"})


def names_in(pages: Iterable[str], scripts: Iterable[str]) -> frozenset[str]:
    """The classes of pages, and those words of scripts that have a dash: the others are variables and prose."""
    lists = (names for page in pages for found in _NAMES_OF_TAG.findall(page) for names in found)
    in_scripts = {word for script in scripts for word in _WORD.findall(script) if "-" in word.strip("-")}
    return _GIVEN.union(in_scripts, *map(str.split, lists))


def without_idle_rules(style: str, names: frozenset[str]) -> str:
    """A minified sheet without selectors that ask for a name that is not there."""

    def shorter(rule: re.Match[str]) -> str:
        selectors = [selector for selector in _SELECTOR.findall(rule[1]) if can_match(selector, names)]
        return f"{','.join(selectors)}{{{rule[2]}}}" if selectors else ""

    return _RULE.sub(shorter, style)


def can_match(selector: str, names: frozenset[str]) -> bool:
    """Whether every name of a selector is there; one with an escaped sign counts as there."""
    found = _NAME.findall(_PASSED_OVER.sub("", selector))
    return "\\" in selector or names.issuperset(of_class or value for of_class, value in found)


def properties_read(styles: Iterable[str], others: Iterable[str]) -> frozenset[str]:
    """Custom properties that styles read, or that pages and scripts name."""
    by_others = {word for text in others for word in _WORD.findall(text) if word.startswith("--")}
    return frozenset(by_others.union(*map(_READ.findall, styles)))


def without_idle_properties(style: str, read: frozenset[str]) -> str:
    """A minified sheet without custom properties that nothing reads."""
    return _PROPERTY.sub(lambda declaration: declaration[0] if declaration[1] in read else "", style)
