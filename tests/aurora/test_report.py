"""The page and the numbers say the same, and say plainly what is not a real forecast."""

import json
import re
from datetime import date

import numpy as np
import pandas as pd
import pytest

from aurora import forecasting, nights, report, sources, summary
from fti import models, published
from tests.aurora.test_track_record import DAY, NOON, forecasts

HELD_OUT = {name: 0.5 for name in report.HELD_OUT}
RECORD = {
    "recipe": "some-1", "rows": 900, "trained_until": "2026-01-10T05:00:00+00:00",
    "verdict": "accepted: brier 0.1000, no version to beat yet", "training_dataset_version": 1,
    "held_out": {
        "from": "2025-12-01T12:00:00+00:00", "until": "2026-01-10T05:00:00+00:00", **HELD_OUT,
        "seed_tree": HELD_OUT, "climatology": HELD_OUT, "persistence": HELD_OUT | {"auc": None},
    },
}  # fmt: skip
TOLD = [forecasting.told("Kp forecast", "GFZ", "2026-02-12T11:00Z")]


@pytest.fixture
def current(tmp_path):
    """A registered model without its numbers."""
    (tmp_path / "training.json").write_text(json.dumps(RECORD))
    return models.ModelFiles(
        name="aurora", version=2, metrics={"auc": 0.9}, folder=tmp_path, manifest={}, created=None
    )  # fmt: skip


def rows_of(table):
    """Rows of `aurora_forecasts` from those that the track record looks at."""
    known = {
        "model_version": 2, "kp": 3.0, "kp_low": 2.0, "kp_high": 4.0, "kp_from": "forecast",
        "weather_from": "Open-Meteo", "cloud_cover": 10.0, "icon": "clear-night",
        "moon_altitude": 5.0, "moon_lit": 0.4, "is_synthetic": False,
    }  # fmt: skip
    return table.assign(**known)


def stored(days=2, sites=("kiruna",), states=("yes", "no"), **changes):
    """What is stored after some days of forecasts, watched each night in turn."""
    table = rows_of(forecasts(days)).assign(**changes)
    hours = pd.date_range(NOON - DAY, NOON + (days - 1) * DAY, freq="h", inclusive="left")
    number = (hours - hours[0]) // DAY
    dark = (hours.hour >= 16) | (hours.hour < 6)
    observed = pd.DataFrame(
        {
            "site": "kiruna", "valid_hour": hours, "source": "web",
            "aurora": [states[k % len(states)] for k in number],
            "sun_altitude": np.where(dark, -20.0, 10.0),
        }
    )  # fmt: skip
    every = pd.concat([table.assign(site=site) for site in sites], ignore_index=True)
    newest = every[every["issued_at"] == every["issued_at"].max()]
    return summary.Stored(
        sites=list(sites), newest=newest, forecasts=every[summary.SCORED], hours=observed
    )


def summed(current, found, told=TOLD):
    return summary.summarize(found, current, told, date(2026, 1, 11), NOON + DAY)


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition("<body>")[2]))


def shown(current, found, told=TOLD):
    said = summed(current, found, told)
    return said, text_of(report.render(said, found.newest))


def test_the_page_says_what_the_numbers_say(current):
    said, page = shown(current, stored())
    (site,) = said["sites"].values()
    for night in site["nights"]:
        assert f"{night['sentence']}." in page
    record = said["track_record"]["kiruna"]
    assert f"{record['dark_hours']} dark hours in {record['nights']} nights" in page
    assert f"{record['by_lead'][0]['brier']:.3f}" in page
    assert "A forecast, not an observation" in page
    assert "model version 2" in page and "climatology: month and hour" in page
    assert sources.CREDITS["GFZ"] in page and sources.CREDITS["Open-Meteo"] in page


def test_the_summary_is_json_of_plain_values(current):
    said = json.loads(published.to_json(summed(current, stored())))
    assert said["issued_at"] == "2026-01-11T12:00:00+00:00" and said["run_date"] == "2026-01-11"
    assert said["model"]["version"] == 2 and said["model"]["recipe"] == "some-1"
    assert said["worthwhile"] == nights.WORTHWHILE and said["good"] == nights.GOOD
    assert said["freshness"]["newest_row"] == "2026-01-11T11:00:00+00:00"
    assert said["sites"]["kiruna"]["name"] == "Kiruna"
    assert [night["night"] for night in said["sites"]["kiruna"]["nights"]] == [
        "2026-01-11", "2026-01-12", "2026-01-13",
    ]  # fmt: skip


