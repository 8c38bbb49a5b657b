"""The shape of the tree: who may import whom, what must never move, and that nothing private is in it."""

import ast
import functools
import graphlib
import re
import subprocess
import sys
import tomllib

import pytest

from tests import ROOT

PACKAGES = {"tinygpt": ROOT / "tinygpt", "bench": ROOT / "bench", "sitegen": ROOT / "site" / "sitegen"}
MAY_IMPORT = {"tinygpt": set(), "bench": {"tinygpt"}, "sitegen": {"tinygpt", "bench"}}


@functools.cache
def imports_of(path):
    """Every import of a file, at its top and inside functions; the files are parsed once."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def imported_roots(path):
    for node in imports_of(path):
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
    # datasets: the optional corpus `hf:`; pydivsufsort: copied text; the last two: other tokens than bytes
    extras = {"datasets", "pydivsufsort", "tokenizers", "huggingface_hub"}
    allowed = core | sys.stdlib_module_names | {"tinygpt"} | extras
    # imported when that engine is made
    numba = {"numba", "llvmlite"}
    engines = {"engines/jax/": {"jax"}, "generation/jax_": {"jax"}, "engines/loops/": numba, "engines/compiled/": numba}
    # imported when that format or tracker is asked for
    engines |= {"export/onnx_": {"onnx", "onnxruntime"}, "export/gguf_": {"gguf"}}
    engines |= {f"training/{name}_": {name} for name in ("tensorboard", "trackio")}
    for path in PACKAGES["tinygpt"].rglob("*.py"):
        name = path.relative_to(PACKAGES["tinygpt"]).as_posix()
        own = set().union(*(modules for folder, modules in engines.items() if name.startswith(folder)))
        assert set(imported_roots(path)) <= allowed | own, path.relative_to(ROOT)


def test_importing_tinygpt_does_not_need_the_extras():
    code = (
        "import sys\n"
        "extras = ('pandas', 'pyarrow', 'scipy', 'altair', 'mkdocs', 'torch', 'datasets', 'jax', 'numba')\n"
        "extras += ('tokenizers', 'huggingface_hub', 'onnx', 'onnxruntime', 'gguf', 'tensorboard', 'trackio')\n"
        "sys.modules |= dict.fromkeys(extras)\n"
        "import tinygpt\n"
        "assert tinygpt.create_engine and tinygpt.generation.decoding and tinygpt.load_checkpoint and tinygpt.PRESETS"
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


def test_docstrings_begin_with_a_verb_or_a_noun_phrase():
    question = re.compile(r'"""(What|Whether|How|Where|Which|Who|When|Why)\b')
    for folder in (*PACKAGES.values(), ROOT / "tests"):
        for path in folder.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert not question.search(text), f"{path.relative_to(ROOT)}: {question.search(text)[0]}"


def test_every_public_method_of_an_engine_has_a_docstring_of_its_own_or_an_inherited_one():
    """Ruff looks at the method alone, and overrides say nothing twice."""
    files = [*(ROOT / "tinygpt/engines").rglob("*.py"), *(ROOT / "bench/peers").glob("*.py")]
    classes = {}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                functions = [item for item in node.body if isinstance(item, ast.FunctionDef)]
                # Backwards, so that a property counts and not its setter.
                methods = {function.name: ast.get_docstring(function) for function in reversed(functions)}
                bases = [ast.unparse(base).partition("[")[0] for base in node.bases]
                classes[path, node.name] = (bases, methods)
    by_name = {name: entry for (_, name), entry in classes.items()}

    def is_documented(bases, methods, method):
        parents = [by_name[base] for base in bases if base in by_name]
        return bool(methods.get(method)) or any(is_documented(*parent, method) for parent in parents)

    for (path, name), (bases, methods) in classes.items():
        for method in methods:
            assert method.startswith("_") or is_documented(bases, methods, method), f"{path.name}: {name}.{method}"


