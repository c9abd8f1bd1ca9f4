"""Every `modal_app.py`, deployed by the real command to a loopback Modal, and run by its container.

The embedded projects begin with a day that ran before, trained quickly; a container then finds
nothing due to train.
"""

import ast
import datetime as dt
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

import fti
from fti import modal as shared
from fti import runs
from fti.errors import UserError
from housing import sample as market
from housing.table import together
from tests.doubles.modal import Disturbance, Modal, limits
from tests.housing.conftest import few_trees
from titanic import sources

ROOT = Path(__file__).parents[1]
USE_CASES = sorted(path.parent.name for path in ROOT.glob("*/modal_app.py"))
DAILY = [name for name in USE_CASES if name != "whisper"]  # which has tests of its own
CLOCKS = dict.fromkeys(DAILY, "daily") | {"whisper": "weekly"}
SECRETS = {"hopsworks": {"HOPSWORKS_API_KEY": "dummy", "HOPSWORKS_PROJECT": "dummy"}}
CSV, FLATS = "passengers.csv", "flats.parquet"  # on their volumes
SOURCES = {
    "titanic": f"{shared.MOUNT}/{CSV}",
    "aurora": "sample",
    "housing": f"{shared.MOUNT}/{FLATS}",
}
HOPSWORKS = {"FTI_BACKEND": "", "FTI_HOME": ""} | {
    f"{use_case.upper()}_SOURCE": "" for use_case in USE_CASES
}
EMBEDDED = HOPSWORKS | {
    "FTI_BACKEND": "embedded",
    **{f"{use_case.upper()}_SOURCE": source for use_case, source in SOURCES.items()},
}
FIRST, SECOND, THIRD = "2026-01-30", "2026-01-31", "2026-02-01"
TODAY = dt.datetime.now(dt.UTC).date()
YESTERDAY = TODAY - dt.timedelta(1)
FLATS_SINCE = TODAY - dt.timedelta(500)


def flats():
    """A sale a day of the sample up to today, and what is for sale then."""
    sold = market.sales(FLATS_SINCE, TODAY + dt.timedelta(1), per_day=1)
    return together([sold, market.listings(TODAY, per_day=1)])


def flats_by_day():
    """Sales, flats for sale, and flats that are valued: up to yesterday, and of today."""
    rows = flats()
    today, sold = rows["sold_on"].dt.date == TODAY, rows["price"].notna()
    return {
        "housing_sales": ((sold & ~today).sum(), (sold & today).sum()),
        "housing_listings": ((~sold & ~today).sum(), (~sold & today).sum()),
        "housing_valuations": ((~sold & ~today).sum(), today.sum()),
    }


# Group -> rows of the first day but predictions, and rows that the day of the clock adds.
GROUPS = {
    "housing": flats_by_day(),
    "aurora": {"aurora_hours": (365 * 24, 24), "aurora_forecasts": (72, 72)},
    "iris": {
        "iris_flowers": (150, 0),
        "iris_synthetic_flowers": (1, 1),
        "iris_predictions": (151, 1),
    },
    "titanic": {
        "titanic_passengers": (300, 0),
        "titanic_synthetic_passengers": (1, 1),
        "titanic_predictions": (301, 1),
    },
}


def deploy(modal, use_case, env):
    return modal.command("deploy", "-m", f"{use_case}.modal_app", env=env, cwd=ROOT)


def archive(modal, use_case):
    return modal.volume(f"{use_case}-project") / shared.ARCHIVE


@pytest.fixture(scope="module")
def hopsworks():
    """A workspace with every app deployed for Hopsworks."""
    with Modal(SECRETS) as modal:
        for use_case in USE_CASES:
            done = deploy(modal, use_case, HOPSWORKS)
            assert done.returncode == 0, done.stderr
        yield modal


@pytest.fixture(scope="module")
def embedded(passengers):
    """A workspace with every app deployed for an embedded project on its volume."""
    with Modal() as modal:
        for use_case in USE_CASES:
            done = deploy(modal, use_case, EMBEDDED)
            assert done.returncode == 0, done.stderr
        shutil.copy(passengers, modal.volume("titanic-project"))
        flats().to_parquet(modal.volume("housing-project") / FLATS)
        yield modal
        assert not modal.unknown


