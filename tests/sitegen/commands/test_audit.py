"""The audits around stand-ins for npm, Java, Node and Chromium; the real ones run in the workflow Audit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sitegen.commands import audit
from sitegen.commands.audit import EVERY_PAGE, PERFORMANCE, AuditLine, audit_site, goals_of
from sitegen.commands.chromium import find_chromium
from sitegen.text.errors import SiteError
from tests import ROOT
from tinygpt.errors import MissingDependencyError

NPM = """#!/bin/sh
[ "$1 $2" = "ci --ignore-scripts" ] && [ -f package.json ] && [ -f package-lock.json ] || exit 1
echo run >> installs
"""


def message(kind: str, text: str, site: Path) -> dict[str, object]:
    return {"type": kind, "message": text, "lastLine": 7, "url": f"file:{site}/page/index.html"}


def report(points: float) -> str:
    references = [{"id": "contrast", "weight": 3}, {"id": "hint", "weight": 0}]
    categories = {name: {"score": 1, "auditRefs": references} for name in (*EVERY_PAGE, "performance")}
    categories["accessibility"]["score"] = points
    items = [{"node": {"snippet": "<p class='pale'>"}}]
    audits = {"contrast": {"title": "Contrast is low", "score": 0, "details": {"items": items}}}
    return json.dumps({"categories": categories, "audits": audits | {"hint": {"title": "A hint", "score": 0}}})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built site of two pages, and programs that say what the real ones would."""
    folder = tmp_path / "_site"
    (folder / "page").mkdir(parents=True)
    (folder / "index.html").write_text("home")
    (folder / "page/index.html").write_text("page")
    messages = [
        message("error", "Attribute “autocomplete” is only allowed when the input type is “text”.", folder),
        message("info", "Consider something.", folder),
        message("error", "Element “details” not allowed as child of element “figure”.", folder),
    ]
    (tmp_path / "messages.json").write_text(json.dumps({"messages": messages}))
    (tmp_path / "report.json").write_text(report(1))
    shutil.copytree(ROOT / audit.SOURCES, tmp_path / audit.SOURCES)
    programs = {
        "npm": NPM,
        "java": f"#!/bin/sh\ncat {tmp_path}/messages.json >&2\n",
        "node": f'#!/bin/sh\necho "$2" >> {tmp_path}/visited\ncat {tmp_path}/report.json\n',
        "chromium": "#!/bin/sh\n",
    }
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.delenv("TINYGPT_CHROMIUM", raising=False)
    return folder


def missed(findings: list[AuditLine]) -> list[str]:
    return [finding.text for finding in findings if finding.missed]


def test_only_errors_of_ours_count_and_tools_are_installed_once(site: Path) -> None:
    root = site.parent
    assert audit.check_html(root, site) == [
        "page/index.html, line 7: Element “details” not allowed as child of element “figure”."
    ]
    audit.check_html(root, site)
    assert (root / audit.FOLDER / "installs").read_text().split() == ["run"]
    lock = root / audit.SOURCES / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    audit.check_html(root, site)
    assert (root / audit.FOLDER / "installs").read_text().split() == ["run", "run"]


def test_a_page_below_its_goal_is_missed_and_says_why(site: Path) -> None:
    (site.parent / "messages.json").write_text('{"messages": []}')
    assert missed([*audit_site(site.parent, site)]) == []
    (site.parent / "report.json").write_text(report(0.94))
    findings = [*audit_site(site.parent, site, ["page/"])]
    assert missed(findings) == ["missed  page/: accessibility 94, best-practices 100, seo 100"]
    assert findings[-1].text.strip() == "Contrast is low <p class='pale'>"


def test_performance_is_asked_of_two_pages_and_measured_three_times(site: Path) -> None:
    findings = [*audit_site(site.parent, site, ["home"])]
    assert "performance 100" in findings[-1].text
    assert len((site.parent / "visited").read_text().split()) == 3
    assert {page for page in PERFORMANCE if "performance" in goals_of(page)} == set(PERFORMANCE)
    assert "performance" not in goals_of("method/")
    assert "seo" not in goals_of("embed/speedup/")
    assert "seo" in goals_of("method/")


def test_what_cannot_be_audited_is_said_in_one_line(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SiteError, match="there is no page nowhere/ in _site"):
        next(audit_site(tmp_path, site, ["nowhere/"]))
    with pytest.raises(SiteError, match="invoke site"):
        next(audit_site(tmp_path, tmp_path / "nothing"))
    (tmp_path / "bin/java").write_text("#!/bin/sh\necho broken >&2\n")
    with pytest.raises(SiteError, match="the HTML checker stopped: broken"):
        next(audit_site(tmp_path, site))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(MissingDependencyError, match="java, which is not installed"):
        next(audit_site(tmp_path, site))


def test_the_browser_is_the_one_that_is_named_or_the_first_on_the_path(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_chromium("a test") == str(site.parent / "bin/chromium")
    monkeypatch.setenv("TINYGPT_CHROMIUM", "/elsewhere/browser")
    assert find_chromium("a test") == "/elsewhere/browser"
    monkeypatch.delenv("TINYGPT_CHROMIUM")
    monkeypatch.setenv("PATH", str(site.parent / "empty"))
    with pytest.raises(MissingDependencyError, match=r"a test needs a browser; allowed: chromium, .*TINYGPT_CHROMIUM"):
        find_chromium("a test")
