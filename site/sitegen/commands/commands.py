"""The publishing tasks: site, embed, serve, playground, audit, deploy."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from invoke import Exit

from tinygpt.errors import ConfigError
from tinygpt.terminal.checkout import checkout, checkout_or_here
from tinygpt.terminal.options import REQUIRED, option
from tinygpt.terminal.tasks import task


@dataclass(frozen=True, kw_only=True)
class SiteOptions:
    """Options of site."""

    output: Path = option(Path("_site"), "folder to build into")
    force: bool = option(False, "build even if nothing changed")
    run: str = option("", "draw the rows of one run, by its run_id; figures without such rows are as always")
    variants: tuple[str, ...] = option((), "comma-separated: draw only these; figures without them are as always")


@task(needs="site")
def site(options: SiteOptions) -> None:
    """Build the site from docs/ and results/, unless it is there and nothing changed."""
    from sitegen.build.freshness import fingerprint, up_to_date, write_stamp
    from sitegen.rows.choice import Choice
    from sitegen.text.addresses import find_addresses

    root, results, start = checkout(), checkout_or_here() / "results", time.perf_counter()
    folder = (root / options.output).resolve()
    addresses, choice = find_addresses(root), Choice(options.run, options.variants)
    _warn(addresses.site_warning(), addresses.repository_warning())
    inputs = fingerprint(root, results, (*astuple(addresses), choice.run, *choice.variants))
    if not options.force and up_to_date(root, folder, inputs):
        pages, seconds = sum(1 for _ in folder.rglob("*.html")), time.perf_counter() - start
        print(f"nothing changed ({seconds:.1f} s to see that): {pages} pages, {folder / 'index.html'}")
        return
    from sitegen.build.site import build_site

    built = build_site(root, results, folder, addresses, choice)
    write_stamp(root, built.output, inputs)
    print(f"built {built.n_pages} pages in {time.perf_counter() - start:.1f} s: {built.output / 'index.html'}")


@dataclass(frozen=True, kw_only=True)
class EmbedOptions:
    """Options of embed."""

    name: str = option(REQUIRED, "of a figure, or of a badge, ENGINE/BASELINE/PRESET; `list` lists all of them")
    badge: bool = option(False, "of a badge and not of a figure")
    pin: bool = option(False, "keep the current state under a permanent address")
    run: str = option("", "draw the rows of one run, by its run_id, local ones too; published rows when omitted")
    variants: tuple[str, ...] = option((), "comma-separated; draw only these")
    address: str = option("", "at which the site is served; the one setting of the site when omitted")


@task(needs="site")
def embed(options: EmbedOptions) -> None:
    """Print the snippets that embed a figure or a badge elsewhere."""
    from sitegen.embedding.embed_command import figure_list, figure_snippets
    from sitegen.rows.choice import Choice
    from sitegen.text.addresses import find_addresses

    root, name = checkout(), options.name
    addresses = find_addresses(root, site=options.address)
    if options.badge:
        from sitegen.api.badges import badge_snippets

        print(badge_snippets(root / "results", name, addresses.site))
    elif name == "list":
        print(figure_list())
    else:
        choice = Choice(options.run, options.variants)
        print(figure_snippets(root, root / "results", name, options.pin, addresses, choice))


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Options of serve."""

    port: int = option(8000, "on 127.0.0.1")


@task()
def serve(options: ServeOptions) -> None:
    """Show the built site on 127.0.0.1."""
    from sitegen.commands.serve import serve_site

    serve_site(checkout() / "_site", options.port)


@dataclass(frozen=True, kw_only=True)
class PlaygroundOptions:
    """Options of playground."""

    check: bool = option(False, "compare with the committed files instead of writing them")
    measure: bool = option(
        False, "compile nothing; time the committed kernels in a browser against their goals, about a minute"
    )


@task(needs="site")
def playground(options: PlaygroundOptions) -> int:
    """Compile the playground's kernels, check them or measure them; exit code 1 if they differ or miss a goal."""
    if options.measure:
        from sitegen.commands.playground_measure import measure_playground

        _print_checked((found.text, not found.met) for found in measure_playground(checkout()))
        return 0
    from sitegen.playground.kernels import compile_kernels
    from sitegen.playground.publish import SOURCES

    changed = 0
    for name, compiled in compile_kernels(checkout()).items():
        committed = checkout() / SOURCES / name
        same = committed.is_file() and committed.read_bytes() == compiled
        changed += not same
        if not options.check:
            committed.write_bytes(compiled)
        print(f"{SOURCES / name}: {len(compiled):,} bytes, {'as it was' if same else 'changed'}")
    return int(options.check and changed > 0)


def _warn(*lines: str) -> None:
    for line in filter(None, lines):
        print(line, file=sys.stderr, flush=True)


def _print_checked(lines: Iterable[tuple[str, bool]]) -> None:
    """Print lines as they come, each with True if it misses a goal; exit with code 1 if one does."""
    n_missed = 0
    for text, missed in lines:
        print(text, flush=True)
        n_missed += missed
    if n_missed:
        raise Exit(f"goals missed: {n_missed}", 1)


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """Options of audit."""

    pages: tuple[str, ...] = option((), "comma-separated addresses such as speedup/, or home; all when omitted")


@task()
def audit(options: AuditOptions) -> None:
    """Run Lighthouse and the W3C's HTML checker over the built site; exit code 1 if a page misses a goal."""
    from sitegen.commands.audit import audit_site

    lines = audit_site(checkout(), checkout() / "_site", options.pages)
    _print_checked((line.text, line.missed) for line in lines)


@dataclass(frozen=True, kw_only=True)
class DeployOptions:
    """Options of deploy."""

    remote: str = option("origin", "a remote of this checkout, or an address")
    branch: str = option("gh-pages", "to deploy to; created if it does not exist")
    url: str = option("", "where the site will be served; known for GitHub remotes, else SITE_URL")
    dry_run: bool = option(False, "build, check and make the commit, and push nothing")


@task(needs="site")
def deploy(options: DeployOptions) -> None:
    """Build the site, check it, and push it to a branch."""
    from bench.records.rows import LOCAL
    from sitegen.build.site import build_site
    from sitegen.commands.deploy import check_source, deploy_site
    from sitegen.rows.choice import PUBLIC
    from sitegen.text.addresses import find_addresses
    from tinygpt.terminal.quantities import counted

    root, remote, branch = checkout(), options.remote, options.branch
    source = check_source(root, remote, branch)
    known = find_addresses(root, source.url)
    address = options.url or known.site
    if not address.startswith(("https://", "http://")):
        raise ConfigError(
            f"the address at which {remote} serves the site is {address or 'not known'!r}",
            "an address that begins with https://",
            "invoke deploy --url https://HOST/PATH/",
        )
    if n_local := sum(1 for _ in (root / "results" / LOCAL).glob("runs-*.parquet")):
        print(f"left out: {counted(n_local, 'local run')}; a deployed site has published and contributed rows only")
    known = replace(known, site=address.rstrip("/") + "/")
    built = build_site(root, root / "results", Path("_site"), known, PUBLIC)
    deployed = deploy_site(source, built.output, options.dry_run)
    files = f"{deployed.n_files} files for {address}, from {source.commit}"
    if not deployed.commit:
        print(f"{branch} of {remote} already holds these {files}")
    else:
        verb = "pushed" if deployed.pushed else "would push"
        print(f"{verb} {deployed.commit[:12]} to {branch} of {remote}: {files}")
