import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fti
from fti import projects
from fti.embedded.project import Project
from fti.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("chosen", "key", "expected"),
    [
        (None, None, "embedded"),
        ("", "", "embedded"),
        ("auto", None, "embedded"),
        ("auto", "key", "hopsworks"),
        (None, "key", "hopsworks"),
        ("embedded", "key", "embedded"),
        ("Hopsworks", None, "hopsworks"),
    ],
)
def test_the_backend_is_hopsworks_exactly_when_asked_for_or_given_a_key(
    home, monkeypatch, chosen, key, expected
):
    for name, value in (("FTI_BACKEND", chosen), ("HOPSWORKS_API_KEY", key)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert projects.backend() == expected


def test_an_unknown_backend_is_named(home, monkeypatch):
    monkeypatch.setenv("FTI_BACKEND", "clowd")
    with pytest.raises(UserError, match="FTI_BACKEND is 'clowd': set it to one of auto"):
        fti.login()


def test_the_login_opens_the_project_in_the_folder_and_says_so_in_one_line(home, caplog):
    with caplog.at_level(logging.INFO, logger="fti"):
        project = fti.login()
    assert isinstance(project, Project) and project.home == home / "projects" / "local"
    assert caplog.messages == [f"Embedded project local in {project.home}"]


def test_projects_of_one_folder_are_told_apart_by_name(home, monkeypatch):
    monkeypatch.setenv("FTI_PROJECT", "winter")
    assert fti.login().home == home / "projects" / "winter"


def test_without_settings_the_folder_is_here(tmp_path, monkeypatch):
    monkeypatch.delenv("FTI_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert projects.home() == tmp_path / ".fti"


def test_hopsworks_without_a_key_is_refused_and_never_asked_for(home, monkeypatch, tmp_path):
    monkeypatch.setenv("FTI_BACKEND", "hopsworks")
    monkeypatch.chdir(tmp_path)
    Path(".hw_api_key").write_text("somebody's key")  # the client alone would take it
    with pytest.raises(UserError, match="HOPSWORKS_API_KEY is not set"):
        fti.login()


def test_importing_fti_loads_nothing_heavy():
    code = (
        "import sys, fti; loaded = set(sys.modules);"
        "assert not loaded & {'pandas', 'numpy', 'typer', 'httpx', 'hopsworks', 'fti.models'};"
        "from fti import *; assert callable(save_model) and callable(run)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_fti_has_its_six_names_and_no_others():
    assert sorted(fti.__all__) == [
        "load_model", "login", "publish", "read_published", "run", "save_model",
    ]  # fmt: skip
    assert all(callable(getattr(fti, name)) for name in fti.__all__)
    with pytest.raises(AttributeError, match="no attribute 'logon'"):
        _ = fti.logon


def test_the_example_names_every_setting_and_sets_none():
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert all(line.startswith("#") or not line for line in example.splitlines())
    code = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "fti").glob("*.py")}
    used = set(re.findall(r"environ[.\w]*[(\[]\"(FTI_\w+)\"", "".join(code.values())))
    read = re.findall(r"_(?:variable|number|flag|one_of)\(\"(\w+)\"", code["cloud.py"])
    used |= {f"HOPSWORKS_{name}" for name in read}
    assert len(used) >= 14
    assert used == set(re.findall(r"^# ((?:FTI|HOPSWORKS)_\w+)=", example, re.MULTILINE))


def test_a_folder_that_cannot_be_used_and_a_bad_name_are_one_sentence(home, monkeypatch):
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="set FTI_HOME"):
        projects.login()
    home.unlink()
    monkeypatch.setenv("FTI_PROJECT", "../x")
    with pytest.raises(UserError, match=r"FTI_PROJECT is '\.\./x'"):
        projects.login()