# Rooms of each package, lowest first: a module imports its own room and those before it. The modules in a package's
# root are the first room of tinygpt; bench and sitegen have none there.
ROOMS = {
    "tinygpt": (
        "", "system", "tokenizers", "corpora", "engines", "generation", "checkpoints", "export", "gallery",
        "evaluation", "training", "runs", "learn", "terminal",
    ),
    "bench": (
        "records", "arms", "statistics", "peers", "planning", "measuring", "training", "contributing", "terminal",
    ),
    "sitegen": (
        "text", "rows", "experiments", "figures", "numbers",
        "tables", "documents", "embedding", "playground", "api", "build", "commands",
    ),
}  # fmt: skip
MOST_MODULES = 25  # in a folder, its __init__ not counted
NAMED_FILES = 3  # of a folder, in the README's tree


def module_name(package, path):
    relative = path.relative_to(PACKAGES[package].parent).with_suffix("")
    return ".".join(relative.parts[:-1] if relative.name == "__init__" else relative.parts)


def imported_modules(path, modules):
    """Modules of ours that a file imports."""
    for node in imports_of(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in modules else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.fixture(scope="module")
def imports():
    """Module of ours → modules of ours that it imports."""
    modules = {module_name(package, path): path for package, root in PACKAGES.items() for path in root.rglob("*.py")}
    return {name: {*imported_modules(path, modules)} & modules.keys() - {name} for name, path in modules.items()}


def room_of(module):
    package, *rest = module.split(".")
    return rest[0] if rest and (PACKAGES[package] / rest[0]).is_dir() else ""


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_of_a_package_is_a_room(package):
    folders = {path.parent.name for path in PACKAGES[package].glob("*/__init__.py")}
    assert folders == {*ROOMS[package]} - {""}
    if "" not in ROOMS[package]:
        assert [path.name for path in PACKAGES[package].glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_imports_nothing_of_later_ones(package, imports):
    order = ROOMS[package].index
    for module, imported in imports.items():
        if module.split(".")[0] != package or module == package:  # the package itself re-exports
            continue
        later = [
            name
            for name in imported
            if name.startswith(f"{package}.") and order(room_of(name)) > order(room_of(module))
        ]
        assert not later, f"{module} imports {', '.join(later)}"


def test_imports_close_no_circle(imports):
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("package", PACKAGES)
def test_no_folder_is_crowded(package):
    root = PACKAGES[package]
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= MOST_MODULES, f"{folder.relative_to(ROOT)} holds {len(modules)} modules"


def readme_tree():
    """The README's tree: path of every folder that it shows → names of files and folders in the folder's own line."""
    tree = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert tree, "the README has an annotated tree in a text block"
    named, parents = {}, []
    for line in tree.group(1).splitlines():
        indent, name, words = re.fullmatch(r"([│├└─ ]*)(\S+)\s*(.*)", line).groups()
        depth = len(indent) // 4
        parents = [*parents[:depth], name]
        named["".join(parents)] = set(re.findall(r"\b\w+\.py\b", words))
    return named


def test_readme_shows_every_room_in_a_line_of_its_own():
    named = readme_tree()
    for top in ("tinygpt/", "bench/", "site/", "docs/", "results/", "tests/", "tasks.py", "mkdocs.yml", ".ci/run"):
        assert top in named
    for package, root in PACKAGES.items():
        rooms = {f"{root.relative_to(ROOT)}/{room}/" for room in ROOMS[package] if room}
        assert rooms <= named.keys(), f"the README's tree leaves out {rooms - named.keys()}"


def test_readme_names_what_exists_and_not_everything():
    for path, files in readme_tree().items():
        assert (ROOT / path).exists(), f"the README's tree names {path}"
        assert len(files) <= NAMED_FILES, f"{path} names {len(files)} files"
        missing = [name for name in files if not (ROOT / path / name).is_file()]
        assert not missing, f"the README's tree names {missing} in {path}"


def test_readme_commands_are_the_ones_that_ci_runs():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci/run").read_text()
    assert 'python -m pip install -e ".[dev]" && python -m invoke test' in readme
    # The same extra is installed, after its locked dependencies and with no way to fetch others.
    assert (
        'python -m pip install "${quiet[@]}" --no-index --no-build-isolation -e ".[dev]"'
        in (ROOT / ".ci/install").read_text()
    )
    assert ".ci/install\npython -m invoke test\n" in ci
