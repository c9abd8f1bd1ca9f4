"""Fixtures of the housing tests: no settings from outside, and a service on this machine."""

import contextlib
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

import fti
from fti.training import Train
from housing import (
    batch_inference_pipeline,
    feature_pipeline,
    model,
    sample,
    table,
    training_pipeline,
)
from tests.loopback import serving

SETTINGS = (
    "HOUSING_SOURCE",
    "HOUSING_DEPARTEMENT",
    "HOUSING_MACRO",
    "HOUSING_ADDRESSES",
    "BOOLI_CONTACT",
    "GEOCODER_URL",
    "GEOCODER_CONTACT",
    "GEOCODER_PAUSE",
    "RIKSBANK_API_KEY",
)
SHARED = Path(__file__).parents[3] / "shared" / "data" / "housing"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path_factory):
    """Take away all settings, and keep what is downloaded in a folder of the test."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FTI_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def shared():
    """The folder with the course's sales, which are not ours to publish."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/data/housing")
    return SHARED


@pytest.fixture
def service(monkeypatch):
    """A Service that runs while the test does."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as service:
        yield service


# A small project ----------------------------------------------------------------------------------

BEGINNING, FIRST = date(2023, 10, 1), date(2025, 10, 20)
GROUPS = ("housing_sales", "housing_listings", "housing_geocodes", "housing_valuations")


@pytest.fixture(scope="session")
def market(tmp_path_factory):
    """A function that gives a file: the sample with one sale a day up to a day, and what is for
    sale on it."""
    folder = tmp_path_factory.mktemp("market")

    def write(day, since=BEGINNING):
        path = folder / f"{since}-{day}.parquet"
        if not path.exists():
            sold = sample.sales(since, day + timedelta(days=1), per_day=1)
            table.together([sold, sample.listings(day, per_day=1)]).to_parquet(path)
        return str(path)

    return write


@pytest.fixture(scope="session")
def first_housing_day(tmp_path_factory, market):
    """A folder of projects in which the first day of the small sample has run: for copying."""
    folder = tmp_path_factory.mktemp("first_day") / "fti"
    with pytest.MonkeyPatch.context() as environment:
        for name in (*SETTINGS, "HOPSWORKS_API_KEY", "FTI_PROJECT"):
            environment.delenv(name, raising=False)
        environment.setenv("FTI_BACKEND", "embedded")
        environment.setenv("FTI_HOME", str(folder))
        with few_trees():
            feature_pipeline.main(market(FIRST), FIRST)
            training_pipeline.main(date=FIRST, train=Train.due)
            batch_inference_pipeline.main(FIRST)
    return folder


@contextlib.contextmanager
def few_trees():
    """Let models have a tenth of their trees, which is enough for what pipelines do with them."""
    with pytest.MonkeyPatch.context() as fewer:
        for shape in (model.NEAR_TREES, model.FLAT_TREES, model.SPREAD_TREES):
            fewer.setitem(shape, "n_estimators", shape["n_estimators"] // 10)
        yield


@pytest.fixture
def quick(nowhere):
    """Models of a tenth of their trees, while the test runs."""
    with few_trees():
        yield


@pytest.fixture
def first_day(first_housing_day, home, quick):
    """A project of its own in which the first day of the small sample has run."""
    shutil.copytree(first_housing_day, home)
    return fti.login()


@pytest.fixture
def stored():
    """A function that gives every row of the feature groups of housing, by name."""

    def read():
        store = fti.login().get_feature_store()
        groups = {name: store.get_feature_group(name, version=1) for name in GROUPS}
        return {
            name: group.read()
            .sort_values([*group.primary_key, group.event_time])
            .reset_index(drop=True)
            for name, group in groups.items()
            if group
        }

    return read


@pytest.fixture
def published():
    """A function that gives a published file of housing."""
    return lambda name="monitor.json": fti.read_published(fti.login(), "housing", name)
