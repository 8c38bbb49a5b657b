from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitegen.commands.serve import HOST, make_server
from sitegen.text.errors import SiteError


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "page").mkdir()
    (tmp_path / "index.html").write_text("home")
    (tmp_path / "page/index.html").write_text("page")
    (tmp_path / "404.html").write_text("lost")
    url = "https://example.org/tinygpt/"
    (tmp_path / "sitemap.xml").write_text(f"<urlset><loc>{url}page/</loc><loc>{url}</loc></urlset>")
    with make_server(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://{HOST}:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def test_pages_are_found_at_the_root_and_under_the_published_path(address: str) -> None:
    assert get(address) == "home"
    assert get(address + "page/") == "page"
    assert get(address + "tinygpt/page/") == "page"


def test_the_sitemap_names_this_server_so_that_instant_navigation_works(address: str) -> None:
    assert f"<loc>{address}page/</loc>" in get(address + "sitemap.xml?x=1")


def test_a_missing_page_gets_the_sites_own_404(address: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(address + "none/")
    assert caught.value.code == 404
    assert caught.value.read() == b"lost"


def test_only_this_machine_is_served(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("home")
    with make_server(tmp_path) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_nothing_built_and_a_taken_port_are_one_line_each(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="run: invoke site"):
        make_server(tmp_path)
    (tmp_path / "index.html").write_text("home")
    with make_server(tmp_path) as server, pytest.raises(SiteError, match="invoke serve --port"):
        make_server(tmp_path, server.server_address[1])
    with pytest.raises(SiteError, match="port 99999"):
        make_server(tmp_path, 99999)
