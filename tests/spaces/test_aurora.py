"""The aurora app: what it tells visitors and scripts, when it warns, what it does not take."""

import copy
import json
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import gradio as gr
import httpx
import pandas as pd
import pytest
from gradio_client import Client

import fti
from aurora import nights, outlook
from aurora.feeds.tables import ICONS
from fti import ui
from fti.embedded.project import Project
from fti.errors import UserError

ROOT = Path(__file__).parents[2]
NOON = pd.Timestamp("2026-01-30T12:00", tz="UTC")  # of the newest forecast of the filled project
HOUR = pd.Timedelta(hours=1)
EVENING = NOON + 5 * HOUR
SITE = "kiruna"
FILES = ("forecast.json", "forecast.parquet")
EVIL = "<img src=x onerror=window.broken=1>"


@pytest.fixture(scope="module")
def aurora(app):
    """The module of the app."""
    return app("aurora")


@pytest.fixture(scope="module")
def reader(filled):
    """Reads the filled project."""
    return ui.Reader(Project(filled))


@pytest.fixture(scope="module")
def address(aurora, filled, serve):
    """The address of the app, on the evening of the newest forecast."""
    with serve(aurora.build(Project(filled), clock=lambda: EVENING)) as address:
        yield address


@pytest.fixture(scope="module")
def found(aurora, reader):
    """The forecast of the filled project."""
    return aurora.read(reader)


@pytest.fixture
def published(filled, project):
    """A function that publishes the filled project's forecast, changed, in one of this test."""
    own = Project(filled)
    files = {name: fti.read_published(own, "aurora", name) for name in FILES}

    def publish(change=lambda summary: summary, table=None):
        summary = change(copy.deepcopy(files["forecast.json"]))
        rows = files["forecast.parquet"] if table is None else table
        fti.publish(project, "aurora", {"forecast.json": summary, "forecast.parquet": rows})
        return project

    return publish


def ask(address, name, *values):
    url = f"{address}gradio_api/run/{name}"
    return httpx.post(url, json={"data": values}, timeout=60)


def answered(address, name, *values):
    return ask(address, name, *values).json()["data"][0]


def text_of(html):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


# Endpoints


def test_an_alert_says_whether_the_chance_reaches_the_threshold(address, found):
    ahead = found.rows[found.rows["valid_hour"] + HOUR > EVENING]
    best = ahead["probability"].max()
    low, high = (answered(address, "alert", limit, SITE) for limit in (1, 100))
    assert (low["above"], high["above"]) == (True, False)
    assert low["probability"] == high["probability"] == pytest.approx(best)
    assert low["hours_above"] == (ahead["probability"] >= 0.01).sum()
    assert (low["site"], low["issued_at"]) == (SITE, NOON.isoformat())
    assert (low["stale"], low["synthetic"]) == (False, True)
    assert set(low) == {
        "above", "threshold", "best_hour", "probability", "first_hour_above", "hours_above",
        "site", "issued_at", "stale", "synthetic",
    }  # fmt: skip


def test_a_client_may_leave_out_threshold_and_site(address, monkeypatch):
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    client = Client(address, verbose=False, download_files=False)
    answer = client.predict(api_name="/alert")
    assert (answer["threshold"], answer["site"]) == (40, SITE)
    assert len(client.predict(api_name="/forecast")["hours"]) == 72
    client.close()


def test_the_forecast_as_data_is_the_one_published(address, found):
    answer = answered(address, "forecast", SITE)
    hours = pd.DataFrame(answer["hours"])
    assert list(pd.to_datetime(hours["valid_hour"])) == list(found.rows["valid_hour"])
    assert list(hours["probability"]) == pytest.approx(list(found.rows["probability"]))
    assert (answer["model_version"], answer["synthetic"], answer["hindsight"]) == (1, True, False)


@pytest.mark.parametrize(
    "wrong", ["abc", None, True, "40", 0, 101, -1, 10**400, [40], {"a": 1}, "<script>"]
)
def test_a_threshold_that_is_none_is_answered_with_one_sentence(address, wrong):
    response = ask(address, "alert", wrong, SITE)
    assert response.status_code == 500
    assert response.json()["error"] == "threshold must be a number from 1 to 100 (percent)."


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_json_calls_a_number_is_not_always_one(address, literal):
    headers = {"content-type": "application/json"}
    body = f'{{"data": [{literal}, "kiruna"]}}'
    response = httpx.post(f"{address}gradio_api/run/alert", content=body, headers=headers)
    assert response.json()["error"] == "threshold must be a number from 1 to 100 (percent)."


