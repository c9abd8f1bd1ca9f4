"""Kp, weather and labels come from the web, a folder or the sample, and say how old they are."""

import json
import logging
import subprocess
import sys
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from aurora import sources
from aurora.feeds import check, gfz, noaa, tables
from aurora.sites import SITES, find, sun_altitude
from fti import doctor, projects
from fti.errors import SourceError, SourceUnreachable, UserError
from tests.aurora import recorded
from tests.aurora.recorded import written

ROOT = Path(__file__).parents[2]
START = pd.Timestamp(recorded.START)
HOUR = pd.Timedelta(hours=1)


@pytest.fixture
def folder(tmp_path):
    """A folder in the shared formats."""
    (tmp_path / "kp.json").write_bytes(written(recorded.gfz_history(count=30)))
    (tmp_path / "hp60.json").write_bytes(written(recorded.gfz_history("Hp60", count=30)))
    times = pd.date_range(START, periods=48, freq="h").tz_convert("Europe/Stockholm")
    export = recorded.export(times.strftime("%Y-%m-%dT%H:%M:%S"))
    (tmp_path / "weather.csv").write_bytes(export)
    (tmp_path / "labels.json").write_bytes(written(recorded.labels()))
    return tmp_path


def at(monkeypatch, now):
    """Let it be `now`."""
    monkeypatch.setattr(sources, "_now", lambda when: tables.as_utc(when) or now)


def test_a_folder_holds_all_three_tables(folder):
    assert len(sources.read_kp(str(folder))) == 29
    assert set(sources.read_kp(str(folder), index="Hp60")["index"]) == {"Hp60"}
    assert len(sources.read_weather(str(folder))) == 48
    labels = sources.read_labels(str(folder))
    assert labels["time"][0] == pd.Timestamp("2021-01-01T12:00Z")
    assert labels["aurora"][:4].tolist() == ["no", "no", "yes", "no"]


def test_the_setting_names_the_folder(folder, monkeypatch):
    monkeypatch.setenv("AURORA_SOURCE", str(folder))
    table = sources.read_kp()
    assert table.attrs == {
        "origin": "kp.json",
        "newest": "2026-11-24T06:00Z",
        "stale": "",
    }


def test_bounds_are_from_and_before(folder):
    table = sources.read_kp(str(folder), "2026-11-21T00:00Z", "2026-11-21T06:00Z")
    assert table["time"].tolist() == [START + 6 * HOUR, START + 9 * HOUR]
    assert table.index.tolist() == [0, 1]
    day = sources.read_weather(str(folder), START.date(), START.date() + pd.Timedelta(days=1))
    assert len(day) == 6


@pytest.mark.parametrize("read", [sources.read_kp, sources.read_weather, sources.read_labels])
def test_a_range_without_rows_is_said(folder, read):
    with pytest.raises(SourceError, match="has nothing from 1999-01-01 00:00 to 1999-02-01 00:00"):
        read(str(folder), "1999-01-01", "1999-02-01")


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"kp\.json: there is no such file"):
        sources.read_kp(str(tmp_path))
    with pytest.raises(SourceError, match="none: there is no such folder"):
        sources.read_labels(str(tmp_path / "none"))


def test_labels_may_be_words_and_say_their_start():
    document = {"start": "2026-01-01T12:00:00Z", "labels": [1, "no", None, "unknown"]}
    table = sources.parse_labels(written(document), "labels.json")
    assert table["time"].iloc[-1] == pd.Timestamp("2026-01-01T15:00Z")
    assert table["aurora"].tolist() == ["yes", "no", "unknown", "unknown"]


def test_what_was_labelled_from_keograms_counts_first(folder):
    times = pd.date_range("2026-01-02T12:00Z", periods=2, freq="h")
    made = pd.DataFrame({"time": times, "aurora": ["unknown", "yes"], "score": [0.0, 0.9]})
    made.iloc[::-1].assign(image="20260102.png").to_parquet(folder / "labels.parquet")
    table = sources.read_labels(str(folder))
    assert table["aurora"].tolist() == ["unknown", "yes"]
    assert table.columns.tolist() == ["time", "aurora", "score"]
    assert table["time"].dtype == tables.UTC_TIME
    made.replace("yes", "maybe").to_parquet(folder / "labels.parquet")
    with pytest.raises(SourceError, match=r"labels.parquet: aurora has more than yes, no"):
        sources.read_labels(str(folder))