@pytest.fixture(scope="module")
def passengers(tmp_path_factory):
    """The first 300 passengers of the built-in sample, as a file."""
    path = tmp_path_factory.mktemp("source") / CSV
    headers = {name: column.header for name, column in sources.COLUMNS.items()}
    sources.sample().head(300).rename(columns=headers).to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def first_day(tmp_path_factory, passengers):
    """A function that gives the archive of a use case's project in which the first day has run."""
    folder = tmp_path_factory.mktemp("first_days")

    def made(use_case):
        packed = folder / f"{use_case}.tar"
        if not packed.exists():
            with pytest.MonkeyPatch.context() as environment:
                environment.delenv("FTI_PROJECT", raising=False)
                environment.setenv("FTI_BACKEND", "embedded")
                environment.setenv("FTI_HOME", str(folder / use_case))
                source = passengers if use_case == "titanic" else SOURCES.get(use_case)
                if use_case == "housing":
                    source = str(folder / FLATS)
                    flats().to_parquet(source)
                run_quickly(use_case, source)
            shared.pack(folder / use_case, packed)
        return packed

    return made


def run_quickly(use_case, source):
    features, training, inference = (
        import_module(f"{use_case}.{name}_pipeline")
        for name in ("feature", "training", "batch_inference")
    )
    if use_case == "aurora":  # whose days follow one another: a gap is filled, and trained on
        features.main(source, YESTERDAY)
        training.main(source, YESTERDAY)
        inference.main(source, YESTERDAY)
        return
    if use_case == "housing":
        features.main(source, YESTERDAY)
        with few_trees():
            training.main(date=YESTERDAY)
        inference.main(YESTERDAY)
        return
    features.main(source, FIRST)
    training.main(date=FIRST, repeats=1)
    inference.main(FIRST)


@pytest.fixture
def take_home(tmp_path, monkeypatch):
    """A function that gives the project on a volume, as `fti.login()` opens a copy of it."""
    monkeypatch.setenv("FTI_BACKEND", "embedded")
    monkeypatch.setenv("FTI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FTI_PROJECT", raising=False)

    def open_copy(modal, use_case):
        shutil.rmtree(tmp_path / "home", ignore_errors=True)
        shared.unpack(archive(modal, use_case), tmp_path / "home")
        return fti.login()

    return open_copy


def tables(project, use_case):
    """The feature groups of a use case, each by its key: real rows first, predictions last."""
    store = project.get_feature_store()
    groups = [store.get_feature_group(name, version=1) for name in GROUPS[use_case]]
    return [group.read().sort_values(key(group), ignore_index=True) for group in groups]


def key(group):
    return [*group.primary_key, group.event_time]


# What is deployed


def test_every_use_case_has_an_app_of_the_same_functions_with_one_clock(hopsworks):
    assert sorted(path.parent.name for path in ROOT.glob("*/feature_pipeline.py")) == USE_CASES
    for use_case, clock in CLOCKS.items():
        functions = hopsworks.deployed(use_case)
        wanted = {clock, "features", "train", "predict"}
        assert set(functions) >= wanted if use_case not in DAILY else set(functions) == wanted
        assert [name for name, each in functions.items() if each.cron] == [clock]


def test_all_clocks_are_in_utc_at_minutes_of_their_own_within_the_plan(hopsworks):
    clocks = [hopsworks.deployed(use_case)[name] for use_case, name in CLOCKS.items()]
    minutes = [clock.cron.split()[0] for clock in clocks]
    assert len(hopsworks.scheduled()) == len(USE_CASES) <= limits.MOST_CRONS
    assert len(set(minutes)) == len(minutes) and all(int(minute) % 2 for minute in minutes)
    assert {clock.timezone for clock in clocks} == {"UTC"}