@pytest.mark.parametrize("site", ["abisko", "atlantis", "", 3, ["kiruna"], EVIL])
@pytest.mark.parametrize("name", ["alert", "forecast"])
def test_a_site_without_a_forecast_is_answered_with_those_that_have_one(address, name, site):
    values = (40, site) if name == "alert" else (site,)
    assert ask(address, name, *values).json()["error"] == "site must be one of kiruna."


def test_clients_find_the_endpoints_that_give_data_and_no_other(address):
    described = httpx.get(f"{address}gradio_api/info").json()["named_endpoints"]
    assert set(described) == {"/alert", "/forecast", "/health"}
    assert answered(address, "health")["status"] == "ok"


# Tonight


def test_the_page_says_what_the_night_brings_on_two_clocks(aurora, found):
    said, top = found.nights[0], found.top(0)
    text = text_of(aurora.tonight(found, 0, EVENING))
    assert "Tonight at a glance" in text and said["verdict"] in text
    assert f"{said['sentence']}." in text
    for clock in (outlook.clock(top["valid_hour"]), outlook.clock(top["valid_hour"], found.zone)):
        assert clock in text
    assert "moon" in text and ui.percent(top["probability"]) in text


@pytest.mark.parametrize(
    ("hours", "heading", "name"),
    [
        (-8, "The next night at a glance", "Tomorrow night"),
        (-3, "Tonight at a glance", "Tonight"),
        (15, "Tonight at a glance", "Tonight"),
        (80, "The night of Fri 30 to Sat 31 Jan 2026", "The forecast said: Friday night"),
    ],
)
def test_a_night_is_called_what_it_is_at_the_moment(aurora, found, hours, heading, name):
    text = text_of(aurora.tonight(found, 0, NOON + hours * HOUR))
    assert heading in text and name in text


def test_on_the_next_day_tomorrow_night_is_tonight(aurora, reader):
    _, _, page, *_ = aurora.contents(reader, SITE, NOON + 26 * HOUR)
    assert "Tomorrow night" not in text_of(page).partition("Three nights")[0]
    assert f"Tonight, {nights.span(aurora.read(reader).top(1)['valid_hour'])}" in text_of(page)


def test_when_the_best_hour_is_over_the_page_says_what_is_left(aurora, found):
    over = found.top(0)["valid_hour"] + HOUR
    assert "That hour is over" in aurora.tonight(found, 0, over)
    assert "over" not in text_of(aurora.tonight(found, 0, over - HOUR)).partition("chance")[0]


def test_all_72_hours_are_drawn_and_also_written(aurora, found):
    page = "".join(aurora.forecast(found, EVENING))
    strips = re.findall(r'aria-label="(\w{3} \d+ [^"]*dark from[^"]*)"', page)
    assert len(strips) == 3
    assert len(re.findall(r'aria-label="Kp, ', page)) == 3
    assert aurora.all_hours(found).count("<tr>") == 73


def test_the_page_owns_up_to_the_sample_and_that_it_is_a_forecast(aurora, found):
    text = text_of(aurora.head(found, EVENING))
    assert "A forecast, not an observation." in text and "up to date" in text
    assert "made on the built-in sample" in text


def test_an_old_forecast_is_out_of_date_for_visitors_and_scripts(aurora, reader, found):
    later = NOON + 40 * HOUR
    text = text_of(aurora.head(found, later))
    assert "out of date" in text and "40 hours ago" in text and "up to date" not in text
    assert aurora.ask_alert(reader, SITE, 40, later)["stale"] is True
    assert aurora.ask_forecast(reader, SITE, later)["stale"] is True


def test_when_all_hours_are_over_no_alert_speaks_of_them(aurora, reader):
    later = NOON + 100 * HOUR
    answer = aurora.ask_alert(reader, SITE, 1, later)
    assert (answer["above"], answer["best_hour"], answer["stale"]) == (False, None, True)
    assert "run `python -m aurora`" in aurora.show_alert(reader, SITE, 1, later)


def test_a_source_that_is_late_makes_the_forecast_stale(aurora, published):
    sentence = "The newest of GFZ is issued 2026-01-30 02:00 UTC, 10 hours old."

    def late(summary):
        summary["sources"][0]["stale"] = sentence
        return summary

    reader = ui.Reader(published(late))
    assert sentence in text_of(aurora.contents(reader, SITE, EVENING)[0])
    assert aurora.ask_alert(reader, SITE, 40, EVENING)["stale"] is True


