"""Make the built site smaller: strip white space and comments from pages, scripts and styles, and drop unused rules.

Material's style sheet covers every extension, and this site uses few of them. A rule is dropped if its selector names a
class, or a value of an attribute, that no page has and no script can set; a custom property, if nothing reads it. The
sheets of a page become one, but for that of the reference, which only its pages have. Pages look and read as before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path

_PLAYGROUND = "assets/generated/playground/**/*"
_SCRIPTS = ("assets/js/**/*.js", f"{_PLAYGROUND}.js")  # ours; the libraries come minified
_REFERENCE, _REFERENCE_SHEET = 'class="doc ', "assets/_mkdocstrings.css"
_FOREIGN = ("assets/stylesheets/*.css", _REFERENCE_SHEET)
_SHEETS = "assets/stylesheets/"  # a sibling of the folder of fonts, as the folder of every sheet is
_LINKED = re.compile(r'(?:<link rel="stylesheet" href="([^"]*)assets/([^"]+\.css)">\s*)+')
_REFERENCE_LINK = re.compile(rf'<link rel="stylesheet" href="[^"]*{re.escape(_REFERENCE_SHEET)}">\s*')
_LINK = re.compile(r'href="[^"]*?(assets/[^"]+\.css)"')


def lighten_site(site: Path) -> None:
    """Rewrite the pages, scripts and styles of a built site in place."""
    pages = [_rewrite(path, lighter_page) for path in site.rglob("*.html")]
    for path in _found(site, *_SCRIPTS):
        _rewrite(path, lighter_script)
    for path in _found(site, f"{_PLAYGROUND}.wgsl"):
        _rewrite(path, lighter_shader)
    scripts = [path.read_text(encoding="utf-8") for path in site.rglob("*.js")]
    styles = {path: _rewrite(path, lighter_style) for path in site.rglob("assets/**/*.css")}
    names, foreign = names_in(pages, scripts), _found(site, *_FOREIGN)
    # Properties come after the rules: many are read only by rules that are dropped.
    styles |= {path: _rewrite(path, lambda style: without_idle_rules(style, names)) for path in foreign}
    read = properties_read(styles.values(), pages, names)
    for path in foreign:
        _rewrite(path, lambda style: without_idle_properties(style, read))
    join_styles(site)


def join_styles(site: Path) -> None:
    """Join the style sheets that pages link to one after the other: one request, and better compressed.

    The name of a joined sheet changes with its content, so that no browser shows a page with an older one.
    """
    replaced: set[str] = set()

    def joined(links: re.Match[str]) -> str:
        names = _LINK.findall(links[0])
        style = "".join((site / name).read_text(encoding="utf-8") for name in names)
        target = f"{_SHEETS}{hashlib.sha256(style.encode()).hexdigest()[:8]}.css"
        replaced.update(names)
        (site / target).write_text(style, encoding="utf-8")
        return f'<link rel="stylesheet" href="{links[1]}{target}">\n'

    for page in site.rglob("*.html"):
        _rewrite(page, lambda text: _LINKED.sub(joined, reference_style_last(text), count=1))
    for name in replaced:
        (site / name).unlink()


def reference_style_last(page: str) -> str:
    """Put the sheet of the reference behind the others on its pages, and leave it out of all others."""
    link = _REFERENCE_LINK.search(page)
    if link is None:
        return page
    without = page.replace(link[0], "", 1)
    return without.replace("</head>", f"{link[0].strip()}</head>", 1) if _REFERENCE in page else without


def _found(site: Path, *patterns: str) -> list[Path]:
    return [path for pattern in patterns for path in site.glob(pattern)]


def _rewrite(path: Path, change: Callable[[str], str]) -> str:
    text = change(path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")
    return text


# ---- white space and comments ---------------------------------------------------------------------------

# Elements in which white space is visible, or that are not HTML.
_AS_IT_IS = re.compile(r"(<(pre|textarea|script|style)\b.*?</\2>)", re.DOTALL | re.IGNORECASE)
_LINE_BREAK = re.compile(r"\s*\n\s*")
# Written by sitegen.text.escape to pass through Markdown. Characters that mean something to HTML stay escaped.
_ENTITY = re.compile(r"&#(\d{1,6});")
_MEANINGFUL = frozenset("<>&\"'`={}\\")
_COMMENT_BLOCK = re.compile(r"^[ \t]*/\*.*?\*/[ \t]*\n", re.MULTILINE | re.DOTALL)
_COMMENT_LINE = re.compile(r"^\s*(?://.*)?\n|^[ \t]+", re.MULTILINE)
_SHADER_COMMENT = re.compile(r"\s*//.*")
_STRING = r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"""
_CSS_TOKEN = re.compile(rf"/\*.*?\*/|{_STRING}|url\([^)\"']*\)|\s*[{{}};]\s*|[:,]\s+|\s+", re.DOTALL)


