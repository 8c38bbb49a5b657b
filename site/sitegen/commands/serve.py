"""Serve a built site on 127.0.0.1 only."""

from __future__ import annotations

import gzip
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any
from urllib.parse import urljoin, urlsplit

from sitegen.text.errors import SiteError

HOST = "127.0.0.1"
_LOCATION = re.compile(r"<loc>([^<]+)</loc>")
_COMPRESSED = {".css", ".csv", ".html", ".js", ".json", ".mjs", ".svg", ".txt", ".xml"}  # as hosts of static sites do
_POLL_SECONDS = 0.02  # between looks of a server in a thread at whether it is to end


def serve_site(site: Path, port: int = 8000) -> None:
    """Print the address and serve until Ctrl-C.

    Args:
        site: a built site.
        port: on 127.0.0.1; 0 takes a free one.

    Raises:
        SiteError: nothing is built there, or the port cannot be used.
    """
    with make_server(site, port) as server:
        print(f"{address_of(server)} shows {site}; Ctrl-C ends it", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[str]:
    """Run a server in a thread; yields its address, with a slash at the end."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        thread.start()
        try:
            yield address_of(server)
        finally:
            server.shutdown()
            thread.join()


def serve_folder(folder: Path) -> AbstractContextManager[str]:
    """Serve the files of a folder as they are, on a free port; the context's value is the address."""
    return running(ThreadingHTTPServer((HOST, 0), partial(_QuietHandler, directory=str(folder))))


def address_of(server: TCPServer) -> str:
    """The address of a server on 127.0.0.1, with a slash at the end."""
    return f"http://{HOST}:{server.server_address[1]}/"


def make_server(site: Path, port: int = 0) -> ThreadingHTTPServer:
    """Make a server that is bound but not yet running.

    Raises:
        SiteError: nothing is built there, or the port cannot be used.
    """
    if not (site / "index.html").is_file():
        raise SiteError(f"there is no built site in {site}", "a folder that invoke site made", "invoke site")
    handler = partial(_Handler, directory=str(site), built_for=_built_for(site))
    try:
        return _Server((HOST, port), handler)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise SiteError(
            f"port {port}: {reason}", "a free port from 1024 to 65535", "invoke serve --port 8001"
        ) from None


def _built_for(site: Path) -> str:
    """The address that a site was built for, from its sitemap; empty if that has none, or relative ones."""
    sitemap = site / "sitemap.xml"
    found = _LOCATION.findall(sitemap.read_text(encoding="utf-8")) if sitemap.is_file() else []
    home = min(found, key=len, default="")
    return home if urlsplit(home).netloc else ""


class _Server(ThreadingHTTPServer):
    # A browser opens many connections at once. One that finds no place in the queue is tried again only after a second.
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error in a request, unless the browser closed the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _QuietHandler(SimpleHTTPRequestHandler):
    """Serves static files without a line of log for each."""

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


class _Handler(_QuietHandler):
    """Serves a site's files as if this server were at the site's published address."""

    server: ThreadingHTTPServer

    def __init__(self, *args: Any, built_for: str, **keywords: Any) -> None:
        self._built_for = built_for
        self._base_path = urlsplit(built_for).path
        super().__init__(*args, **keywords)

    def translate_path(self, path: str) -> str:
        # The 404 page has absolute paths of the published site.
        if len(self._base_path) > 1 and path.startswith(self._base_path):
            path = "/" + path.removeprefix(self._base_path)
        found = super().translate_path(path)
        try:
            Path(found).stat()
        except (FileNotFoundError, NotADirectoryError):
            pass  # answered with the 404 page
        except (OSError, ValueError):  # too long for a name, or with a NUL
            return str(Path(self.directory) / "no-such-page")
        return found

    def do_GET(self) -> None:
        if self.path.partition("?")[0].endswith("/sitemap.xml"):
            self._send_sitemap()
        elif not self._send_compressed():
            super().do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        page = Path(self.directory) / "404.html"
        if code != HTTPStatus.NOT_FOUND or not page.is_file():
            super().send_error(code, message, explain)
            return
        self._send(HTTPStatus.NOT_FOUND, "text/html; charset=utf-8", page.read_bytes())

    def _send_compressed(self) -> bool:
        """Send a text compressed, as from the published site, so that sizes and times measured here are realistic."""
        path = Path(self.translate_path(self.path))
        if path.is_dir() and urlsplit(self.path).path.endswith("/"):
            path = path / "index.html"
        accepted = "gzip" in self.headers.get("Accept-Encoding", "")
        if not accepted or path.suffix not in _COMPRESSED or not path.is_file():
            return False
        body = gzip.compress(path.read_bytes(), mtime=0)
        self._send(HTTPStatus.OK, self.guess_type(str(path)), body, {"Content-Encoding": "gzip"})
        return True

    def _send_sitemap(self) -> None:
        """Send the sitemap with this server's address, because instant navigation only follows links that are in it."""
        here = address_of(self.server)

        def located(found: re.Match[str]) -> str:
            return f"<loc>{urljoin(here, found[1].removeprefix(self._built_for))}</loc>"

        text = (Path(self.directory) / "sitemap.xml").read_text(encoding="utf-8")
        body = _LOCATION.sub(located, text).encode()
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            self._send(HTTPStatus.OK, "application/xml", gzip.compress(body, mtime=0), {"Content-Encoding": "gzip"})
        else:
            self._send(HTTPStatus.OK, "application/xml", body)

    def _send(self, status: HTTPStatus, content_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
