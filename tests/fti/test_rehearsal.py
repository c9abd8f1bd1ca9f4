"""A rehearsal uses a project as pipelines do, leaves nothing, and names the step that fails."""

import pytest

from fti import doctor, rehearsal
from fti.rehearsal import NAME, StepError


def test_every_step_of_a_good_project_works_and_leaves_nothing(project):
    found = {name: look() for name, look in rehearsal.steps(project).items()}
    assert list(found) == ["write", "read", "registry", "published file"]
    assert project.get_feature_store().get_feature_group(NAME, version=1) is None
    assert project.get_model_registry().get_models(NAME) == []
    assert not project.get_dataset_api().exists(f"Resources/{NAME}")


def test_reading_what_was_not_written_is_one_sentence(project):
    with pytest.raises(StepError, match="because writing failed"):
        rehearsal.steps(project)["read"]()


def test_an_error_of_the_store_is_one_sentence(project, monkeypatch):
    def refuse(*arguments, **options):
        raise RuntimeError("no\n  room")

    monkeypatch.setattr(type(project), "get_feature_store", refuse)
    with pytest.raises(StepError, match=r"^RuntimeError: no room$"):
        rehearsal.steps(project)["write"]()


def test_the_doctor_rehearses_only_where_all_else_is_well(home, monkeypatch):
    steps = {"write", "read", "registry", "published file"}
    assert {check.name: check.level for check in doctor.examine(write=True)}.items() >= {
        (name, "ok") for name in steps
    }
    monkeypatch.setenv("FTI_BACKEND", "cloud")
    assert not steps & {check.name for check in doctor.examine(write=True)}