def lighter_page(text: str) -> str:
    """Drop indentation and empty lines from HTML, and replace entities by their letters where HTML allows it."""
    parts = _AS_IT_IS.split(_ENTITY.sub(_letter, text))
    # Three parts for each element that is left alone: the text before it, the element, its name.
    return "".join(
        _LINE_BREAK.sub("\n", part) if index % 3 == 0 else part for index, part in enumerate(parts) if index % 3 < 2
    )


def _letter(entity: re.Match[str]) -> str:
    letter = chr(int(entity[1]))
    return letter if letter.isprintable() and letter not in _MEANINGFUL else entity.group()


def lighter_script(text: str) -> str:
    """Drop lines of comments and indentation from a script of ours."""
    return _COMMENT_LINE.sub("", _COMMENT_BLOCK.sub("", text))


def lighter_shader(text: str) -> str:
    """Drop comments and indentation from a shader of ours; its language has no strings."""
    return lighter_script(_SHADER_COMMENT.sub("", text))


def lighter_style(text: str) -> str:
    """Drop comments and needless white space from a style sheet."""
    return _CSS_TOKEN.sub(lambda token: "" if token[0].startswith("/*") else token[0].strip() or " ", text)


# ---- unused rules of a minified style sheet --------------------------------------------------------------

_PARENTHESES = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_RULE = re.compile(rf"([^{{}}]+)\{{((?:{_STRING}|[^{{}}\"'])*)\}}")
_SELECTOR = re.compile(rf"(?:{_PARENTHESES}|[^,(])+")
_CHOSEN = r"(?:dir|role|data-md-color-(?:primary|accent))"  # attributes whose values scripts do not choose
_NAME = re.compile(rf"\.([\w-]+)|\[{_CHOSEN}=[\"']?([\w-]+)")
_NAMES_OF_TAG = re.compile(rf"""\b(?:class|{_CHOSEN})=(?:"([^"]*)"|([^\s>"']+))""")
_IGNORED = re.compile(rf"{_PARENTHESES}|[*^$]=[^\]]*\]")  # holds no complete names
_EMPTY = re.compile(r"@media[^{}]*\{\}")
_WORD = re.compile(r"[\w-]+")
_PROPERTY = re.compile(rf"(?<=[{{;])(--[\w-]+):(?:{_STRING}|[^;\"'}}])*;?")
_CUSTOM = re.compile(r"--[\w-]+")
_READ = re.compile(r"var\(\s*(--[\w-]+)")
# Features of Material that a site may not use: the beginnings of their names, which its script has in any case.
_FEATURES = (
    "md-annotation", "md-mermaid", "md-source__fact", "md-status", "md-tag", "md-tooltip", "md-version", "tabbed",
)  # fmt: skip
_GIVEN = frozenset({"js"})  # set by Material's script, and no word with a dash


def names_in(pages: Iterable[str], scripts: Iterable[str]) -> frozenset[str]:
    """Collect the classes of pages, and the words with a dash in scripts: the others are variables and prose."""
    lists = {names for page in pages for found in set(_NAMES_OF_TAG.findall(page)) for names in found}
    in_pages = frozenset[str]().union(*map(str.split, lists))
    idle = tuple(name for name in _FEATURES if not any(found.startswith(name) for found in in_pages))
    words = {word for script in scripts for word in set(_WORD.findall(script)) if "-" in word.strip("-")}
    return _GIVEN | in_pages | {word for word in words if not word.strip("-").startswith(idle)}


def without_idle_rules(style: str, names: frozenset[str]) -> str:
    """Drop selectors that need a name which is not there from a minified style sheet."""

    def shorter(rule: re.Match[str]) -> str:
        selectors = [selector for selector in _SELECTOR.findall(rule[1]) if can_match(selector, names)]
        return f"{','.join(selectors)}{{{rule[2]}}}" if selectors else ""

    return _EMPTY.sub("", _RULE.sub(shorter, style))


def can_match(selector: str, names: frozenset[str]) -> bool:
    """True if every name of a selector is there, or if it has an escaped character."""
    found = _NAME.findall(_IGNORED.sub("", selector))
    return "\\" in selector or names.issuperset(of_class or value for of_class, value in found)


def properties_read(styles: Iterable[str], pages: Iterable[str], names: frozenset[str]) -> frozenset[str]:
    """Collect the custom properties that styles read, or that pages or scripts name: the latter are among ``names``."""
    by_others = {name for page in pages for name in _CUSTOM.findall(page)}.union(names)
    return frozenset(by_others.union(*map(_READ.findall, styles)))


def without_idle_properties(style: str, read: frozenset[str]) -> str:
    """Drop custom properties that nothing reads from a minified style sheet."""
    return _PROPERTY.sub(lambda declaration: declaration[0] if declaration[1] in read else "", style)
