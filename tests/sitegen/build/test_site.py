from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sitegen.build.site import BuiltSite, build_site, refuse_unsafe_output
from sitegen.figures import FIGURES
from sitegen.text.addresses import Addresses
from sitegen.text.errors import SiteError
from sitegen.text.site_folders import CACHE
from tests import ROOT
from tests.sitegen.example import ADDRESSES, copy_checkout
from tinygpt import __all__ as PUBLIC_NAMES


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml: ``!ENV [NAME, default]`` becomes its default."""


_Loader.add_constructor("!ENV", lambda loader, node: loader.construct_sequence(node)[-1])


def configuration() -> dict[str, object]:
    loaded = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader=_Loader)
    assert isinstance(loaded, dict)
    return loaded


def one_page(root: Path, text: str) -> Path:
    """A checkout with a single page."""
    copy_checkout(root)
    shutil.rmtree(root / "docs")
    (root / "docs").mkdir()
    (root / "docs/index.md").write_text(text)
    (root / "site/theme/404.html").unlink()  # it links to the pages that are missing here
    config = (root / "mkdocs.yml").read_text()
    config = re.sub(r"^nav:.*?(?=^theme:)", "", config, flags=re.MULTILINE | re.DOTALL)
    config = re.sub(r"^  - blog:.*?(?=^markdown_extensions:)", "\n", config, flags=re.MULTILINE | re.DOTALL)
    (root / "mkdocs.yml").write_text(config)
    return root


def build_page(root: Path, text: str) -> BuiltSite:
    """Build a single page, with a figure that has no rows alone: the others take a while to draw."""
    one_page(root, text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sitegen.build.prepare.FIGURES", {"speedup": FIGURES["speedup"]})
        return build_site(root, Path("results"), Path("_site"), Addresses())


# ---- the configuration ----------------------------------------------------------------------------------


def test_the_output_folder_is_not_the_folder_of_our_sources() -> None:
    config = configuration()
    assert config["site_dir"] == "_site"
    ignored = (ROOT / ".gitignore").read_text().split()
    assert "/_site/" in ignored
    assert "/.site/" in ignored
    assert {"/site/theme/assets/generated/", "/site/theme/embed/"} <= set(ignored)
    assert not {"site", "/site", "site/", "/site/"} & set(ignored)


def test_the_build_is_strict_offline_and_needs_no_hook() -> None:
    config = configuration()
    assert config["strict"] is True
    assert "hooks" not in config
    theme = config["theme"]
    assert isinstance(theme, dict)
    assert theme["font"] is False
    plugins = {name: options for entry in config["plugins"] for name, options in  # type: ignore[attr-defined]
               (entry.items() if isinstance(entry, dict) else [(entry, {})])}  # fmt: skip
    assert set(plugins) == {"search", "macros", "blog", "mkdocstrings"}
    assert plugins["macros"]["on_undefined"] == "strict"
    assert plugins["macros"]["on_error_fail"] is True


# ---- a whole build --------------------------------------------------------------------------------------


def test_the_real_pages_build_strictly_and_pass_the_checks(built: BuiltSite) -> None:
    # The example's rows feed these; the others say on their page how to measure.
    assert {"speedup", "step_time", "loss", "memory"} <= set(built.figures) <= set(FIGURES)
    assert built.n_pages >= 13
    for name in built.figures:
        for kind in ("light.svg", "dark.svg", "png", "json", "vega.json", "dark.vega.json", "csv", "parquet"):
            assert (built.output / f"embed/{name}/{name}.{kind}").stat().st_size > 100


def test_every_figure_has_pictures_words_downloads_and_leads_to_its_rows(built: BuiltSite) -> None:
    alone = built.output / "embed"
    pages = "".join(page.read_text() for page in built.output.rglob("index.html") if alone not in page.parents)
    shown = [name for name in built.figures if f'id="figure-{name}"' in pages]
    assert len(shown) >= 5
    for name in shown:
        figure = re.search(rf'<figure class="tg-figure" id="figure-{name}" .*?</figure>', pages, re.DOTALL)
        assert figure, name
        assert len(re.findall(r'<img class="tg-only-(?:light|dark)"[^>]*\balt="[^"]{40,}"', figure.group())) == 2
        assert re.search(rf"embed/{name}[\w-]*/#rows", figure.group())
        assert f"{name}.csv?v=" in figure.group()


def test_results_reach_the_prose(built: BuiltSite) -> None:
    page = (built.output / "speedup/index.html").read_text()
    assert re.search(r'<a class="tg-number"[^>]*>2\.38× \(1 round\)</a>', page)
    home = (built.output / "index.html").read_text()
    assert 'class="tg-missing"' in home  # plain Python at medium ran out of time
    assert re.search(r'href="status/#measure"', home)


def test_hostile_samples_arrive_as_text(built: BuiltSite) -> None:
    page = (built.output / "samples/index.html").read_text()
    assert "<script>document.title" not in page
    assert "\x00" not in page
    assert "\u202e" not in page
    index = json.loads((built.output / "search/pages.json").read_text())
    found = " ".join(entry["title"] + entry["text"] for entry in index["docs"])  # Material shows both as HTML
    assert "<script" not in found
    assert "<img" not in found


def test_the_search_finds_every_public_name_in_the_reference(built: BuiltSite) -> None:
    index = json.loads((built.output / "search/pages.json").read_text())
    found = {entry["title"].split()[0] for entry in index["docs"] if entry["location"].startswith("reference/")}
    assert {*PUBLIC_NAMES} - {"__version__"} <= found


def test_every_page_links_to_the_code_and_to_its_own_source(built: BuiltSite) -> None:
    repository = ADDRESSES.repository
    for name in ("index", "speedup", "learn/gpt"):
        page = (built.output / name.removesuffix("index") / "index.html").read_text()
        assert f'<a href="{repository}" title="The repository" class="md-source">' in page
        assert f'<a href="{repository}">The code</a>' in page
        assert f'href="{repository}/edit/main/docs/{name}.md"' in page
        # With Material's own mark its script would ask the host of the code for numbers of stars.
        assert 'data-md-component="source"' not in page


def test_feeds_and_records_are_links_that_any_program_finds(built: BuiltSite) -> None:
    page = (built.output / "speedup/index.html").read_text()
    assert page.count('<link rel="alternate" type="application/rss+xml"') == 1
    (script,) = built.output.glob("assets/javascripts/bundle.*.js")
    assert 'link[rel=alternate]"' not in script.read_text()  # Material would fetch a site map beside each


def test_published_data_is_json_that_reads_back(built: BuiltSite) -> None:
    spec = json.loads((built.output / "embed/speedup/speedup.json").read_text())
    assert spec["usermeta"]["figure"] == "speedup"
    assert spec["usermeta"]["theme"] == "light"


# ---- bad input ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> BuiltSite:
    """A page with everything that needs results or addresses, built without any."""
    figures = "\n\n".join(f'{{{{ figure("{name}") }}}}' for name in FIGURES)
    others = (
        '{{ samples() }}\n\n{{ machine() }} {{ number("step_ms.numpy.small") }}\n\n{{ clone() }}\n\n{{ snippets() }}'
    )
    root = one_page(tmp_path_factory.mktemp("empty"), f"# Empty\n\n{figures}\n\n{others}\n")
    return build_site(root, Path("results"), Path("_site"), Addresses())


def test_a_site_without_addresses_names_none(empty: BuiltSite) -> None:
    page = (empty.output / "index.html").read_text()
    for absent in ("canonical", "og:url", "og:image", "json+oembed", "md-source", 'rel="edit"', "The code"):
        assert absent not in page, absent
    assert "git clone ADDRESS tinygpt" in page
    assert "in place of <code>https://HOST/PATH/</code>" in page
    assert "<loc>./</loc>" in (empty.output / "sitemap.xml").read_text()
    assert not [*empty.output.glob("oembed-*.json")]
    framed = (empty.output / f"embed/{empty.figures[0]}/index.html").read_text()
    assert "canonical" not in framed


def test_without_results_every_figure_says_how_to_make_some(empty: BuiltSite) -> None:
    built = empty
    page = (built.output / "index.html").read_text()
    assert built.figures == tuple(
        name for name, figure in FIGURES.items() if not figure.needs
    )  # computed from the code
    assert page.count("tg-figure--empty") == len(FIGURES) - len(built.figures)
    assert "not measured yet" in page
    assert "invoke bench --suite quick" in re.sub(r"<[^>]+>", "", page).replace("&#45;", "-")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{{ number("speedup.vectorized.numpy.smal") }}', r"docs/index\.md, line 5: .*did you mean 'small'"),
        ('{{ figure("speed") }}', r"docs/index\.md, line 5: .*did you mean 'speedup'"),
        ('{{ table("runz") }}', r"docs/index\.md, line 5: .*did you mean 'runs'"),
        ("{{ nonsense() }}", "nonsense"),
        ("[broken](nowhere.md)", "nowhere.md"),
        ('<a href="nowhere/">broken</a>', "nowhere/ leads nowhere"),
        ('<img src="https://img.example/a.png" alt="">', "from another host"),
    ],
)
def test_an_unknown_name_or_a_broken_address_fails_the_build(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SiteError, match=said):
        build_page(tmp_path, f"# Page\n\nfirst\n\nhere: {text}\n")


def test_a_build_never_empties_sources_or_somebody_elses_files(tmp_path: Path) -> None:
    for unsafe in (tmp_path, tmp_path.parent, tmp_path / "site", tmp_path / "docs/x", tmp_path / "results"):
        with pytest.raises(SiteError, match="would delete sources"):
            refuse_unsafe_output(tmp_path, unsafe)
    mine = tmp_path / "letters"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    with pytest.raises(SiteError, match="not a built site"):
        refuse_unsafe_output(tmp_path, mine)
    refuse_unsafe_output(tmp_path, tmp_path / "_site")
    (mine / "sitemap.xml").write_text("<urlset/>")
    refuse_unsafe_output(tmp_path, mine)


def test_plain_mkdocs_builds_in_a_checkout_that_is_not_installed(tmp_path: Path, empty: BuiltSite) -> None:
    root = one_page(tmp_path, '# Page\n\n{{ number("params.small") }}\n')
    (root / CACHE).parent.mkdir()
    (root / CACHE).symlink_to(empty.output.parent / CACHE)  # the same pictures
    for package in ("tinygpt", "bench"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("mkdocs")), "build", "--strict"],
        cwd=root, env=environment | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "366" in (root / "_site/index.html").read_text()