@pytest.mark.parametrize("use_case", DAILY)
def test_every_function_is_bounded_and_retried(hopsworks, use_case):
    for function in hopsworks.deployed(use_case).values():
        assert 0 < function.timeout <= 20 * 60
        assert (function.retries, function.first_delay, function.backoff) == (3, 30, 2)
        assert (function.cpu, function.memory, function.gpu) == (1, 1024, [])


@pytest.mark.parametrize("use_case", DAILY)
def test_on_hopsworks_it_has_the_secret_and_no_volume(hopsworks, use_case):
    for function in hopsworks.deployed(use_case).values():
        assert (function.secrets, function.volumes) == (["hopsworks"], {})
        assert function.environment["FTI_BACKEND"] == "hopsworks"


@pytest.mark.parametrize("use_case", DAILY)
def test_on_an_embedded_project_it_has_a_volume_of_its_own_and_no_secret(embedded, use_case):
    for function in embedded.deployed(use_case).values():
        assert function.secrets == [] and function.volumes == {"/volume": f"{use_case}-project"}
        assert function.environment["FTI_BACKEND"] == "embedded"
        source = function.environment.get(f"{use_case.upper()}_SOURCE")
        assert source == SOURCES.get(use_case)


@pytest.mark.parametrize("use_case", USE_CASES)
@pytest.mark.parametrize("backend", ["hopsworks", "embedded"])
def test_the_image_is_made_of_pins(request, use_case, backend):
    modal = request.getfixturevalue(backend)
    pins = f"{use_case}-hopsworks.txt" if backend == "hopsworks" else f"{use_case}.txt"
    clock = CLOCKS[use_case]
    image = "\n".join(modal.deployed(use_case)[clock].image)
    assert f"FROM python:{shared.PYTHON}." in image
    assert f"ghcr.io/astral-sh/uv:{shared.UV} " in image
    assert image.count("uv pip install") == 1 and f"--requirements /.uv/0/{pins}" in image
    copied = modal.copied(use_case, clock)
    assert list(copied.values()) == [(ROOT / "requirements" / pins).read_bytes()]


@pytest.mark.parametrize("use_case", USE_CASES)
def test_the_shared_package_and_the_use_case_are_mounted_and_no_other(embedded, use_case):
    for function in embedded.deployed(use_case).values():
        mounted = set(function.mounted)
        for package in ("fti", use_case):
            code = {path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*.py")}
            assert code <= mounted
        assert {name.split("/")[0] for name in mounted} == {"fti", use_case}


@pytest.mark.parametrize(
    ("secrets", "reason"),
    [
        ({}, "Secret 'hopsworks' not found"),
        ({"hopsworks": {"HOPSWORKS_API_KEY": "dummy"}}, "missing key(s): HOPSWORKS_PROJECT"),
    ],
)
def test_without_the_secret_the_deploy_fails_and_says_why(secrets, reason):
    with Modal(secrets) as modal:
        done = deploy(modal, "iris", HOPSWORKS)
        assert done.returncode == 1 and reason in " ".join(done.stderr.split())
        assert not modal.scheduled()


def test_the_secret_is_made_from_a_dotenv_file(tmp_path):
    pytest.importorskip("dotenv")  # which Modal's command needs for it
    keys = tmp_path / ".env"
    keys.write_text("# from Hopsworks\nHOPSWORKS_API_KEY=dummy\nHOPSWORKS_PROJECT='dummy'\n")
    with Modal() as modal:
        made = modal.command("secret", "create", "hopsworks", "--from-dotenv", str(keys))
        assert made.returncode == 0, made.stderr
        assert modal.objects.secrets == SECRETS
        assert deploy(modal, "iris", HOPSWORKS).returncode == 0


@pytest.mark.parametrize("use_case", USE_CASES)
def test_importing_an_app_needs_what_deploys_and_no_more(use_case):
    """Modal and the standard library: requirements/modal.txt has no typer, pandas or torch."""
    code = f"import sys, {use_case}.modal_app; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"pandas", "numpy", "torch", "sklearn", "hopsworks", "typer", "httpx"}


@pytest.mark.parametrize("use_case", USE_CASES)
def test_an_app_imports_its_pipelines_only_inside_its_functions(use_case):
    tree = ast.parse((ROOT / use_case / "modal_app.py").read_text(encoding="utf-8"))
    modules = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in modules
    ]
    others = [name for name in names if name.split(".")[0] not in sys.stdlib_module_names]
    assert others == ["modal", "fti.modal"]


