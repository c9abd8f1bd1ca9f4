"""Weather as three providers write it becomes one table with the seed's nine icons."""

import numpy as np
import pandas as pd
import pytest

from aurora.feeds import met_norway, open_meteo, tables, visual_crossing
from aurora.sites import SITES
from fti.errors import SourceError, SourceUnreachable
from tests.aurora import recorded
from tests.aurora.recorded import written

KIRUNA = SITES["kiruna"]
START = pd.Timestamp(recorded.START)
COLUMNS = ["time", *tables.WEATHER, "icon", "source", "issued_at"]


def parse_open_meteo(document):
    return open_meteo.parse(written(document), "open-meteo", KIRUNA)


def parse_export(times):
    return visual_crossing.parse_csv(recorded.export(times), "weather.csv", KIRUNA)


def local(first, count):
    """Give what the clock in Kiruna shows at consecutive hours."""
    times = pd.date_range(first, periods=count, freq="h", tz="UTC")
    return times.tz_convert("Europe/Stockholm").strftime("%Y-%m-%dT%H:%M:%S")


def test_open_meteo_is_in_our_units():
    table = parse_open_meteo(recorded.open_meteo())
    assert table.columns.tolist() == COLUMNS
    first = table.iloc[0]
    assert first["time"] == START
    assert (first["cloud_cover"], first["cloud_high"], first["wind_ms"]) == (40, 30, 3.4)
    assert first["visibility_km"] == pytest.approx(24.14)
    assert first["icon"] == "partly-cloudy-night"
    assert pd.isna(first["issued_at"])


def test_open_meteos_old_names_are_read():
    document = recorded.open_meteo()
    for part in ("hourly", "hourly_units"):
        document[part] = {open_meteo._old(name): v for name, v in document[part].items()}
    assert {"cloudcover_low", "relativehumidity_2m", "windspeed_10m"} <= set(document["hourly"])
    pd.testing.assert_frame_equal(
        parse_open_meteo(document), parse_open_meteo(recorded.open_meteo())
    )


def test_what_open_meteo_does_not_know_is_nan_and_hours_of_nothing_end_the_table():
    document = recorded.open_meteo(10)
    document["hourly"]["visibility"] = [None] * 10
    document["hourly"]["snowfall"][0] = 9999
    for name in open_meteo.FIELDS:
        document["hourly"][name][8:] = [None, None]
    table = parse_open_meteo(document)
    assert len(table) == 8
    assert table["visibility_km"].isna().all()
    assert np.isnan(table["snowfall_cm"][0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(error=True, reason="No data"), "the service says 'No data'"),
        (lambda d: d.update(utc_offset_seconds=3600), "ask for timezone=GMT"),
        (lambda d: d["hourly_units"].update(visibility="ft"), "visibility is in 'ft'"),
        (lambda d: d["hourly_units"].update(wind_speed_10m="km/h"), "wind_speed_10m is in"),
        (lambda d: d["hourly"].pop("visibility"), "there is no 'visibility'"),
        (lambda d: d["hourly"]["time"].pop(), "different lengths"),
        (lambda d: d["hourly"]["time"].reverse(), "not in order"),
        (lambda d: d["hourly"]["time"].__setitem__(1, "2026-11-20T20:00"), "not complete"),
        (lambda d: d["hourly"]["cloud_cover"].__setitem__(0, 101), "cloud_cover has 101"),
        (
            lambda d: d["hourly"].update(cloud_cover=[None] * 48),
            "cloud_cover has no value at all",
        ),
    ],
)
def test_open_meteo_that_is_not_as_documented_is_refused(change, said):
    document = recorded.open_meteo()
    change(document)
    with pytest.raises(SourceError, match=f"^open-meteo: .*{said}"):
        parse_open_meteo(document)


def test_open_meteo_is_asked_for_greenwich_time_and_metres_a_second(service, monkeypatch):
    url = service.answer("/v1/forecast", written(recorded.open_meteo()))
    monkeypatch.setattr(open_meteo, "HISTORY_URL", url)
    end = START + pd.Timedelta(hours=12)
    assert len(open_meteo.history(KIRUNA, START, end, retries=0)) == 12
    path = service.asked[0].path
    assert "latitude=67.84&longitude=20.41&hourly=cloud_cover,cloud_cover_low" in path
    assert "timezone=GMT&wind_speed_unit=ms&start_date=2026-11-20&end_date=2026-11-21" in path


