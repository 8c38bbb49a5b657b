"""The real client of the hub against a server on this machine: the commands that a reader types, with and without it.

It is here because each command is a process that imports the client, which takes seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests import ROOT
from tests.tinygpt.gpt2_folder import write_gpt2
from tests.tinygpt.training.small_runs import SENTENCES

NAME, COMMIT = "someone/small-gpt2", "0123456789" * 4


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's interface as its client asks for."""

    folder: Path
    fetched: list[str]

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        files = {file.name: file.read_bytes() for file in self.folder.iterdir()}
        headers = {"X-Repo-Commit": COMMIT}
        if path.startswith(f"/api/models/{NAME}/tree/"):
            content = json.dumps(
                [{"type": "file", "path": name, "size": len(data), "oid": digest(data)} for name, data in files.items()]
            ).encode()
        elif path.startswith(f"/api/models/{NAME}"):
            siblings = [{"rfilename": name} for name in files]
            content = json.dumps({"id": NAME, "sha": COMMIT, "siblings": siblings}).encode()
        elif path.startswith(f"/{NAME}/resolve/") and path.rpartition("/")[2] in files:
            name = path.rpartition("/")[2]
            content = files[name]
            headers |= {"ETag": f'"{digest(content)}"'}
            if body:
                self.fetched.append(name)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            return
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


def digest(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    folder = write_gpt2(tmp_path / "theirs")
    (folder / "pytorch_model.bin").write_bytes(b"not to be fetched")
    handler = type("Served", (Hub,), {"folder": folder, "fetched": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        Thread(target=served.serve_forever, daemon=True).start()
        yield served


def invoke(folder: Path, address: str, *words: str) -> subprocess.CompletedProcess[str]:
    own = {"HF_ENDPOINT": address, "HF_HOME": str(folder / "hf"), "HF_HUB_ETAG_TIMEOUT": "2"}
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *words]
    return subprocess.run(command, cwd=folder, env=os.environ | own, capture_output=True, text=True, timeout=300)


def test_a_model_is_fetched_once_and_then_needs_no_hub(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    address = f"http://127.0.0.1:{server.server_port}"
    (tmp_path / "mine.txt").write_text(SENTENCES * 60)
    words = ("sample", "--checkpoint", NAME, "--tokens", "4", "--prompt", "The fox")
    first = invoke(tmp_path, address, *words)
    assert first.returncode == 0 and first.stdout.startswith("The fox"), first.stderr
    fetched: list[str] = server.RequestHandlerClass.fetched  # type: ignore[attr-defined]
    assert sorted(fetched) == ["config.json", "model.safetensors", "tokenizer.json"]
    server.shutdown()
    server.server_close()
    assert invoke(tmp_path, address, *words).stdout == first.stdout
    train = ("train", "--start-from", NAME, "--corpus", "file:mine.txt", "--steps", "2", "--engine", "numpy")
    trained = invoke(tmp_path, address, *train, "--out", "run")
    assert trained.returncode == 0, trained.stderr
    assert "evaluation at step 0: training loss –, held-out loss" in trained.stdout
    assert "a token), before the first step" in trained.stdout.splitlines()[-1]
    for model in (NAME, "run"):
        done = invoke(tmp_path, address, "evaluate", "--checkpoint", model, "--text", "mine.txt")
        assert done.returncode == 0 and "perplexity" in done.stdout, done.stderr
    missing = invoke(tmp_path, address, "sample", "--checkpoint", "someone/else")
    assert missing.returncode == 2 and "someone/else is not in the hub's cache" in missing.stderr
    assert missing.stderr.count("\n") == 1


def test_a_name_that_the_hub_does_not_have_is_one_line(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    address = f"http://127.0.0.1:{server.server_port}"
    done = invoke(tmp_path, address, "sample", "--checkpoint", "someone/else")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "the hub has no public model someone/else" in done.stderr
    server.shutdown()
