"""A day stores the hours before its noon; what is stored is revised, and never gets worse."""

import json
import logging
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import fti
from aurora import feature_pipeline, features, sample, sources
from aurora.feeds import tables
from aurora.sites import SITES
from fti import rows, runs
from fti.errors import SourceError, SourceUnreachable, UserError
from fti.quality import DataError
from tests.aurora import recorded
from tests.aurora.recorded import written

KIRUNA = SITES["kiruna"]
START = "2025-09-01"
FIRST, SECOND = "2025-09-20", "2025-09-21"
HOUR = features.HOUR


@pytest.fixture
def folder(season_folder, home):
    """September 2025 of the sample, in the shared formats."""
    return season_folder(START, "2025-10-01")


def run(source, day, **options):
    feature_pipeline.main(source, date.fromisoformat(day), **options)


def stored():
    """Every row, by site and hour."""
    table = features.in_utc(rows.stored(fti.login().get_feature_store(), "aurora_hours"))
    return table.sort_values(["site", "valid_hour"], ignore_index=True)


def commits():
    group = fti.login().get_feature_store().get_feature_group("aurora_hours", version=1)
    return len(group.commit_details())


def last_run():
    return runs.recent(fti.login(), 1).iloc[0]


def change(folder, name, key, values):
    """Change values of a file of the folder by their place."""
    path = Path(folder) / name
    document = json.loads(path.read_text())
    for place, value in values.items():
        document[key][place] = value
    path.write_text(json.dumps(document))


def place_of(hour):
    """The place of an hour in the lists of the folder's files."""
    return int((pd.Timestamp(hour, tz="UTC") - pd.Timestamp(START, tz="UTC")) / HOUR)


def test_the_first_day_stores_each_hour_before_noon(folder):
    run(folder, FIRST)
    table = stored()
    noon = pd.Timestamp(f"{FIRST}T12:00Z")
    hours = pd.date_range(pd.Timestamp(START, tz="UTC"), noon, freq="h", inclusive="left")
    assert table["valid_hour"].tolist() == list(hours)
    assert set(table["source"]) == {"folder"} and set(table["site"]) == {"kiruna"}
    end = noon + HOUR
    start = pd.Timestamp(START, tz="UTC")
    kp, weather = sample.kp(start, noon), sample.weather(start, end, KIRUNA)
    expected = features.build_features(
        "kiruna", hours, kp, weather, features.observed_at(hours), sample.labels(start, end, KIRUNA)
    )
    layers = ["cloud_low", "cloud_mid", "cloud_high"]  # which a folder has not
    expected[layers] = np.nan
    assert_frame_equal(table[list(expected)], expected, atol=2e-3)  # the files are rounded
    assert (last_run()["rows_in"], last_run()["rows_out"]) == (len(hours), len(hours))


def test_a_day_run_again_adds_no_rows(folder):
    run(folder, FIRST)
    before = stored()
    run(folder, FIRST)
    assert_frame_equal(stored(), before)
    assert commits() == 1 and last_run()["rows_out"] == 0


def test_the_next_day_adds_its_24_hours_and_changes_none(folder):
    run(folder, FIRST)
    before = stored()
    run(folder, SECOND)
    after = stored()
    assert_frame_equal(after.head(len(before)), before)
    assert len(after) == len(before) + 24 and last_run()["rows_out"] == 24


def test_days_that_were_left_out_are_caught_up(folder):
    run(folder, FIRST)
    run(folder, "2025-09-24")
    caught_up = stored()
    group = fti.login().get_feature_store().get_feature_group("aurora_hours", version=1)
    group.delete()
    run(folder, "2025-09-24")
    assert_frame_equal(caught_up, stored())


def test_an_earlier_day_run_later_takes_nothing_away(folder):
    run(folder, SECOND)
    before = stored()
    run(folder, FIRST)
    assert_frame_equal(stored(), before)