def test_met_norways_hourly_steps_are_the_table():
    table = met_norway.parse(written(recorded.met_norway(50)), "met", KIRUNA)
    assert table.columns.tolist() == COLUMNS
    assert len(table) == 50
    first = table.iloc[0]
    assert (first["cloud_cover"], first["cloud_mid"], first["precipitation_mm"]) == (62.5, 30, 0.2)
    assert first["icon"] == "snow"
    assert np.isnan(first["visibility_km"])
    assert first["issued_at"] == pd.Timestamp("2026-11-20T17:21:09Z")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p["meta"]["units"].update(air_temperature="K"), "air_temperature is in 'K'"),
        (lambda p: p["meta"].pop("updated_at"), "there is no 'updated_at'"),
        (lambda p: p["timeseries"].reverse(), "not in order"),
        (lambda p: p["timeseries"][0].update(time="2026-11-20T18:00:00+01:00"), "not UTC"),
        (
            lambda p: p["timeseries"][3]["data"]["instant"]["details"].pop("cloud_area_fraction"),
            "cloud_area_fraction is missing",
        ),
    ],
)
def test_met_norway_that_is_not_as_documented_is_refused(change, said):
    document = recorded.met_norway()
    change(document["properties"])
    with pytest.raises(SourceError, match=f"^met: .*{said}"):
        met_norway.parse(written(document), "met", KIRUNA)


def test_met_norway_is_told_who_asks(service, monkeypatch):
    url = service.answer("/complete", written(recorded.met_norway()))
    monkeypatch.setattr(met_norway, "FORECAST_URL", url)
    with pytest.raises(SourceError, match="set MET_NORWAY_CONTACT"):
        met_norway.forecast(KIRUNA, retries=0)
    assert service.asked == []
    monkeypatch.setenv("MET_NORWAY_CONTACT", "someone@example.org")
    met_norway.forecast(KIRUNA, retries=0)
    assert service.asked[0].path == "/complete?lat=67.8400&lon=20.4100"
    assert service.asked[0].headers["User-Agent"].endswith("someone@example.org")


def test_visual_crossings_api_counts_in_epochs():
    table = visual_crossing.parse_api(written(recorded.visual_crossing()), "vc", KIRUNA)
    assert len(table) == 48
    first = table.iloc[0]
    assert first["time"] == pd.Timestamp("2026-11-20T00:00Z")
    assert first["wind_ms"] == pytest.approx(2.0)
    assert first["icon"] == "partly-cloudy-night"
    assert np.isnan(first["precipitation_mm"])


def test_visual_crossings_key_is_needed_and_stays_secret(service, monkeypatch):
    ends = START, START + pd.Timedelta(hours=1)
    with pytest.raises(SourceError, match="set VISUALCROSSING_API_KEY"):
        visual_crossing.between(KIRUNA, *ends)
    monkeypatch.setenv("VISUALCROSSING_API_KEY", "s3cret")
    monkeypatch.setattr(visual_crossing, "URL", f"{service.address}/timeline")
    with pytest.raises(SourceUnreachable) as caught:
        visual_crossing.between(KIRUNA, *ends, retries=0)
    assert "s3cret" not in str(caught.value)
    path = "/timeline/67.84,20.41/2026-11-20/2026-11-20"
    assert service.asked[0].path.startswith(f"{path}?unitGroup=metric&include=hours&timezone=Z")
    service.answer(path, written(recorded.visual_crossing()))
    assert len(visual_crossing.between(KIRUNA, *ends, retries=0)) == 1


