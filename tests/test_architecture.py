"""The shape of the tree: who may import whom, what must never move, and that nothing private is in it."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"tinygpt": ROOT / "tinygpt", "bench": ROOT / "bench", "sitegen": ROOT / "site" / "sitegen"}
MAY_IMPORT = {"tinygpt": set(), "bench": {"tinygpt"}, "sitegen": {"tinygpt", "bench"}}
MADE_LATER = {"local/"}  # by the first measurement


def imported_roots(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package):
    ours = {*PACKAGES, "tasks"}
    files = list(PACKAGES[package].rglob("*.py"))
    assert files
    for path in files:
        wrong = set(imported_roots(path)) & ours - {package} - MAY_IMPORT[package]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_the_core_package_needs_the_core_dependencies_only():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = {re.split(r"[<>=\[]", item)[0] for item in project["dependencies"]}
    # datasets: the optional corpus `hf:`; pydivsufsort: copied text, in evaluations
    allowed = core | sys.stdlib_module_names | {"tinygpt", "datasets", "pydivsufsort"}
    engine_jax = PACKAGES["tinygpt"] / "engines" / "jax"  # imported when that engine is made
    for path in PACKAGES["tinygpt"].rglob("*.py"):
        own = {"jax"} if path.parent == engine_jax else set()
        assert set(imported_roots(path)) <= allowed | own, path.relative_to(ROOT)


def test_importing_tinygpt_does_not_need_the_extras():
    code = (
        "import sys\n"
        "extras = ('pandas', 'pyarrow', 'scipy', 'altair', 'mkdocs', 'torch', 'datasets', 'jax')\n"
        "sys.modules |= dict.fromkeys(extras)\n"
        "import tinygpt\n"
        "assert tinygpt.create_engine and tinygpt.generate and tinygpt.load_checkpoint and tinygpt.PRESETS"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_site_dir_is_never_the_folder_of_our_sources():
    # MkDocs empties its output folder, and its default name for it is ours for sources.
    config = (ROOT / "mkdocs.yml").read_text()
    assert re.search(r"^site_dir: _site$", config, re.MULTILINE)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/_site/" in ignored
    assert not {"site", "/site", "site/", "/site/"} & set(ignored)


def test_no_pickle():
    for package in PACKAGES.values():
        for path in package.rglob("*.py"):
            assert not {"pickle", "dill", "joblib", "marshal", "shelve"} & set(imported_roots(path)), path


def readme_tree():
    """The README's tree: entry at the top → names of files and folders in the lines that belong to it."""
    tree = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert tree, "the README has an annotated tree in a text block"
    named, top = {}, ""
    for line in tree.group(1).splitlines():
        top = line.split()[0] if line[0] not in "│├└ " else top
        named.setdefault(top, set()).update(re.findall(r"\b\w+\.py\b|\b\w+/", line))
    return named


def test_readme_shows_a_tree_that_names_every_module():
    named = readme_tree()
    for top in ("tinygpt/", "bench/", "site/", "docs/", "results/", "tests/", "tasks.py", "mkdocs.yml", ".ci/run"):
        assert top in named
        assert (ROOT / top).exists(), f"the README's tree names {top}, which does not exist"
    for package in PACKAGES.values():
        own = {path.name for path in package.glob("*.py")} - {"__init__.py"}
        own |= {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
        left_out = own - named[f"{package.relative_to(ROOT).parts[0]}/"]
        assert not left_out, f"the README's tree leaves out {', '.join(sorted(left_out))} of {package.name}"


def test_readme_shows_a_tree_of_files_that_exist():
    for top, names in readme_tree().items():
        folder = ROOT / top
        if folder.is_dir():
            there = {path.name + "/" * path.is_dir() for path in (folder, *folder.rglob("*"))}
            missing = names - there - MADE_LATER
            assert not missing, f"the README's tree names {missing} under {top}"


def test_readme_commands_are_the_ones_that_ci_runs():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    assert 'python -m pip install -e ".[dev]" && python -m invoke test' in readme
    assert 'install --quiet --no-compile -e ".[dev]"' in ci
    assert "python -m invoke test" in ci