def test_revised_kp_and_labels_of_the_last_ten_days_are_stored(folder):
    run(folder, FIRST)
    night = "2025-09-15T21:00"
    change(folder, "kp.json", "Kp", {place_of(night) // 3: 9.0})
    change(folder, "labels.json", "labels", {place_of(night): "yes", place_of(night) + 1: "no"})
    run(folder, FIRST)
    table = stored().set_index("valid_hour")
    at = pd.Timestamp(night, tz="UTC")
    assert table["kp"][at] == table["kp_max_12h"][at + 11 * HOUR] == 9.0
    assert table["aurora"][[at, at + HOUR]].tolist() == ["yes", "no"]


def test_older_hours_are_read_again_when_asked_for(folder):
    run(folder, FIRST)
    change(folder, "kp.json", "Kp", {place_of("2025-09-08") // 3: 8.667})
    run(folder, FIRST)
    assert stored()["kp"].max() < 8
    run(folder, FIRST, since="2025-09-07")
    assert stored()["kp"].max() == 8.667
    with pytest.raises(UserError, match="--since 2025-09-20 is not before 2025-09-19 12:00 UTC"):
        run(folder, "2025-09-19", since="2025-09-20")


def test_labels_are_never_unlearned(folder):
    run(folder, FIRST)
    before = stored()
    assert (before["aurora"] == "yes").any()
    forgotten = dict.fromkeys(range(place_of("2025-09-12"), place_of(FIRST)), "unknown")
    change(folder, "labels.json", "labels", forgotten)
    run(folder, FIRST)
    assert_frame_equal(stored(), before)


def test_hours_that_no_label_is_about_are_unknown(folder):
    document = {"start": "2025-09-01T00:00:00Z", "labels": ["no"] * 24}
    (Path(folder) / "labels.json").write_text(json.dumps(document))
    run(folder, "2025-09-12", since="2025-09-05")
    assert set(stored()["aurora"]) == {"unknown"}


def test_nights_of_a_season_without_a_camera_stay_unknown_day_by_day():
    hours = pd.date_range("2025-08-01T12:00Z", periods=40 * 24, freq="h", unit="us")
    states = np.where(np.arange(len(hours)) == 9, "yes", "no")
    known = pd.DataFrame({"valid_hour": hours[:-24], "aurora": states[:-24]})
    labels = tables.label_table(hours[-24:], states[-24:])
    seen = feature_pipeline.seen_so_far(labels, known, hours[-24:], KIRUNA)
    assert set(seen[8:13]) == {"unknown"} and seen[0] == "no"
    short = feature_pipeline.seen_so_far(labels, known.tail(48), hours[-24:], KIRUNA)
    assert set(short) == {"no"}


def test_a_stand_in_service_that_knows_few_days_spoils_no_stored_row():
    start, end = (pd.Timestamp(day, tz="UTC") for day in (START, FIRST))
    hours = pd.date_range(end - 10 * 24 * HOUR, end, freq="h", unit="us", inclusive="left")
    kp, weather = sample.kp(start, end), sample.weather(start, end, KIRUNA)
    issued = features.observed_at(hours)
    known = features.build_features("kiruna", hours, kp, weather, issued).assign(aurora="no")
    few = kp[kp["time"] >= end - 9 * 24 * HOUR].assign(value=9.0).reset_index(drop=True)
    poor = features.build_features("kiruna", hours, few, weather, issued)
    found = feature_pipeline.keep_better(poor, known, few, weather)
    assert_frame_equal(found.head(147), known[list(poor)].head(147))
    assert (found["kp_mean_24h"].tail(93) == 9).all()
    nothing_known = feature_pipeline.keep_better(poor, pd.DataFrame(), few, weather)
    assert_frame_equal(nothing_known, poor)


# Sample and sites


def test_the_sample_never_meets_real_hours(folder, monkeypatch):
    run(folder, FIRST)
    with pytest.raises(UserError, match=r"holds real hours, .* gives the sample's.*FTI_PROJECT"):
        run("sample", FIRST)
    monkeypatch.setenv("FTI_PROJECT", "other")
    run("sample", FIRST, since="2025-09-18")
    with pytest.raises(UserError, match=r"holds the sample's hours, .* gives real ones"):
        run(folder, FIRST)
    assert set(stored()["source"]) == {"sample"}


def test_several_sites_are_stored_side_by_side(home):
    run("sample", FIRST, since="2025-09-19", site=["kiruna", "tromso"])
    table = stored()
    assert table["site"].value_counts().to_dict() == {"kiruna": 36, "tromso": 36}
    run("sample", FIRST, since="2025-09-19", site=["kiruna", "tromso"])
    assert_frame_equal(stored(), table)
    with pytest.raises(UserError, match="no site 'oslo'"):
        run("sample", FIRST, site=["oslo"])


def test_a_folder_is_of_one_site(folder):
    with pytest.raises(UserError, match="A folder holds one site, and --site names kiruna, abisko"):
        run(folder, FIRST, site=["kiruna", "abisko"])


# What goes wrong


def test_a_damaged_file_stores_nothing(folder):
    run(folder, FIRST)
    before = stored()
    path = Path(folder) / "weather.csv"
    path.write_text(path.read_text().replace(",clear-", ",sunny-"))
    with pytest.raises(SourceError, match=r"weather.csv: icon has 'sunny-"):
        run(folder, SECOND)
    assert_frame_equal(stored(), before)
    assert last_run()["status"] == "failure"


def test_tables_of_different_times_are_one_sentence(folder):
    kp, weather = sample_tables("2025-09-01", "2025-09-03"), sample_tables("2025-09-05")
    start, noon = (pd.Timestamp(day, tz="UTC") for day in ("2025-09-01", "2025-09-20"))
    with pytest.raises(SourceError, match=r"no hour from .* with both Kp and weather"):
        feature_pipeline.observed_hours(kp[0], weather[1], start, noon)


def sample_tables(start, end="2025-09-10"):
    start, end = (pd.Timestamp(day, tz="UTC") for day in (start, end))
    return sample.kp(start, end), sample.weather(start, end, KIRUNA)


def test_an_impossible_value_is_not_stored(home):
    start, end = (pd.Timestamp(day, tz="UTC") for day in (START, "2025-09-02"))
    hours = pd.date_range(start, end, freq="h", unit="us", inclusive="left")
    kp, weather = sample_tables(START)
    issued = features.observed_at(hours)
    table = features.build_features("kiruna", hours, kp, weather.assign(cloud_cover=500.0), issued)
    table = table.assign(aurora="maybe", source="web")
    store = fti.login().get_feature_store()
    with pytest.raises(DataError, match="aurora hours fails") as caught:
        feature_pipeline.store_hours(store, table, pd.DataFrame())
    assert "cloud_cover: in_range" in str(caught.value) and "maybe" in str(caught.value)
    assert store.get_feature_group("aurora_hours", version=1) is None


# The web


@pytest.fixture
def now(monkeypatch):
    """It is 21 November 2026, 11:43 UTC."""
    moment = pd.Timestamp("2026-11-21T11:43Z")
    monkeypatch.setattr(sources, "_now", lambda when: tables.as_utc(when) or moment)
    return moment


@pytest.fixture
def answering(web, now, home, picture):
    """Services that answer from 18:00 the day before on, and the keogram of that night."""
    web.answer("/aurora.feeds.gfz/HISTORY_URL", written(recorded.gfz_history()))
    web.answer("/aurora.feeds.open_meteo/HISTORY_URL", written(recorded.open_meteo()))
    web.answer("/2026/11/20/dark_keo20261120.gif", picture([8]))
    return web


def asked(web, what):
    return sum(what in request.path for request in web.asked)


def test_the_web_s_hours_end_with_what_is_observed(answering):
    run("web", "2026-11-21", since="2026-11-20")
    table = stored()
    hours = table["valid_hour"].iloc[[0, -1]].tolist()
    assert hours == [pd.Timestamp("2026-11-20T18:00Z"), pd.Timestamp("2026-11-21T08:00Z")]
    assert table.loc[table["aurora"] == "yes", "valid_hour"].dt.hour.tolist() == [20]
    assert set(table["source"]) == {"web"}


def test_a_night_that_is_labelled_is_not_downloaded_again(answering):
    run("web", "2026-11-21", since="2026-11-20")
    before = stored()
    run("web", "2026-11-21", since="2026-11-20")
    assert asked(answering, "20261120") == 1
    assert_frame_equal(stored(), before)


def test_missing_keograms_do_not_fail_a_run(answering, caplog):
    answering.answer("/2026/11/20/dark_keo20261120.gif", status=404)
    with caplog.at_level(logging.WARNING):
        run("web", "2026-11-21", since="2026-11-20")
    assert set(stored()["aurora"]) == {"unknown"}
    assert sum("have no keogram" in line for line in caplog.messages) == 1


@pytest.mark.parametrize("missing", ["gfz", "open_meteo"])
def test_without_kp_or_weather_the_run_fails_and_names_the_sample(answering, missing, monkeypatch):
    answering.answer(f"/aurora.feeds.{missing}/HISTORY_URL", status=404)
    with pytest.raises(SourceUnreachable, match="--source sample"):
        run("web", "2026-11-21", since="2026-11-20")
    assert fti.login().get_feature_store().get_feature_group("aurora_hours", version=1) is None
    assert last_run()["status"] == "failure"
    assert asked(answering, "dark_keo") == 0


def test_where_the_web_is_away_a_project_of_the_sample_is_told_so_and_not_that_it_is_one(web):
    run("sample", "2026-11-20", since="2026-11-15")
    before = stored()
    with pytest.raises(SourceUnreachable, match="--source sample"):
        run("web", "2026-11-21")
    assert_frame_equal(stored(), before)
