"""Rights on GitHub: only this repository's own main is published, and only by what is named by its hash."""

import re

import pytest
import yaml

from tests import ROOT

FOLDER = ROOT / ".github" / "workflows"
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.iterdir())}
# YAML 1.1 reads the key `on` as true.
WORKFLOWS = {name: (loaded := yaml.safe_load(text)) | {"on": loaded[True]} for name, text in TEXTS.items()}
JOBS = {f"{name}/{key}": job for name, workflow in WORKFLOWS.items() for key, job in workflow["jobs"].items()}
STEPS = [(name, step) for name, job in JOBS.items() for step in job["steps"]]

# None of these runs code of a pull request with rights: not among them are pull_request_target, workflow_run and
# what strangers may trigger (issue_comment, issues, …).
TRIGGERS = {"push", "pull_request", "schedule", "workflow_dispatch"}
RIGHTS = {"contents": "read"}
MORE_RIGHTS = {
    "ci.yml/build": {"contents": "read", "pages": "read"},
    "ci.yml/deploy": {"pages": "write", "id-token": "write"},
}
# Artifacts are not among what is used: a job gets nothing from another run.
ACTIONS = {
    "actions/checkout",
    "actions/setup-python",
    "actions/configure-pages",
    "actions/upload-pages-artifact",
    "actions/deploy-pages",
}
# What may be installed beyond the lock: the newest Zensical, for people to read.
UNLOCKED = {"audit.yml/zensical": "python -m pip install zensical"}

MAIN = "refs/heads/main"
PUBLISHED = [  # event, ref, in a fork's repository, published
    ("push", MAIN, False, True),
    ("workflow_dispatch", MAIN, False, True),
    ("push", MAIN, True, False),
    ("workflow_dispatch", MAIN, True, False),
    ("workflow_dispatch", "refs/heads/work", False, False),
    ("push", "refs/heads/work", False, False),
    ("push", "refs/tags/main", False, False),
    ("pull_request", "refs/pull/7/merge", False, False),
    ("pull_request", MAIN, False, False),
    ("pull_request_target", MAIN, False, False),
    ("workflow_run", MAIN, False, False),
    ("schedule", MAIN, False, False),
]


def holds(expression, event, ref, fork):
    """The value of a condition of GitHub's language, of which comparisons, `&&`, `||` and `!` are understood here."""
    known = {"github.event.repository.fork": fork, "github.event_name": event, "github.ref": ref}
    for name, value in known.items():
        expression = re.sub(rf"{re.escape(name)}\b", repr(value), expression)
    for theirs, ours in (("&&", " and "), ("||", " or ")):
        expression = expression.replace(theirs, ours)
    expression = re.sub(r"!(?!=)", " not ", expression)
    assert not re.search(r"\w\.\w|\w\(", expression), f"not understood: {expression}"
    return eval(expression.strip(), {"__builtins__": {}})


def before(job):
    """A job of ci.yml and all that have to succeed before it."""
    needs = JOBS[job].get("needs", [])
    return {job}.union(*(before(f"ci.yml/{need}") for need in ([needs] if isinstance(needs, str) else needs)))


@pytest.mark.parametrize(("event", "ref", "fork", "published"), PUBLISHED)
def test_only_pushes_to_this_repositorys_own_main_are_published(event, ref, fork, published):
    conditions = [JOBS[job]["if"] for job in before("ci.yml/deploy") if "if" in JOBS[job]]
    # A function such as always() would replace the rule that what is needed has succeeded.
    assert conditions and all(holds(condition, event, ref, fork) for condition in conditions) is published


def test_what_is_published_was_checked_in_the_same_run():
    assert before("ci.yml/deploy") == {"ci.yml/deploy", "ci.yml/build", "ci.yml/check"}
    assert any(step.get("run") == ".ci/run" for step in JOBS["ci.yml/check"]["steps"])
    assert WORKFLOWS["ci.yml"]["concurrency"]["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_no_rights_of_its_own_and_no_dangerous_trigger(name):
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {}
    assert set(workflow["on"]) <= TRIGGERS
    assert (workflow["on"].get("push") or {"branches": ["main"]}) == {"branches": ["main"]}
    assert "github.ref" in workflow["concurrency"]["group"]


@pytest.mark.parametrize("name", JOBS)
def test_a_job_has_the_rights_that_it_needs_and_an_end(name):
    assert JOBS[name]["permissions"] == MORE_RIGHTS.get(name, RIGHTS)
    assert JOBS[name]["timeout-minutes"] <= 40
    assert "secrets" not in str(JOBS[name])


def test_the_job_that_may_write_runs_nothing_of_ours():
    (step,) = JOBS["ci.yml/deploy"]["steps"]
    assert step["uses"].startswith("actions/deploy-pages@") and "with" not in step


def test_actions_are_named_by_commits_and_images_by_digests():
    used = re.findall(r"uses: *(.*)", "\n".join(TEXTS.values()))
    named = {
        match.groups() for match in (re.fullmatch(r"(\S+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line) for line in used)
    }
    assert len(used) == sum("uses" in step for _, step in STEPS)
    assert {action for action, _, _ in named} == ACTIONS and len(named) == len(ACTIONS)  # one version of each
    for job in JOBS.values():
        image = job.get("container", "")
        choices = job.get("strategy", {}).get("matrix", {}).get("include", [])
        images = [choice["image"] for choice in choices] if image == "${{ matrix.image }}" else [image]
        assert all(not image or re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", image) for image in images)


def test_a_checkout_is_of_the_commit_that_runs_and_leaves_no_credentials():
    checkouts = [step for _, step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    for step in checkouts:
        assert step["with"]["persist-credentials"] is False
        assert set(step["with"]) <= {"persist-credentials", "fetch-depth"}


def test_scripts_are_ours_and_install_what_is_locked():
    for name, step in STEPS:
        script = step.get("run", "")
        assert "${{" not in script, f"{name}: GitHub would write a value into the script; take it from env"
        assert not re.search(r"\b(curl|wget|npx|uvx|pipx)\b", script)
        assert "pip install" not in script or script == UNLOCKED[name]


def test_a_pull_request_with_a_pack_is_validated_and_nothing_more():
    workflow = WORKFLOWS["contributed.yml"]
    assert workflow["on"] == {"pull_request": {"paths": ["results/packs/**"]}}
    (job,) = workflow["jobs"].values()
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    assert scripts == [".ci/install", "python -m invoke results add results/packs --look-only"]
    assert not any("env" in step for step in (workflow, job, *job["steps"]))