def test_real_forecasts_carry_no_warning(current):
    found = stored()
    said = summed(current, found)
    assert not said["is_synthetic"] and not said["hindsight"]
    assert 'class="warn"' not in report.render(said, found.newest).partition("<section")[0]


@pytest.mark.parametrize(
    ("changes", "flag", "words"),
    [
        ({"is_synthetic": True, "weather_from": "sample"}, "is_synthetic", "built-in sample"),
        ({"kp_from": "hindsight"}, "hindsight", "made in hindsight"),
        ({"weather_from": "Visual Crossing, in hindsight"}, "hindsight", "made in hindsight"),
    ],
)
def test_what_is_no_real_forecast_says_so_at_the_top(current, changes, flag, words):
    found = stored(**changes)
    said = summed(current, found)
    assert said[flag]
    top = text_of(report.render(said, found.newest).partition("<section")[0])
    assert words in top


def test_stale_sources_are_said_at_the_top(current):
    stale = "The newest of GFZ is for 2026-01-01 12:00 UTC, 240 hours old."
    told = [forecasting.told("Kp observed", "GFZ", "2026-01-01T12:00Z", stale)]
    found = stored()
    said = summed(current, found, told)
    assert stale in text_of(report.render(said, found.newest).partition("<section")[0])


def test_a_site_without_a_camera_has_no_record_and_says_so(current):
    said, page = shown(current, stored(sites=("kiruna", "abisko")))
    assert said["track_record"]["abisko"]["nights"] == 0
    cameras = {row["site"]: row for row in said["sources"] if row["what"] == "camera"}
    assert cameras["kiruna"]["stale"] == "" and cameras["kiruna"]["newest"] == "2026-01-11T05:00Z"
    assert cameras["abisko"]["stale"] == "No camera is known to watch the sky over Abisko."
    assert "Aurora over Kiruna and Abisko" in page
    assert "Abisko: no forecast has been scored yet" in page


def test_a_camera_that_has_long_been_blind_is_said(current):
    found = stored(days=9)
    blind = found.hours["aurora"].where(found.hours["valid_hour"] < NOON, "unknown")
    said = summed(
        current, summary.Stored(**{**vars(found), "hours": found.hours.assign(aurora=blind)})
    )
    assert (
        said["sources"][-1]["stale"]
        == "The camera has no picture of the last 8 days of dark hours."
    )


def test_the_sample_credits_nobody(current):
    found = stored(is_synthetic=True, weather_from="sample")
    assert summed(current, found)["credits"] == []


def test_weather_that_nobody_knows_leaves_cells_empty(current):
    _, page = shown(current, stored(cloud_cover=np.nan, icon="unknown", kp=np.nan, kp_low=np.nan))
    assert "cloud unknown" in page and "nan" not in page.lower()


def test_nights_without_darkness_have_a_page(current):
    found = stored(sun_altitude=10.0)
    _, page = shown(current, found)
    assert (
        "it does not get dark enough to see aurora" in page and "Tonight has no dark hour" in page
    )


def test_what_is_in_data_is_escaped(current):
    evil = "<script>alert(1)</script>"
    found = stored()
    said = summed(current, found, [forecasting.told("Kp forecast", evil, None, evil)])
    page = report.render(said, found.newest)
    assert "<script" not in page and "&lt;script&gt;" in page


def test_hours_are_marked_by_their_chance():
    table = rows_of(forecasts()).assign(probability=np.linspace(0, 1, 72))
    dark = table[nights.is_dark(table)]
    shown = report.hours_table(dark)
    assert shown["hour from"].tolist()[:2] == ["16:00", "17:00"]
    assert set(shown["verdict"]) == {"unlikely", "possible", "good"}
    first = shown.iloc[0].str.replace("\N{NO-BREAK SPACE}", " ")
    assert first["moon"] == "up, 40% lit" and first["Kp, likely"] == "2.0 to 4.0"