@pytest.mark.parametrize("data", [b"", b"PAR1", b"<html>", b"PAR1" + bytes(50) + b"PAR1"])
def test_another_file_is_no_table_of_labels(data):
    with pytest.raises(SourceError, match=r"^labels.parquet: this is no table of `aurora.labels`"):
        sources.parse_labelled(data, "labels.parquet")


@pytest.mark.parametrize("label", [2, True, 1.0, "maybe", [1]])
def test_another_label_is_refused(label):
    with pytest.raises(SourceError, match=r"^labels.json: label 1 is .*expected 0, 1 or null"):
        sources.parse_labels(written([0, label]), "labels.json")


def test_keograms_of_a_folder_are_labelled_where_it_has_no_labels(folder, picture, caplog):
    pictures = folder / "keograms"
    pictures.mkdir()
    (pictures / "20260110.png").write_bytes(picture([8, 9]))
    (pictures / "20260111.png").write_bytes(b"<html>")
    (pictures / "20260112.png").write_bytes(picture())
    assert sources.read_labels(str(folder)).attrs["origin"] == "labels.json"
    (folder / "labels.json").unlink()
    table = sources.read_labels(str(folder))
    assert len(table) == 72 and list(table)[:2] == ["time", "aurora"]
    assert table["time"].dtype == tables.UTC_TIME
    seen = table.loc[table["aurora"] == "yes", "time"].tolist()
    assert seen == [pd.Timestamp("2026-01-10T20:00Z"), pd.Timestamp("2026-01-10T21:00Z")]
    assert set(table["aurora"][24:48]) == {"unknown"}
    assert "20260111.png is an HTML page" in caplog.text
    night = sources.read_labels(str(folder), "2026-01-12T20:00Z", "2026-01-13T02:00Z")
    assert night["aurora"].tolist() == ["no"] * 6


def test_keograms_of_the_web_are_labelled_and_kept_for_two_weeks(web, picture, monkeypatch, caplog):
    at(monkeypatch, pd.Timestamp("2026-01-13T11:43Z"))
    for day in (11, 12):
        path = f"/2026/01/{day}/dark_keo202601{day}.gif"
        web.answer(path, picture([8]))
    kept = projects.home() / "cache" / "aurora" / "keograms"
    kept.mkdir(parents=True)
    for day in (20251229, 20251230):
        (kept / f"{day}.png").write_bytes(picture())

    table = sources.read_labels("web", "2026-01-10T12:00Z", "2026-01-13T12:00Z", retries=0)

    assert [path.name for path in sorted(kept.iterdir())] == [
        "20251230.png",
        "20260111.png",
        "20260112.png",
    ]
    assert len(table) == 72  # to the hour that it is now
    assert (table["aurora"] == "yes").sum() == 2
    assert set(table["aurora"][:24]) == {"unknown"}
    told = [line for line in caplog.messages if "keogram" in line]
    assert len(told) == 1 and told[0].startswith("1 of 3 nights have no keogram and stay unknown")
    assert table.attrs["newest"] == "2026-01-13T06:00Z"  # by day nothing is known


def test_nights_that_are_known_or_never_dark_are_not_asked_for(web, monkeypatch):
    at(monkeypatch, pd.Timestamp("2026-01-13T12:00Z"))
    known = {date(2026, 1, 10), date(2026, 1, 12)}
    sources.read_labels("web", "2026-01-10T12:00Z", known=known, retries=0)
    assert [asked.path for asked in web.asked] == ["/2026/01/11/dark_keo20260111.gif"]
    at(monkeypatch, pd.Timestamp("2026-07-10T12:00Z"))
    sources.read_labels("web", "2026-06-10", retries=0)
    assert len(web.asked) == 1


def test_a_night_is_asked_for_when_its_last_dark_hour_is_over():
    kiruna, start = find("kiruna"), pd.Timestamp("2026-01-10T12:00Z")
    nights = sources.dark_nights(kiruna, start, pd.Timestamp("2026-01-12T11:43Z"))
    assert nights == [date(2026, 1, 10), date(2026, 1, 11)]
    assert sources.dark_nights(kiruna, start, pd.Timestamp("2026-01-12T06:00Z")) == nights[:1]


