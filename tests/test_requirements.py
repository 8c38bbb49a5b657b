"""The locks that CI installs from: every file by its hash, and in agreement with what the project asks for."""

import json
import re
import tomllib
from itertools import pairwise

import pytest
from packaging.requirements import Requirement

from tests import ROOT

LINES = (ROOT / ".ci/requirements.txt").read_text(encoding="utf-8").splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RENEW = re.search(r"uv pip compile .*", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))[0]
PIN = re.compile(r"[a-z0-9.-]+==[^ ]+( ; .+)? \\")


def environment(python):
    return {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux",
            "platform_machine": "x86_64", "platform_python_implementation": "CPython"}  # fmt: skip


def asked(extra=""):
    """Requirements of an extra and of the extras that it includes; the core's and the build's for none."""
    project = PROJECT["project"]
    items = project["optional-dependencies"][extra] if extra else project["dependencies"]
    for requirement in map(Requirement, items if extra else items + PROJECT["build-system"]["requires"]):
        if requirement.name == project["name"]:
            for named in requirement.extras:
                yield from asked(named)
        else:
            yield requirement


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_the_lock_pins_one_version_in_each_range_of_the_project(python):
    pins = [Requirement(line.removesuffix(" \\")) for line in LINES if PIN.fullmatch(line)]
    chosen = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(environment(python))]
    versions = {pin.name: str(pin.specifier).removeprefix("==") for pin in chosen}
    assert len(versions) == len(chosen) > 50
    for requirement in [*asked(), *asked("dev")]:
        assert requirement.name in versions, f"not locked: {requirement}; run {RENEW}"
        version = versions[requirement.name]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}; run {RENEW}"


def test_the_lock_holds_hashes_and_neither_paths_nor_hosts():
    header, lines = LINES[:2], LINES[2:]
    assert header[1].removeprefix("#").strip() == RENEW
    allowed = re.compile(
        rf"{PIN.pattern}|    --hash=sha256:[0-9a-f]{{64}}( \\)?|    # via.*|    #   [a-z0-9.-]+( \(pyproject\.toml\))?"
    )
    assert [line for line in lines if not allowed.fullmatch(line)] == []
    assert "://" not in "".join(LINES)
    for line, following in pairwise(lines):
        assert not PIN.fullmatch(line) or following.startswith("    --hash="), line


def test_pytorch_is_left_out():
    # The files of one version differ between indexes; parity comes last in .ci/run and takes what it finds.
    assert not [line for line in LINES if line.startswith(("torch==", "jax==", "transformers=="))]


@pytest.mark.parametrize("folder", ["audit", "playground"])
def test_a_lock_of_npms_names_every_package_by_its_hash_and_no_host(folder):
    asked, lock = (
        json.loads((ROOT / "site" / folder / name).read_text()) for name in ("package.json", "package-lock.json")
    )
    packages = lock["packages"]
    assert packages.pop("")["devDependencies"] == asked["devDependencies"]
    assert packages
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-") and "resolved" not in package, name
