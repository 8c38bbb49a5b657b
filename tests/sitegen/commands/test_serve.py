from __future__ import annotations

import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sitegen.commands.serve import make_server, running
from sitegen.text.errors import SiteError


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "page").mkdir()
    (tmp_path / "index.html").write_text("home")
    (tmp_path / "page/index.html").write_text("page")
    (tmp_path / "404.html").write_text("lost")
    (tmp_path / "large.bin").write_bytes(bytes(5_000_000))
    published = "https://example.org/tinygpt/"
    (tmp_path / "sitemap.xml").write_text(f"<urlset><loc>{published}page/</loc><loc>{published}</loc></urlset>")
    with running(make_server(tmp_path)) as url:
        yield url


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def test_pages_are_found_at_the_root_and_under_the_published_path(address: str) -> None:
    assert get(address) == "home"
    assert get(address + "page/") == "page"
    assert get(address + "tinygpt/page/") == "page"


def test_the_sitemap_names_this_server_so_that_instant_navigation_works(address: str) -> None:
    assert f"<loc>{address}page/</loc>" in get(address + "sitemap.xml?x=1")


def test_a_sitemap_of_relative_addresses_is_completed(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("home")
    (tmp_path / "sitemap.xml").write_text("<urlset><loc>./</loc><loc>page/</loc></urlset>")
    with running(make_server(tmp_path)) as url:
        assert get(url + "sitemap.xml") == f"<urlset><loc>{url}</loc><loc>{url}page/</loc></urlset>"


def test_a_missing_page_gets_the_sites_own_404(address: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(address + "none/")
    assert caught.value.code == 404
    assert caught.value.read() == b"lost"


@pytest.mark.parametrize("path", ["%00", "a%00b/", "x" * 5000, "x" * 300 + "/", "%ff%fe", "../../etc/passwd", "//x"])
def test_an_odd_address_gets_an_answer(address: str, path: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(address + path)
    assert caught.value.code == 404
    assert "Traceback" not in capfd.readouterr().err


def test_a_browser_that_hangs_up_is_no_error(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    host, port = urlsplit(address).hostname, urlsplit(address).port
    for request in (b"", b"GET", b"GET / HTTP/1.1\r\n", b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n") * 20:
        with socket.create_connection((host, port), timeout=5) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            connection.sendall(request)
    assert get(address) == "home"
    assert "Traceback" not in capfd.readouterr().err


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