def test_an_archive_without_pictures_is_not_asked_for_a_whole_year(web, monkeypatch, caplog):
    at(monkeypatch, pd.Timestamp("2026-03-10T12:00Z"))
    table = sources.read_labels("web", "2025-12-10T12:00Z", retries=0)
    assert len(web.asked) == sources.PATIENCE
    assert web.asked[0].path == "/2026/03/09/dark_keo20260309.gif"
    assert "90 of 90 nights have no keogram" in caplog.text and "status 404" in caplog.text
    assert set(table["aurora"]) == {"unknown"} and table.attrs["newest"] == ""


def test_an_archive_that_is_out_of_service_is_asked_once(web, monkeypatch):
    at(monkeypatch, pd.Timestamp("2026-03-10T12:00Z"))
    web.answer("/2026/03/09/dark_keo20260309.gif", status=503)
    sources.read_labels("web", "2026-03-01T12:00Z", retries=0)
    assert len(web.asked) == 1


def test_a_site_without_a_camera_has_no_labels_on_the_web(web, monkeypatch):
    at(monkeypatch, pd.Timestamp("2026-03-10T12:00Z"))
    table = sources.read_labels("web", "2026-03-01", site="tromso", retries=0)
    assert set(table["aurora"]) == {"unknown"} and not web.asked


def test_a_run_stands_for_the_noon_of_its_date(web):
    for source in ("web", "sample"):
        noon = sources.noon_of(source, date(2026, 11, 21))
        assert noon == pd.Timestamp("2026-11-21T12:00Z")
    assert sources.noon_of("sample", "2026-11-21T18:00Z") == noon


def test_a_folder_of_history_keeps_72_hours_for_a_forecast(season_folder, caplog):
    folder = season_folder("2025-09-01", "2025-09-11")  # weather to 10 September 24:00 UTC
    with caplog.at_level(logging.INFO):
        assert sources.noon_of(folder, "2026-11-21") == pd.Timestamp("2025-09-07T12:00Z")
    assert "ends at 2025-09-11 00:00 UTC, so this run stands for 2025-09-07 12:00" in caplog.text
    caplog.clear()
    assert sources.noon_of(folder, "2025-09-06") == pd.Timestamp("2025-09-06T12:00Z")
    assert not caplog.text
    noon = sources.noon_of(folder, "2025-09-20")
    for read in (sources.read_kp_forecast, sources.read_weather_forecast):
        table = read(folder, noon)
        hours = table["hours"].iloc[-1] if "hours" in table else 1
        assert table["time"].iloc[-1] + hours * HOUR == noon + 72 * HOUR


def test_a_folder_with_forecasts_stands_for_its_date(folder):
    (folder / "weather_forecast.json").write_bytes(written(recorded.open_meteo()))
    (folder / "kp_forecast.json").write_bytes(written(recorded.gfz_forecast()))
    noon = sources.noon_of(str(folder), START.date())
    assert noon == pd.Timestamp("2026-11-20T12:00Z")


def test_the_web_is_asked_for_nothing_later_than_now(web, monkeypatch):
    at(monkeypatch, START + 15 * HOUR)
    web.answer("/aurora.feeds.gfz/HISTORY_URL", written(recorded.gfz_history()))
    table = sources.read_kp("web", START, START + 99 * HOUR, retries=0)
    assert len(table) == 5
    assert table.attrs["origin"] == "GFZ"
    assert table.attrs["stale"] == ""
    assert "end=2026-11-21T08:59:59Z" in web.asked[0].path


def test_noaa_is_asked_when_gfz_does_not_answer(web, monkeypatch, caplog):
    at(monkeypatch, START + 40 * HOUR)
    web.answer("/aurora.feeds.noaa/OBSERVED_URL", written(recorded.noaa_observed()))
    with caplog.at_level(logging.INFO):
        table = sources.read_kp("web", START - 24 * HOUR, retries=0)
    assert table.attrs["origin"] == "NOAA"
    assert "NOAA has nothing before 2026-11-20 18:00 UTC." in caplog.text
    assert "GFZ is of no use now: " in caplog.text
    assert table.attrs["stale"] == ("The newest of NOAA is for 2026-11-21 06:00 UTC, 28 hours old.")
    assert table.attrs["stale"] in caplog.text