# What runs


@pytest.mark.parametrize("use_case", DAILY)
def test_the_clock_adds_the_day_to_the_project_on_the_volume(
    embedded, first_day, take_home, use_case
):
    shutil.copy(first_day(use_case), archive(embedded, use_case))
    before = tables(take_home(embedded, use_case), use_case)
    ended = embedded.call(use_case, "daily")
    assert ended.status == "SUCCESS", ended.exception

    project = take_home(embedded, use_case)
    store = project.get_feature_store()
    for (name, (first, added)), old in zip(GROUPS[use_case].items(), before, strict=True):
        group = store.get_feature_group(name, version=1)
        rows = group.read()
        assert (len(old), len(rows) - len(old)) == (first, added), name
        kept = rows.merge(old[key(group)], on=key(group)).sort_values(key(group), ignore_index=True)
        assert_frame_equal(kept, old)
    records = runs.recent(project)
    assert set(records["status"]) == {"success"} and len(records) == 6
    assert records["date"].nunique() == 2
    assert records["date"].max() >= str(dt.date.today() - dt.timedelta(1))


def test_a_call_gives_plain_values_and_commits_what_it_reloaded(embedded, first_day):
    shutil.copy(first_day("iris"), archive(embedded, "iris"))
    before = embedded.requests.copy()
    ended = embedded.call("iris", "features", date=SECOND, synthetic=3)
    assert ended.value.pop("feature_seconds") > 0
    assert ended.value == {"feature_rows_in": 150, "feature_rows_out": 3}
    assert all(type(value) in (str, int, float) for value in ended.value.values())
    assert embedded.requests["VolumeReload"] > before["VolumeReload"]
    assert embedded.requests["VolumeCommit"] > before["VolumeCommit"]
    assert [path.name for path in embedded.volume("iris-project").iterdir()] == ["project.tar"]


def test_a_failing_run_is_tried_four_times_and_each_is_on_record(embedded, take_home):
    archive(embedded, "iris").unlink(missing_ok=True)
    tried = len(embedded.attempts)
    ended = embedded.call("iris", "predict", date=FIRST)
    assert ended.status == "FAILURE" and "iris" in ended.exception
    assert [attempt.waited for attempt in embedded.attempts[tried:]] == [0, 30, 60, 60]
    records = runs.recent(take_home(embedded, "iris"))
    assert list(records["status"]) == ["failure"] * 4 and set(records["date"]) == {FIRST}


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [(signal.SIGKILL, ["FAILURE", "SUCCESS"]), (signal.SIGINT, ["PREEMPTED", "SUCCESS"])],
)
def test_a_run_that_dies_half_way_leaves_after_its_retry_what_an_undisturbed_one_leaves(
    embedded, first_day, take_home, kind, statuses
):
    shutil.copy(first_day("iris"), archive(embedded, "iris"))
    assert embedded.call("iris", "daily", date=SECOND).status == "SUCCESS"
    undisturbed = tables(take_home(embedded, "iris"), "iris")

    for _ in range(3):  # a signal may come when the answer is already given
        shutil.copy(first_day("iris"), archive(embedded, "iris"))
        embedded.disturb("daily", Disturbance(kind, features_are_stored))
        tried = len(embedded.attempts)
        assert embedded.call("iris", "daily", date=SECOND).status == "SUCCESS"
        found = [attempt.status for attempt in embedded.attempts[tried:]]
        if found != ["SUCCESS"]:
            break
    assert found == statuses
    again = tables(take_home(embedded, "iris"), "iris")
    for table, expected in zip(again, undisturbed, strict=True):
        assert_frame_equal(table, expected)