def test_hindsight_is_said(aurora, published):
    reader = ui.Reader(published(lambda summary: summary | {"hindsight": True}))
    assert "made in hindsight" in aurora.contents(reader, SITE, EVENING)[0]


# Record and model


def test_the_record_stands_beside_simpler_forecasts(aurora, found):
    record = found.summary["track_record"][SITE]
    text = text_of("".join(aurora.track_record(found)))
    assert record["nights"] >= 1
    for said in ("this forecast", "climatology", "persistence", "seed's tree", "skill"):
        assert said in text
    assert f"{record['by_lead'][0]['brier']:.3f}" in text
    assert record["recent"][0]["night"] in text


def test_without_a_record_the_page_says_so(aurora, published):
    nothing = {
        "since": None, "nights": 0, "dark_hours": 0, "base_rate": None, "by_lead": [],
        "reliability": [], "recent": [],
    }  # fmt: skip
    project = published(lambda summary: summary | {"track_record": {SITE: nothing}})
    _, shown, *parts = aurora.contents(ui.Reader(project), SITE, EVENING)
    assert shown and "No night has been scored yet" in "".join(parts)


def test_the_model_is_shown_beside_the_seed_s_tree(aurora, found):
    held_out = found.summary["model"]["held_out"]
    text = text_of(aurora.model(found.summary["model"]))
    for scores in (held_out, held_out["seed_tree"], held_out["climatology"]):
        assert f"{scores['auc']:.3f}" in text and f"{scores['dark_brier']:.3f}" in text


# What if


@pytest.fixture(scope="module")
def dark(found):
    """The ISO time of the darkest hour."""
    return found.rows.loc[found.rows["sun_altitude"].idxmin(), "valid_hour"].isoformat()


def test_with_the_forecast_s_own_inputs_the_tree_says_what_is_published(aurora, reader, found):
    row = found.rows.iloc[[9]]
    given = row[["kp", "visibility_km", "icon"]].iloc[0]
    said = aurora.compare(reader.model("aurora"), row, *given)
    assert said["seed_tree"] == pytest.approx(row["seed_tree"].iloc[0])


def test_a_storm_under_a_clear_sky_is_likelier_than_calm_under_cloud(aurora, reader, found, dark):
    row = aurora.chosen_hour(found, dark)
    model = reader.model("aurora")
    storm = aurora.compare(model, row, 8.0, 30.0, "clear-night")
    calm = aurora.compare(model, row, 0.0, 5.0, "snow")
    assert storm["probability"] > 2 * calm["probability"]


@pytest.mark.parametrize("icon", ICONS)
def test_every_icon_is_answered_with_its_sky(aurora, reader, dark, icon):
    page = aurora.show_what_if(reader, SITE, dark, 5, 20, icon)
    assert f"weather: {icon.replace('-', ' ')}" in page
    seen = "with green curtains" in page
    assert ("<b>Aurora</b>" in page) == seen and ("<b>No aurora</b>" in page) != seen


def test_daylight_is_said_and_the_chance_is_zero(aurora, reader, found):
    light = found.rows.loc[found.rows["sun_altitude"].idxmax(), "valid_hour"].isoformat()
    page = aurora.show_what_if(reader, SITE, light, 9, 50, "clear-day")
    assert "too light to see any aurora" in page and "0%" in page
    assert "above the horizon" in text_of(page)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kp": 9.1}, "kp must be a number from 0 to 9"),
        ({"kp": None}, "kp must be"),
        ({"visibility_km": -1}, "visibility_km must be a number from 0 to 50 (km)."),
        ({"icon": EVIL}, "icon must be one of clear-day,"),
        ({"hour": EVIL}, "The hour must be one of the 72"),
        ({"hour": None}, "The hour must be one of the 72"),
        ({"hour": ["x"]}, "The hour must be one of the 72"),
    ],
)
def test_nonsense_is_one_sentence_on_the_page(aurora, reader, dark, changed, said):
    given = {"hour": dark, "kp": 3, "visibility_km": 20, "icon": "snow"} | changed
    page = aurora.show_what_if(reader, SITE, **given)
    assert said in page and page.count('class="notice') == 1 and EVIL not in page


def test_the_inputs_start_from_the_forecast_of_the_best_hour(aurora, reader, found):
    hour, *inputs = aurora.offer_hours(reader, lambda: EVENING, SITE)
    top = found.top(0)
    assert hour.value == top["valid_hour"].isoformat() and len(hour.choices) == 72
    assert inputs == aurora.as_forecast(reader, SITE, hour.value)
    assert inputs[0] == pytest.approx(top["kp"], abs=0.06) and inputs[2] == top["icon"]
    with pytest.raises(gr.Error, match="The hour must be one of the 72"):
        aurora.as_forecast(reader, SITE, EVIL)