@pytest.mark.parametrize(
    ("first", "skipped", "twice"),
    [("2021-03-27 20:00", "2021-03-28T02", None), ("2021-10-30 20:00", None, "2021-10-31T02")],
)
def test_rows_of_an_export_are_consecutive_hours_when_clocks_change(first, skipped, twice):
    clocks = local(first, 12)
    shown = [clock[:13] for clock in clocks]
    assert skipped not in shown
    assert twice is None or shown.count(twice) == 2
    table = parse_export(clocks)
    assert table["time"].tolist() == list(pd.date_range(first, periods=12, freq="h", tz="UTC"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t[:5] + t[6:], "row 6 has datetime .*expected .*clock of Europe/Stockholm"),
        (lambda t: t[::-1], "row 2 has datetime"),
        (lambda t: [*t[:5], t[4], *t[5:]], "row 6 has datetime"),
        (lambda t: [time + "Z" for time in t], "row 1 has .*expected a local time"),
        (lambda t: ["2021-03-28T02:30:00"], "row 1 has .*expected a local time"),
    ],
)
def test_an_export_with_lost_doubled_or_mixed_rows_is_refused(change, said):
    with pytest.raises(SourceError, match=f"^weather.csv: {said}"):
        parse_export(change(list(local("2021-03-27 20:00", 12))))


def test_an_export_in_utc_is_refused_when_a_clock_change_is_in_it():
    times = pd.date_range("2021-03-27 20:00", periods=12, freq="h")
    with pytest.raises(SourceError, match="by the clock of Europe/Stockholm"):
        parse_export(times.strftime("%Y-%m-%dT%H:%M:%S"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b",Overcast", b",Overcast", "row 1 has 13 values"),
        (b"cloudcover", b"clouds", "0 columns cloudcover"),
        (b",snow\r", b",hail\r", "icon has 'hail'"),
        (b",100,2,", b",wide,2,", "cloudcover has 'wide'"),
        (b'"Snow, Overcast",snow\r\n', b'"Snow', "cut off"),
    ],
)
def test_an_export_that_is_not_as_documented_is_refused(old, new, said):
    data = recorded.export(local("2021-03-27 20:00", 1))
    data = data.replace(b'"', b"") if "13 values" in said else data.replace(old, new)
    with pytest.raises(SourceError, match=f"^weather.csv: .*{said}"):
        visual_crossing.parse_csv(data, "weather.csv", KIRUNA)


def test_the_first_icon_that_fits_counts():
    nothing = dict.fromkeys(tables.WEATHER, 0.0) | {"visibility_km": 10.0, "temperature_c": 5.0}
    hours = {
        "clear-night": {},
        "partly-cloudy-night": {"cloud_cover": 20.1},
        "cloudy": {"cloud_cover": 90.1},
        "wind": {"cloud_cover": 100.0, "wind_ms": 14.0},
        "fog": {"visibility_km": 0.9, "wind_ms": 14.0},
        "rain": {"precipitation_mm": 0.1, "visibility_km": 0.9},
        "snow": {"precipitation_mm": 0.1, "temperature_c": -1.0},
    }
    table = pd.DataFrame([nothing | hour for hour in hours.values()]).assign(time=START)
    assert tables.icons(table, KIRUNA).tolist() == list(hours)


def test_day_and_night_of_an_icon_follow_the_sun_of_the_site():
    clear = pd.DataFrame({key: [0.0, 0.0] for key in tables.WEATHER} | {"visibility_km": 10.0})
    clear["time"] = pd.to_datetime(["2026-06-21T22:00Z", "2026-12-21T11:00Z"])
    assert tables.icons(clear, KIRUNA).tolist() == ["clear-day", "clear-night"]


def test_without_cloud_cover_there_is_no_icon():
    unknown = pd.DataFrame({key: [np.nan] for key in tables.WEATHER}).assign(time=START)
    assert tables.icons(unknown, KIRUNA).tolist() == [None]


def test_the_shared_year_is_read_and_its_icons_follow_from_its_numbers(shared):
    path = shared / "weather.csv"
    table = visual_crossing.parse_csv(path.read_bytes(), str(path), KIRUNA)
    assert len(table) == 6887
    assert table["time"].iloc[0] == pd.Timestamp("2020-12-31T23:00Z")
    assert table["time"].iloc[-1] == pd.Timestamp("2021-10-14T21:00Z")
    assert table["visibility_km"].isna().sum() == 2
    assert (tables.icons(table, KIRUNA) == table["icon"]).mean() > 0.99
