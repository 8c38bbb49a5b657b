"""The playground for other sites: a page for frames that shows one panel, and texts to paste.

Its content policy is that of a figure's page, and allows what training needs: a worker, and the site's own files. These
have an origin, so the frame's sandbox keeps its own.
"""

from __future__ import annotations

import html
from pathlib import Path

from sitegen.embedding.embed_pages import content_policy
from sitegen.embedding.snippets import FRAME, Snippet, snippets_html
from sitegen.figures.grammar.words import PROJECT
from sitegen.playground.publish import FOLDER
from sitegen.text.addresses import UNKNOWN_SITE
from sitegen.text.site_folders import GENERATED_URL

PLACE = "embed/playground/"  # of the page, under the site
_UP = "../../"  # from there to the site's root
_STYLES = ("assets/generated/palette.css", "assets/generated/chart-font.css", "assets/css/embed.css")
_OWN_STYLE = f"{GENERATED_URL}{FOLDER}/playground.css"
_TITLE = "Train a GPT in this tab"
# Panel → its title, and a height for pages without embed.js, in pixels. The first is the one without a name.
_PANELS = {
    "train": (_TITLE, 1150),
    "write": ("Let a GPT write in this tab", 560),
    "inside": ("See inside a GPT in this tab: the next character, and attention", 900),
    "measure": ("Measure this browser: a training step in JavaScript, WebAssembly and WebGPU", 640),
}


def write_playground_frame(site: Path, site_url: str) -> None:
    """Write the page into a built site that has a playground.

    Args:
        site: the built folder.
        site_url: its address, or empty.
    """
    if not (site / "playground/index.html").is_file():
        return
    folder = site / PLACE
    folder.mkdir(parents=True, exist_ok=True)
    canonical = [f'<link rel="canonical" href="{site_url}playground/">'] if site_url else []
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{content_policy(connect="self", worker="self")}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_TITLE} · {PROJECT}</title>",
        '<meta name="description" content="One panel of the playground, for a frame of another page.">',
        *canonical,
        f'<link rel="icon" href="{_UP}assets/generated/favicon.svg">',
        *(f'<link rel="stylesheet" href="{_UP}{name}">' for name in _STYLES),
        # Marked, so that the script finds it, and it is not joined with the others: the playground's page needs it.
        f'<link rel="stylesheet" href="{_UP}{_OWN_STYLE}" data-playground-style>',
        f'<script type="module" src="{_UP}{GENERATED_URL}{FOLDER}/frame.js"></script>',
        '</head><body class="tg-embed" data-md-color-scheme="default"><main>',
        # The script shows the title of the panel that the address names.
        *(
            f'<h1 data-panel="{panel}"{" hidden" * (title != _TITLE)}>{html.escape(title)}</h1>'
            for panel, (title, _) in _PANELS.items()
        ),
        '<div class="tg-playground"><div data-playground="status"></div><div class="tgp-view"></div></div>',
        f'<p class="tg-source">A panel of <a href="{_UP}playground/" target="_blank" rel="noopener">the playground of '
        f"{PROJECT}</a>. Everything runs in this tab.</p>",
        "</main></body></html>",
    ]
    (folder / "index.html").write_text("\n".join(lines) + "\n", encoding="utf-8")


def playground_snippets_html(site_url: str, relative_page: str) -> str:
    """A text to paste for each panel, on one line of HTML.

    Args:
        site_url: the site's address, or empty.
        relative_page: address of the page for frames from the page that shows the snippets.
    """
    site_url = site_url or UNKNOWN_SITE
    found = [
        Snippet(
            FRAME,
            title,
            f'<iframe src="{html.escape(f"{site_url}{PLACE}?panel={panel}")}" title="{html.escape(title)}"'
            f' width="100%" height="{height}" style="border:0;width:100%" loading="lazy"'
            ' sandbox="allow-scripts allow-same-origin allow-downloads allow-popups'
            ' allow-popups-to-escape-sandbox"></iframe>\n'
            f'<script src="{html.escape(site_url)}embed.js" async></script>',
        )
        for panel, (title, height) in _PANELS.items()
    ]
    return snippets_html(found, f'<p><a href="{relative_page}">{_TITLE}</a></p>')
