"""Fixtures for all tests: each one works in its own embedded project."""

import pytest
from hypothesis import settings

settings.register_profile("whatever the machine does", deadline=None)
settings.load_profile("whatever the machine does")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The folder of embedded projects; `fti.login()` opens the one in it."""
    for name in (
        "HOPSWORKS_API_KEY",
        "FTI_PROJECT",
        "TITANIC_SOURCE",
        "IRIS_SOURCE",
        "AURORA_SOURCE",
        "HOUSING_SOURCE",
        "HOUSING_DEPARTEMENT",
        "HOUSING_MACRO",
        "HOUSING_ADDRESSES",
        "GEOCODER_URL",
        "BOOLI_CONTACT",
        "WHISPER_SOURCE",
        "WHISPER_RECORDINGS",
        "WHISPER_SHARDS",
        "WHISPER_CHECKPOINTS",
        "WHISPER_DOWNLOADS",
        "MDC_API_KEY",
        "HF_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FTI_BACKEND", "embedded")
    monkeypatch.setenv("FTI_HOME", str(tmp_path / "fti"))
    return tmp_path / "fti"


@pytest.fixture
def project(home):
    """An empty embedded project."""
    from fti.embedded.project import Project

    return Project(home)


@pytest.fixture
def store(project):
    """The feature store of an empty embedded project."""
    return project.get_feature_store()