def test_what_was_asked_a_moment_ago_is_not_asked_again(web, monkeypatch):
    at(monkeypatch, START + 15 * HOUR)
    web.answer("/aurora.feeds.gfz/HISTORY_URL", written(recorded.gfz_history()))
    for _ in range(2):
        sources.read_kp("web", START, retries=0)
    assert len(web.asked) == 1


def test_without_any_service_the_way_out_is_the_sample(web):
    with pytest.raises(
        SourceUnreachable, match=r"status 404.*status 404.*--source sample"
    ) as caught:
        sources.read_kp("web", retries=0)
    assert caught.value.exit_code == 69


def test_a_service_that_sends_something_else_is_no_lost_network(web):
    web.answer("/aurora.feeds.open_meteo/HISTORY_URL", b"<html>maintenance</html>")
    with pytest.raises(SourceError, match="this is a web page") as caught:
        sources.read_weather("web", retries=0)
    assert caught.value.exit_code == 1


def test_the_forecast_of_kp_begins_with_the_hour_it_is_issued_in(web, monkeypatch):
    at(monkeypatch, START + 1.1 * HOUR)
    web.answer("/hp60", written(recorded.gfz_forecast()))
    table = sources.read_kp_forecast("web", retries=0)
    assert table["time"].iloc[0] == START + HOUR
    assert len(table) == 72
    assert set(table["issued_at"]) == {START + HOUR}
    assert table.attrs["stale"] == ""


def test_an_old_forecast_is_said_to_be_stale(web, monkeypatch):
    at(monkeypatch, START + 25 * HOUR)
    web.answer("/hp60", written(recorded.gfz_forecast()))
    table = sources.read_kp_forecast("web", retries=0)
    assert table.attrs["stale"] == "The newest of GFZ is issued 2026-11-20 19:00 UTC, 24 hours old."


def test_met_norway_is_asked_for_weather_when_open_meteo_does_not_answer(web, monkeypatch):
    at(monkeypatch, START)
    web.answer("/aurora.feeds.met_norway/FORECAST_URL", written(recorded.met_norway(60)))
    with pytest.raises(SourceUnreachable, match="open_meteo"):
        sources.read_weather_forecast("web", retries=0)
    monkeypatch.setenv("MET_NORWAY_CONTACT", "someone@example.org")
    table = sources.read_weather_forecast("web", retries=0)
    assert table.attrs["origin"] == "MET Norway"
    assert len(table) == 60


def test_a_folder_without_forecasts_gives_hindsight_and_says_so(folder):
    issued_at = START + 4 * HOUR
    kp = sources.read_kp_forecast(str(folder), issued_at)
    assert set(kp["status"]) == {"hindsight"}
    assert kp["time"].iloc[0] == START + 3 * HOUR
    assert {"low", "high"} <= set(kp)
    weather = sources.read_weather_forecast(str(folder), issued_at)
    assert set(weather["source"]) == {"visual-crossing, in hindsight"}
    assert set(weather["issued_at"]) == {issued_at}
    assert len(weather) == 44


def test_a_folder_may_hold_forecasts(folder):
    (folder / "weather_forecast.json").write_bytes(written(recorded.open_meteo()))
    weather = sources.read_weather_forecast(str(folder), START + 2 * HOUR)
    assert set(weather["source"]) == {"open-meteo"}
    assert len(weather) == 46
    for document, count in ((recorded.gfz_forecast(), 72), (recorded.noaa_forecast(), 5)):
        (folder / "kp_forecast.json").write_bytes(written(document))
        assert len(sources.read_kp_forecast(str(folder), START + HOUR)) == count


