"""The publishing tasks: site, serve."""

from __future__ import annotations

import time
from pathlib import Path

from invoke import Context, task

from tinygpt.options import checkout, checkout_or_here, reports_errors, whole_number


@task(help={"output": "folder to build into"})
@reports_errors
def site(c: Context, output: str = "_site") -> None:
    """Build the site from docs/ and results/."""
    from sitegen.build import build_site

    start = time.perf_counter()
    built = build_site(checkout(), checkout_or_here() / "results", Path(output))
    print(f"built {built.n_pages} pages in {time.perf_counter() - start:.1f} s: {built.output / 'index.html'}")


@task(help={"port": "on 127.0.0.1"})
@reports_errors
def serve(c: Context, port: str = "8000") -> None:
    """Show the built site on 127.0.0.1."""
    from sitegen.serve import serve_site

    number = whole_number("port", port)
    serve_site(checkout() / "_site", number)