def test_what_is_not_known_of_an_hour_starts_from_the_usual(aurora, found):
    row = found.rows.iloc[0].copy()
    row["kp"] = row["visibility_km"] = float("nan")
    row["icon"] = "unknown"
    assert aurora._inputs(row) == [2.0, 10.0, "cloudy"]


# Sites


@pytest.fixture
def two_sites(filled, published):
    """A project with a forecast of Kiruna, and one of Abisko that is half as likely."""
    rows = fti.read_published(Project(filled), "aurora", "forecast.parquet")
    abisko = rows.assign(site="abisko", probability=rows["probability"] / 2)

    def add(summary):
        other = summary["sites"][SITE] | {"name": "Abisko"}
        summary["sites"]["abisko"] = other
        summary["track_record"]["abisko"] = summary["track_record"][SITE]
        return summary

    return published(add, pd.concat([rows, abisko], ignore_index=True))


def test_each_site_has_its_own_forecast(aurora, two_sites):
    reader = ui.Reader(two_sites)
    kiruna, abisko = (aurora.ask_alert(reader, site, 5, EVENING) for site in (SITE, "abisko"))
    assert abisko["probability"] == pytest.approx(kiruna["probability"] / 2)
    with pytest.raises(UserError, match=r"^site must be one of kiruna, abisko\.$"):
        aurora.read(reader, "tromso")


def test_a_visitor_chooses_among_sites_when_there_are_several(aurora, reader, two_sites):
    assert aurora.offer_sites(reader, SITE).visible is False
    choice = aurora.offer_sites(ui.Reader(two_sites), SITE)
    assert choice.visible and [name for name, _ in choice.choices] == ["Kiruna", "Abisko"]


def test_choosing_a_site_changes_all_of_the_page(aurora, two_sites, serve, open_page):
    with serve(aurora.build(two_sites, clock=lambda: EVENING)) as address:
        page = open_page(address)
        page.get_by_label("Abisko").click()
        page.get_by_role("heading", name="Aurora over Abisko").wait_for()
        page.get_by_role("tab", name="Alert").click()
        page.wait_for_function(
            "document.querySelector('#aurora_curl textarea').value.includes('[40,\"abisko\"]')"
        )


# While there is nothing to show


def test_an_empty_project_says_what_to_run(aurora, project, serve, open_page):
    with serve(aurora.build(project)) as address:
        page = open_page(address)
        page.get_by_text("run `python -m aurora`").first.wait_for()
        assert page.get_by_role("tab").count() == 0
        error = ask(address, "alert", 40, None).json()["error"]
        assert error == "aurora has not published forecast.json yet: run `python -m aurora`."
        assert answered(address, "health")["status"] == "empty"


def test_a_project_that_does_not_answer_is_said_to_be_unreachable(aurora):
    reader = ui.Reader(object())
    head, shown, *rest = aurora.contents(reader, SITE, EVENING)
    assert "Cannot be reached" in head and not shown and rest == ["", "", ""]
    assert "did not answer" in aurora.show_alert(reader, SITE, 40, EVENING)
    assert "did not answer" in aurora.show_what_if(reader, SITE, "x", 3, 10, "snow")


def test_the_forecast_stays_while_the_project_is_away(aurora, published):
    project = published()
    reader = ui.Reader(project, ttl=0)
    aurora.contents(reader, SITE, EVENING)
    project.home.rename(project.home.with_name("away"))
    head, shown, *_ = aurora.contents(reader, SITE, EVENING)
    assert shown and "What is shown was read at" in head and "out of date" in head
    assert aurora.ask_alert(reader, SITE, 40, EVENING)["stale"] is True


@pytest.mark.parametrize("lost", ["sites", "track_record", "model", "sources", "issued_at"])
def test_files_of_another_version_are_one_sentence(aurora, published, lost):
    reader = ui.Reader(published(lambda s: {k: v for k, v in s.items() if k != lost}))
    head, shown, *_ = aurora.contents(reader, SITE, EVENING)
    assert "another version of the code" in head and not shown


def test_a_table_of_another_version_is_one_sentence_for_scripts_too(aurora, published, serve):
    project = published(table=pd.DataFrame({"site": [SITE], "valid_hour": [NOON]}))
    with serve(aurora.build(project, clock=lambda: EVENING)) as address:
        error = ask(address, "alert", 40, SITE).json()["error"]
    assert "made by another version of the code" in error and "`python -m aurora`" in error


