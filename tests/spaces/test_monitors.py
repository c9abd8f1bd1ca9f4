"""The monitors of Titanic and Iris follow what is published, and keep what they showed before."""

import shutil
from contextlib import ExitStack
from importlib import import_module

import httpx
import pandas as pd
import pytest

from fti import ui
from fti.embedded.project import Project

USE_CASES = ("titanic", "iris")
FIRST, SECOND = "2026-01-30", "2026-01-31"
QUICK = {"every": 0.5, "ttl": 0.1}  # seconds


@pytest.fixture
def own(filled, home):
    """A copy of the filled project that a test may change; pipelines find it."""
    shutil.copytree(filled, home)
    return Project(home)


@pytest.fixture
def monitor(app, serve):
    """A function that serves a use case's monitor of a project and gives its address."""
    with ExitStack() as served:
        yield lambda use_case, project: served.enter_context(
            serve(app(f"{use_case}_monitor").build(project, **QUICK))
        )


def run(use_case, date):
    """Run feature pipeline and batch inference of a day."""
    import_module(f"{use_case}.feature_pipeline").main("sample", date)
    import_module(f"{use_case}.batch_inference_pipeline").main(date)


@pytest.mark.parametrize("use_case", USE_CASES)
def test_a_new_day_appears_without_reload(use_case, own, monitor, open_page):
    page = open_page(monitor(use_case, own))
    page.get_by_text(f"Newest run: {FIRST}").wait_for()
    page.evaluate("window.same = true")
    run(use_case, SECOND)
    page.get_by_text(f"Newest run: {SECOND}").wait_for()
    assert page.evaluate("window.same")


def test_results_stay_while_the_project_is_away_and_are_up_to_date_after(own, monitor, open_page):
    page = open_page(monitor("iris", own))
    page.locator(".matrix").wait_for()
    away = own.home.with_name("away")
    own.home.rename(away)
    page.get_by_text("What is shown was read at").wait_for()
    assert page.locator(".matrix").is_visible()
    away.rename(own.home)
    page.get_by_text("What is shown was read at").wait_for(state="detached")


def test_an_empty_project_says_so_until_something_is_published(filled, project, monitor, open_page):
    page = open_page(monitor("iris", project))
    page.get_by_text("Nothing here yet").wait_for()
    assert page.get_by_role("radio").count() == 0
    published = Project(filled).home / "Resources" / "iris"
    shutil.copytree(published, project.home / "Resources" / "iris")
    page.get_by_text(f"Newest run: {FIRST}").wait_for()
    assert page.get_by_role("radio").first.is_visible()


@pytest.mark.parametrize("use_case", USE_CASES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_monitor_fits_a_phone(use_case, scheme, filled, monitor, open_page):
    phone = {"viewport": {"width": 390, "height": 800}, "color_scheme": scheme}
    page = open_page(monitor(use_case, Project(filled)), **phone)
    page.locator(".matrix").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    ink = page.locator(".fti h1").evaluate("e => getComputedStyle(e).color")
    assert ink == {"light": "rgb(28, 39, 51)", "dark": "rgb(230, 237, 243)"}[scheme]


def test_synthetic_passengers_are_another_page_and_called_so(filled, monitor, open_page):
    page = open_page(monitor("titanic", Project(filled)))
    page.get_by_role("radio", name="Synthetic passengers").click()
    page.get_by_text("Latest synthetic passenger").wait_for()
    assert page.get_by_text("Latest real passenger").count() == 0
    assert page.get_by_text("never train a model").is_visible()


def test_the_table_is_filtered_and_downloaded_as_it_is_seen(filled, monitor, open_page, tmp_path):
    page = open_page(monitor("titanic", Project(filled)))
    page.get_by_role("radio", name="Wrong").click()
    page.get_by_label("Search").fill("Mrs.")
    page.wait_for_function("document.querySelectorAll('.tall .good').length === 0")
    page.wait_for_function("[...document.querySelectorAll('.tall tbody tr')].every("
                           "row => row.innerText.includes('Mrs.'))")  # fmt: skip
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "titanic_real_passengers.csv"
    download.value.save_as(tmp_path / "rows.csv")
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert len(rows) == page.locator(".tall tbody tr").count() > 0
    assert rows["name"].str.contains("Mrs.", regex=False).all()
    assert (rows["predicted"] != rows["outcome"]).all()


@pytest.mark.parametrize("use_case", USE_CASES)
def test_metrics_and_health_are_data(use_case, filled, monitor):
    address = monitor(use_case, Project(filled))

    def ask(name, *values):
        url = f"{address}gradio_api/run/{name}"
        return httpx.post(url, json={"data": values}, timeout=30).json()["data"][0]

    metrics = ask("metrics", "real")
    assert metrics["model"]["version"] == 1 and 0.7 < metrics["accuracy"] <= 1
    assert metrics["freshness"]["run_date"] == FIRST
    health = ask("health")
    assert (health["app"], health["status"]) == (f"{use_case}_monitor", "ok")
    assert health["models"] == {use_case: 1}


@pytest.mark.parametrize("use_case", USE_CASES)
def test_only_data_endpoints_are_offered(use_case, app, project):
    offered = app(f"{use_case}_monitor").build(project, api_prefix="x_").get_api_info()
    assert set(offered["named_endpoints"]) == {"/x_metrics", "/x_health"}
    assert offered["unnamed_endpoints"] == {}


@pytest.mark.parametrize("use_case", USE_CASES)
def test_building_reads_nothing(use_case, app, home):
    app(f"{use_case}_monitor").build(None)
    assert not home.exists()


@pytest.mark.parametrize("use_case", USE_CASES)
def test_every_row_of_both_kinds_can_be_drawn(use_case, app, filled):
    view = app(f"{use_case}_monitor").VIEW
    rows = ui.Reader(Project(filled)).published(use_case, "monitor.parquet")
    pictures = [view.picture(row) for row in rows.to_dict("records")]
    assert len(pictures) == len(rows) and all(p.startswith("<svg") for p in pictures)
