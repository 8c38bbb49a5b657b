"""One site and one browser for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from sitegen.build.site import BuiltSite
from sitegen.commands.chromium import find_chromium
from sitegen.commands.serve import make_server, running, serve_folder
from tests.browser.playing import Playground, save_odd_checkpoint, served_below
from tests.browser.watching import Watched
from tests.sitegen.example import ADDRESSES, build_example
from tinygpt.checkpoints.checkpoint import Checkpoint

SUB_PATH = "some/sub/path/"


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """An empty folder and the address that it is served at."""
    folder = tmp_path_factory.mktemp("host")
    with serve_folder(folder) as url:
        yield folder, url


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, host: tuple[Path, str]) -> BuiltSite:
    """The example site, built for a folder deep below the host's root."""
    return build_example(tmp_path_factory.mktemp("checkout"), replace(ADDRESSES, site=host[1] + SUB_PATH))


@pytest.fixture
def desktop(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile on a screen of the usual size."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield context


@pytest.fixture
def watched(desktop: BrowserContext) -> Watched:
    """A page in it that is watched."""
    return Watched(desktop)


@pytest.fixture(scope="session")
def published(built: BuiltSite, host: tuple[Path, str]) -> str:
    """The site's address on that host."""
    place = host[0] / SUB_PATH.rstrip("/")
    place.parent.mkdir(parents=True)
    place.symlink_to(built.output)
    return host[1] + SUB_PATH


@pytest.fixture(scope="session")
def address(built: BuiltSite) -> Iterator[str]:
    """The same site as `invoke serve` shows it."""
    with running(make_server(built.output)) as url:
        yield url


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


def launched(playwright: Playwright, *flags: str) -> Browser:
    flags = ("--no-sandbox", "--disable-background-networking", *flags)
    return playwright.chromium.launch(executable_path=find_chromium("a test"), args=[*flags])


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    with launched(playwright, "--disable-gpu") as started:
        yield started


@pytest.fixture(scope="session")
def gpu_browser(playwright: Playwright) -> Iterator[Browser]:
    """The same with WebGPU, which needs no graphics card: Chromium brings a Vulkan that computes on the processor."""
    with launched(playwright, "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader") as started:
        yield started


# ---- the playground ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def site(built: BuiltSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site below another sub-path, as a host serves it that compresses nothing."""
    with served_below(built.output, tmp_path_factory.mktemp("below")) as url:
        yield url


@pytest.fixture
def playground(browser: Browser, site: str) -> Iterator[Playground]:
    """The page, opened; leaving it checks that nothing complained."""
    opened = Playground(browser, site)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the odd checkpoint."""
    return tmp_path_factory.mktemp("checkpoint") / "odd"


@pytest.fixture(scope="session")
def odd(folder: Path) -> Checkpoint:
    """A checkpoint of sizes that no vector width divides."""
    return save_odd_checkpoint(folder)


@pytest.fixture
def speedup_page(desktop: BrowserContext, address: str) -> Page:
    """The page of the main figure."""
    page = desktop.new_page()
    page.goto(address + "speedup/")
    return page
