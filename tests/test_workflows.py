"""The workflows say what they should; that they are workflows at all, actionlint checks in CI."""

import re
from pathlib import Path

import pytest
import yaml

from tests.doubles.modal import limits

ROOT = Path(__file__).parents[1]
WORKFLOWS = {path.stem: path for path in (ROOT / ".github" / "workflows").glob("*.yml")}
USE_CASES = sorted(path.parent.name for path in ROOT.glob("*/modal_app.py"))
DAILY = [name for name in USE_CASES if name != "whisper"]  # which needs a GPU to train
APPS = sorted(path.parent.name for path in ROOT.glob("spaces/*/app.py"))
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


def load(name):
    """Give a workflow, every value as text: YAML would read the key `on` as a truth value."""
    return yaml.load(WORKFLOWS[name].read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


def all_jobs():
    return [(name, job) for name in WORKFLOWS for job in load(name)["jobs"].values()]


def all_steps():
    return [step for _, job in all_jobs() for step in job["steps"]]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_reads_and_writes_nothing_but_for_the_token_of_a_trusted_publisher(name):
    workflow = load(name)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        granted = set(job.get("permissions", {}).items())
        assert granted <= {("contents", "read"), ("id-token", "write")}


def test_every_job_has_an_end():
    for name, job in all_jobs():
        assert 0 < int(job["timeout-minutes"]) <= 30, name


def test_actions_have_a_version():
    used = [step["uses"] for step in all_steps() if "uses" in step]
    assert used and all(re.fullmatch(r"[\w-]+/[\w./-]+@v\d+", action) for action in used)


def test_a_shell_sees_what_others_wrote_only_as_variables():
    for step in all_steps():
        found = EXPRESSION.findall(step.get("run", ""))
        assert all(text.strip().startswith("matrix.") for text in found), step


def test_a_secret_is_given_to_an_environment_and_nowhere_else():
    for name in WORKFLOWS:
        lines = WORKFLOWS[name].read_text(encoding="utf-8").splitlines()
        for line in (line for line in lines if "secrets." in line):
            assert re.match(r"\s+[A-Z_]+: ", line), f"{name}: {line}"


def test_what_a_shell_runs_is_there():
    runs = "\n".join(step["run"] for step in all_steps() if "run" in step)
    files = re.findall(r"requirements/[\w-]+\.txt|spaces/\w+\.py|\.ci/\w+", runs)
    assert {"requirements/modal.txt", "spaces/deploy.py", ".ci/run"} <= set(files)
    assert [name for name in files if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("name", [name for name in WORKFLOWS if "schedule" in load(name)["on"]])
def test_clocks_are_valid_and_not_at_the_full_hour(name):
    for clock in load(name)["on"]["schedule"]:
        limits.check_cron(clock["cron"])
        assert clock["cron"].split()[0] != "0"


# Deploying


def test_only_a_push_to_main_that_passed_its_checks_is_deployed():
    deploy = load("deploy")
    finished = {"workflows": ["check"], "types": ["completed"], "branches": ["main"]}
    assert deploy["on"] == {"workflow_run": finished, "workflow_dispatch": ""}
    for job in deploy["jobs"].values():
        assert "workflow_run.conclusion == 'success'" in job["if"]
        assert "workflow_run.event == 'push'" in job["if"]
        checkouts = [s for s in job["steps"] if s.get("uses", "").startswith("actions/checkout")]
        (checkout,) = checkouts
        assert "workflow_run.head_sha" in checkout["with"]["ref"]


@pytest.mark.parametrize(("job", "ready"), [("modal", "MODAL_TOKEN_ID"), ("spaces", "READY")])
def test_every_step_is_skipped_without_its_secret_and_one_says_so(job, ready):
    deploy = load("deploy")["jobs"][job]
    assert "secrets." in deploy["env"][ready]
    notice, *others = deploy["steps"]
    assert notice["if"] == f"env.{ready} == ''" and "::notice::" in notice["run"]
    assert {step["if"] for step in others} == {f"env.{ready} != ''"}


def test_every_use_case_and_every_app_is_deployed():
    jobs = load("deploy")["jobs"]
    assert jobs["modal"]["strategy"]["matrix"]["use_case"] == USE_CASES
    deployed = jobs["spaces"]["strategy"]["matrix"]["include"]
    assert [each["app"] for each in deployed] == APPS
    assert all(each["space"] == each["app"].replace("_", "-") for each in deployed)


# The day on GitHub's runners


def test_the_day_runs_by_hand_and_by_the_clock_only_where_that_is_asked_for():
    job = load("daily")["jobs"]["day"]
    assert job["if"] == "github.event_name == 'workflow_dispatch' || vars.DAILY_ON_GITHUB == 'true'"
    assert job["concurrency"]["group"] == "daily-${{ matrix.use_case }}"


def test_the_day_is_there_for_every_use_case_with_its_pins_and_source():
    daily = load("daily")
    job = daily["jobs"]["day"]
    assert daily["on"]["workflow_dispatch"]["inputs"]["use_case"]["options"] == ["all", *DAILY]
    assert f"'{yaml.dump(DAILY, default_flow_style=True).strip()}'" in (
        job["strategy"]["matrix"]["use_case"].replace('"', "")
    )
    for use_case in DAILY:
        assert f"{use_case.upper()}_SOURCE" in job["env"]
        for pins in (f"{use_case}.txt", f"{use_case}-hopsworks.txt"):
            assert (ROOT / "requirements" / pins).is_file()
