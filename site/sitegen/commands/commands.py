"""The publishing tasks: site, embed, serve, playground, audit, deploy."""

from __future__ import annotations

import os
import time
from pathlib import Path

from invoke import Context, Exit, task

from tinygpt.errors import ConfigError
from tinygpt.terminal.options import checkout, checkout_or_here, reports_errors, whole_number


@task(help={"output": "folder to build into", "force": "build even if nothing changed"})
@reports_errors
def site(c: Context, output: str = "_site", force: bool = False) -> None:
    """Build the site from docs/ and results/, unless it is there and nothing changed."""
    from sitegen.build.freshness import fingerprint, remember, up_to_date

    start = time.perf_counter()
    root, results = checkout(), checkout_or_here() / "results"
    folder = (root / output).resolve()
    inputs = fingerprint(root, results)
    if not force and up_to_date(root, folder, inputs):
        pages, seconds = sum(1 for _ in folder.rglob("*.html")), time.perf_counter() - start
        print(f"nothing changed ({seconds:.1f} s to see that): {pages} pages, {folder / 'index.html'}")
        return
    from sitegen.build.site import build_site

    built = build_site(root, results, folder)
    remember(root, built.output, inputs)
    print(f"built {built.n_pages} pages in {time.perf_counter() - start:.1f} s: {built.output / 'index.html'}")


@task(
    positional=["name"],
    help={"name": "of a figure; `list` lists all of them", "pin": "keep today's state under an address of its own"},
)
@reports_errors
def embed(c: Context, name: str, pin: bool = False) -> None:
    """Print what to paste to show a figure elsewhere."""
    from sitegen.embedding.embed_command import figure_list, figure_snippets

    root = checkout()
    print(figure_list() if name == "list" else figure_snippets(root, root / "results", name, pin))


@task(help={"port": "on 127.0.0.1"})
@reports_errors
def serve(c: Context, port: str = "8000") -> None:
    """Show the built site on 127.0.0.1."""
    from sitegen.commands.serve import serve_site

    number = whole_number("port", port)
    serve_site(checkout() / "_site", number)


@task(
    help={
        "check": "compare with the committed files instead of writing them",
        "measure": "compile nothing; time the committed kernels in a browser beside their goals, about a minute",
    }
)
@reports_errors
def playground(c: Context, check: bool = False, measure: bool = False) -> None:
    """Compile the playground's kernels, check them or measure them; exit code 1 if they differ or miss a goal."""
    if measure:
        _measure_playground()
        return
    from sitegen.playground.kernels import compile_kernels
    from sitegen.playground.publish import SOURCES

    changed = 0
    for name, compiled in compile_kernels(checkout()).items():
        committed = checkout() / SOURCES / name
        same = committed.is_file() and committed.read_bytes() == compiled
        changed += not same
        if not check:
            committed.write_bytes(compiled)
        print(f"{SOURCES / name}: {len(compiled):,} bytes, {'as it was' if same else 'changed'}")
    if check and changed:
        raise Exit(code=1)


def _measure_playground() -> None:
    from sitegen.commands.playground_measure import measure_playground

    missed = 0
    for finding in measure_playground(checkout()):
        print(finding.text, flush=True)
        missed += not finding.met
    if missed:
        raise Exit(f"goals missed: {missed}", 1)


@task(help={"pages": "comma-separated addresses such as speedup/, or home; all when omitted"})
@reports_errors
def audit(c: Context, pages: str = "") -> None:
    """Run Lighthouse and the W3C's HTML checker over the built site; exit code 1 if a page misses a goal."""
    from sitegen.commands.audit import audit_site

    missed = 0
    for finding in audit_site(checkout(), checkout() / "_site", pages):
        print(finding.text, flush=True)
        missed += finding.missed
    if missed:
        raise Exit(f"goals missed: {missed}", 1)


@task(
    help={
        "remote": "a remote of this checkout, or an address",
        "branch": "to deploy to; made if it does not exist",
        "url": "where the site will be served; known for GitHub remotes, else SITE_URL",
        "dry-run": "build, check and make the commit, and push nothing",
    }
)
@reports_errors
def deploy(c: Context, remote: str = "origin", branch: str = "gh-pages", url: str = "", dry_run: bool = False) -> None:
    """Build the site, check it, and push it to a branch."""
    from sitegen.build.site import build_site
    from sitegen.commands.deploy import check_source, deploy_site, pages_address

    root = checkout()
    source = check_source(root, remote, branch)
    address = url or os.environ.get("SITE_URL", "") or pages_address(source.url)
    if not address.startswith(("https://", "http://")):
        raise ConfigError(
            f"where {remote} serves the site is {address or 'not known'!r}",
            "an address that begins with https://",
            "invoke deploy --url https://HOST/PATH/",
        )
    os.environ["SITE_URL"] = address.rstrip("/") + "/"  # mkdocs.yml reads it
    built = build_site(root, root / "results", Path("_site"))
    done = deploy_site(source, built.output, dry_run)
    what = f"{done.n_files} files for {address}, from {source.commit}"
    if not done.commit:
        print(f"{branch} of {remote} already holds these {what}")
    else:
        print(f"{'pushed' if done.pushed else 'would push'} {done.commit[:12]} to {branch} of {remote}: {what}")