def test_without_a_model_what_if_says_what_to_run(aurora, published, dark):
    page = aurora.show_what_if(ui.Reader(published()), SITE, dark, 3, 10, "snow")
    assert "No version of the model aurora is registered yet" in page


def test_building_the_app_reads_nothing(aurora, home):
    aurora.build(api_prefix="aurora_")
    assert not home.exists()


def test_the_app_needs_neither_ephem_nor_what_models_are_trained_with():
    code = (
        "import sys, importlib.util as u; s = u.spec_from_file_location('app', sys.argv[1]); "
        "m = u.module_from_spec(s); sys.modules['app'] = m; s.loader.exec_module(m); m.build(); "
        "print(sorted({'ephem', 'sklearn', 'xgboost', 'skops'} & set(sys.modules)))"
    )
    path = str(ROOT / "spaces" / "aurora" / "app.py")
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


# In a browser


@contextmanager
def tab(open_page, address, name, **options):
    page = open_page(address, **options)
    page.get_by_role("tab", name=name).click()
    yield page


def test_the_threshold_changes_the_answer_and_the_curl_line_asks_the_same(address, open_page):
    with tab(open_page, address, "Alert") as page:
        page.get_by_text(re.compile(r"hours to come reach(es)? 40%")).wait_for()
        page.locator("#aurora_threshold input[type=number]").fill("100")
        page.locator("#aurora_threshold input[type=number]").blur()
        page.get_by_text("hours to come reaches 100%").wait_for()
        page.wait_for_function(
            "document.querySelector('#aurora_curl textarea').value.includes('[100,')"
        )
        lines = page.locator("#aurora_curl textarea").input_value().splitlines()
    assert len(lines) == 3
    for line, name, key in zip(lines, ("alert", "alert", "forecast"), ("above", "above", "hours"),
                               strict=True):  # fmt: skip
        curl, silent, url, _, header, _, data = shlex.split(line.partition(" | ")[0])
        assert (curl, silent, url.rpartition("/")[2]) == ("curl", "-s", name)
        headers = dict([header.split(": ")])
        answer = httpx.post(url, content=data, headers=headers, timeout=30)
        assert key in answer.json()["data"][0]
        assert name == "forecast" or '"above":false' in answer.text  # as the script looks for it


def test_the_curl_line_of_the_hub_asks_the_hub_s_endpoint(hub, open_page):
    with tab(open_page, f"{hub}aurora", "Alert") as page:
        page.wait_for_function(
            "document.querySelector('#aurora_curl textarea').value.includes('/run/aurora_alert')"
        )
        line = page.locator("#aurora_curl textarea").input_value().splitlines()[0]
    _, _, url, *_, data = shlex.split(line)
    answer = httpx.post(url, json=json.loads(data), timeout=30).json()["data"][0]
    assert answer["site"] == SITE and answer["stale"] is True  # the clock there is today's


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["Forecast", "What if", "Alert", "Track record"])
def test_every_tab_fits_a_phone(address, open_page, name, scheme):
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": scheme}
    with tab(open_page, address, name, **phone) as page:
        page.get_by_role("heading", name="The model").wait_for()
        page.wait_for_function("document.documentElement.scrollWidth <= 390")
        sizes = page.locator("figure > svg text:visible").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().height)"
        )
        assert all(size > 8 for size in sizes)  # pixels: small, and still to be read


def test_what_is_published_is_text_whatever_it_says(aurora, published, serve, open_page):
    def spoil(summary):
        site = summary["sites"][SITE]
        site["name"] = EVIL
        for night in site["nights"]:
            night["verdict"] = EVIL
        for source in summary["sources"]:
            source |= {"what": EVIL, "origin": EVIL, "stale": f"{EVIL} is late."}
        record = summary["track_record"][SITE]
        record["since"] = EVIL
        record["recent"][0]["seen"] = EVIL
        return summary | {"credits": [EVIL], "model": summary["model"] | {"model": EVIL}}

    with serve(aurora.build(published(spoil), clock=lambda: EVENING)) as address:
        page = open_page(address)
        page.get_by_text(f"{EVIL} is late.").first.wait_for()
        for name in ("What if", "Alert", "Track record"):
            page.get_by_role("tab", name=name).click()
        page.get_by_text("nights scored").wait_for()
        assert page.locator("img[src=x]").count() == 0
        assert page.evaluate("window.broken") is None