def features_are_stored(folder):
    """Tell whether the container has stored the second day's flower, and not yet predicted it."""
    log = "tmp/*/projects/local/offline/iris_synthetic_flowers_1/_delta_log/*.json"
    return len(list(folder.glob(log))) == 2


def test_a_backfill_stores_each_day_in_order_and_ends_with_the_last_day(
    embedded, first_day, take_home
):
    shutil.copy(first_day("iris"), archive(embedded, "iris"))
    arguments = ("--first", SECOND, "--last", THIRD, "--synthetic", "2")
    done = embedded.command(
        "run", "-m", "iris.modal_app::backfill", *arguments, env=EMBEDDED, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    project = take_home(embedded, "iris")
    _, synthetic, predictions = tables(project, "iris")
    records = runs.recent(project)
    assert list(synthetic["generated_at"].dt.date.astype(str)) == [
        FIRST,
        *2 * [SECOND],
        *2 * [THIRD],
    ]
    assert len(predictions) == 155
    newest = list(zip(records["pipeline"], records["date"], strict=True))[:5]
    assert newest == [
        ("batch_inference", THIRD), ("training", THIRD), ("feature", THIRD),
        ("feature", THIRD), ("feature", SECOND),
    ]  # fmt: skip


def test_the_project_on_a_volume_can_be_taken_home(embedded, first_day, tmp_path, monkeypatch):
    shutil.copy(first_day("iris"), archive(embedded, "iris"))
    got = embedded.command("volume", "get", "iris-project", "project.tar", cwd=tmp_path)
    assert got.returncode == 0, got.stderr
    (tmp_path / ".fti").mkdir()
    subprocess.run(["tar", "-xf", "project.tar", "-C", ".fti"], cwd=tmp_path, check=True)
    monkeypatch.setenv("FTI_BACKEND", "embedded")
    monkeypatch.setenv("FTI_HOME", str(tmp_path / ".fti"))
    assert len(runs.recent(fti.login())) == 3


# What the apps share


def test_the_first_day_goes_alone_and_the_others_side_by_side_on_hopsworks(monkeypatch):
    monkeypatch.setenv("FTI_BACKEND", "hopsworks")
    asked = []

    class Function:
        def remote(self, day, **options):
            asked.append(("remote", day, options))
            return {"day": day}

        def map(self, days, kwargs):
            asked.append(("map", list(days), kwargs))
            return iter([{"day": day} for day in days])

    found = shared.Place("iris").each(Function(), [FIRST, SECOND, THIRD], synthetic=2)
    assert found == [{"day": FIRST}, {"day": SECOND}, {"day": THIRD}]
    assert asked == [
        ("remote", FIRST, {"synthetic": 2}),
        ("map", [SECOND, THIRD], {"synthetic": 2}),
    ]


def test_days_are_given_both_ends_included():
    assert shared.days("2026-02-27", "2026-03-01") == ["2026-02-27", "2026-02-28", "2026-03-01"]


@pytest.mark.parametrize(("first", "last"), [("yesterday", THIRD), (THIRD, FIRST)])
def test_days_that_are_none_are_one_sentence(first, last):
    with pytest.raises(UserError):
        shared.days(first, last)


def test_a_misspelt_backend_is_refused(monkeypatch):
    monkeypatch.setenv("FTI_BACKEND", "embeded")
    with pytest.raises(UserError, match="embeded"):
        shared.Place("iris")


def test_a_folder_comes_back_as_it_was_packed(tmp_path):
    (tmp_path / "home" / "deep").mkdir(parents=True)
    (tmp_path / "home" / "deep" / "file").write_bytes(b"1")
    for _ in range(2):
        shared.pack(tmp_path / "home", tmp_path / "project.tar")
    shared.unpack(tmp_path / "project.tar", tmp_path / "again")
    assert (tmp_path / "again" / "deep" / "file").read_bytes() == b"1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "home", "project.tar"]
    shared.unpack(tmp_path / "none.tar", tmp_path / "none")
    assert not (tmp_path / "none").exists()