def test_all_tables_of_the_sample_have_the_columns_of_real_ones(folder):
    start, end = "2026-01-01", "2026-01-03"
    for read in (sources.read_kp, sources.read_weather, sources.read_labels):
        real, sample = read(str(folder)), read("sample", start, end)
        assert set(real) <= set(sample)
        assert sample[list(real)].dtypes.equals(real.dtypes)
    issued_at = START + HOUR
    for read in (sources.read_kp_forecast, sources.read_weather_forecast):
        real, sample = read(str(folder), issued_at), read("sample", issued_at)
        assert sample[list(real)].dtypes.equals(real.dtypes)
        assert len(sample) == 72


def test_tables_can_be_stored_with_what_they_say_of_themselves(folder, tmp_path):
    sources.read_kp(str(folder)).to_parquet(tmp_path / "kp.parquet")
    assert pd.read_parquet(tmp_path / "kp.parquet").attrs["stale"] == ""


def test_a_check_tells_what_each_service_answers(web, monkeypatch):
    monkeypatch.setenv("MET_NORWAY_CONTACT", "someone@example.org")
    web.answer("/aurora.feeds.noaa/OBSERVED_URL", written(recorded.noaa_observed()))
    web.answer("/aurora.feeds.met_norway/FORECAST_URL", b'{"type": "Feature"}')
    answers = {answer.service: answer for answer in check.ask_all(SITES["kiruna"])}
    assert answers["NOAA Kp"] == check.Answer(
        *("Kp", "NOAA Kp", True, True, False),
        newest="2026-11-21 06:00",
        note="stale: 2026-11-21 06:00 UTC",
    )
    assert (answers["GFZ Kp"].reachable, answers["GFZ Kp"].as_documented) == (True, False)
    assert "there is no 'properties'" in answers["MET Norway"].note
    assert answers["Visual Crossing"].note == "not asked, VISUALCROSSING_API_KEY is not set"
    assert answers["IRF"].note.endswith("check the address.")
    assert not check.served(list(answers.values()))


def test_each_need_is_served_by_one_service_that_answers():
    good, bad, unasked = (check.Answer("Kp", "x", *[known] * 3) for known in (True, False, None))
    stale = check.Answer("Kp", "z", True, True, False)
    assert check.served([good, bad, unasked, stale])
    assert not check.served([bad, unasked, stale])
    assert not check.served([good, check.Answer("weather", "y", True, False)])


def test_the_command_says_what_a_source_holds(folder):
    done = subprocess.run(
        [sys.executable, "-m", "aurora.sources", "--source", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "kp: 29 rows, 2026-11-20 18:00 to 2026-11-24 06:00 UTC",
        "weather: 48 rows, 2026-11-20 18:00 to 2026-11-22 17:00 UTC",
        "labels: 48 rows, 2021-01-01 12:00 to 2021-01-03 11:00 UTC",
    ]


def test_the_doctor_knows_addresses_that_answer_as_they_are(monkeypatch):
    monkeypatch.setattr(doctor, "use_cases", lambda: ["aurora"])
    found = [url for _, url in doctor.source_addresses()]
    assert found == [gfz.FORECAST_URLS["Hp60"], noaa.FORECAST_URL]


def test_the_sun_stands_where_almanacs_say():
    times = pd.to_datetime(["2026-06-21T10:40Z", "2026-12-21T10:36Z", "2026-03-20T22:45Z"])
    high, low, night = sun_altitude(find("kiruna"), times)
    assert high == pytest.approx(90 - 67.84 + 23.44, abs=0.05)
    assert low == pytest.approx(90 - 67.84 - 23.44, abs=0.05)
    assert night == pytest.approx(67.84 - 90, abs=0.3)


def test_a_site_that_is_not_in_the_table_is_named():
    with pytest.raises(UserError, match="no site 'oslo': take one of kiruna, abisko"):
        sources.read_weather("sample", site="oslo")


def test_the_shared_folder_lines_up(shared):
    kp, weather, labels = (
        read(str(shared)) for read in (sources.read_kp, sources.read_weather, sources.read_labels)
    )
    assert (len(kp), len(weather), len(labels)) == (2296, 6887, 6876)
    assert (labels["aurora"] == "yes").sum() == sum(
        json.loads((shared / "labels.json").read_text())
    )
    both = labels.merge(weather, on="time")
    lit = both[both["aurora"] == "yes"]
    assert len(both) == 6874
    assert sun_altitude(find("kiruna"), lit["time"] + HOUR / 2).max() < -3
