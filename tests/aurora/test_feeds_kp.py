"""Kp and Hp60 as GFZ and NOAA write them become one table."""

import pandas as pd
import pytest

from aurora.feeds import gfz, noaa
from fti.errors import SourceError, SourceUnreachable
from tests.aurora import recorded
from tests.aurora.recorded import written

START = pd.Timestamp(recorded.START)
HOUR = pd.Timedelta(hours=1)


def test_history_begins_each_interval_and_is_known_at_its_end():
    table = gfz.parse_history(written(recorded.gfz_history()), "kp.json")
    assert table.columns.tolist() == ["time", "hours", "value", "index", "status", "issued_at"]
    assert table["time"].tolist() == [START + 3 * place * HOUR for place in range(5)]
    assert table["value"].tolist() == [0.0, 0.333, 0.667, 1.0, 1.333]
    assert table["status"].tolist() == ["def", "def", "def", "def", "pre"]
    assert (table["issued_at"] == table["time"] + 3 * HOUR).all()


def test_hp60_is_hourly_open_above_nine_and_has_no_status():
    document = recorded.gfz_history("Hp60")
    document["Hp60"][1] = 11.333
    table = gfz.parse_history(written(document), "hp60.json", "Hp60")
    assert table["value"].max() == 11.333
    assert set(table["hours"]) == {1}
    assert set(table["status"]) == {"unstated"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["Kp"].__setitem__(2, None), "Kp is null at place 2"),
        (lambda d: d["Kp"].pop(), "different lengths: datetime 6, Kp 5, status 6"),
        (lambda d: d["Kp"].__setitem__(0, 9.333), "Kp has 9.333 at place 0"),
        (lambda d: d["Kp"].__setitem__(0, "1.0"), "Kp has '1.0' at place 0"),
        (lambda d: d["Kp"].__setitem__(slice(None), [None] * 6), "Kp has no value yet"),
        (lambda d: d["datetime"].reverse(), "not in order"),
        (lambda d: [d[key].pop(2) for key in ("datetime", "Kp", "status")], "not complete"),
        (
            lambda d: d.update(datetime=[t.replace("Z", "+01:00") for t in d["datetime"]]),
            "which is not UTC",
        ),
        (
            lambda d: d.update(datetime=[t.replace("Z", "") for t in d["datetime"]]),
            "whose time zone is not said",
        ),
        (lambda d: d["status"].__setitem__(0, "final"), "status has 'final'"),
        (lambda d: d.update(ap=d.pop("Kp")), "there is no 'Kp', only"),
    ],
)
def test_a_history_that_is_not_as_documented_is_refused(change, said):
    document = recorded.gfz_history()
    change(document)
    with pytest.raises(SourceError, match=f"^kp.json: .*{said}"):
        gfz.parse_history(written(document), "kp.json")


def test_the_ensemble_gives_median_and_quartiles_from_its_own_hour_on():
    table = gfz.parse_forecast(written(recorded.gfz_forecast()), "hp60")
    assert len(table) == 73
    first = table.iloc[0]
    assert (first["low"], first["value"], first["high"]) == (1.333, 1.667, 2.333)
    assert first["time"] == START
    assert set(table["issued_at"]) == {START + HOUR}
    assert set(table["status"]) == {"forecast"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["median"].update({"3": 9.0}), "quantiles of row 3"),
        (lambda d: d["median"].update({"3": None}), "median is null at place 3"),
        (lambda d: d["median"].pop("3"), "rows of median are not numbered in order"),
        (lambda d: d["Time (UTC)"].update({"0": "2026-11-20 18:00"}), "expected dd-mm-yyyy"),
        (lambda d: d["Time (UTC)"].update({"0": "31-02-2026 18:00"}), "expected dd-mm-yyyy"),
        (lambda d: d["Time (UTC)"].update({"0": "20-11-2026 23:00"}), "not in order"),
    ],
)
def test_an_ensemble_that_is_not_as_noted_is_refused(change, said):
    document = recorded.gfz_forecast()
    change(document)
    with pytest.raises(SourceError, match=f"^hp60: .*{said}"):
        gfz.parse_forecast(written(document), "hp60")


def test_nulls_at_the_end_of_an_ensemble_are_left_out():
    document = recorded.gfz_forecast()
    document["median"]["72"] = None
    assert len(gfz.parse_forecast(written(document), "hp60")) == 72


@pytest.mark.parametrize("make", [recorded.noaa_forecast, recorded.noaa_observed])
def test_both_of_noaas_shapes_are_the_same_table(make):
    new, old = (noaa.parse(written(d), "noaa") for d in (make(), recorded.in_rows(make())))
    pd.testing.assert_frame_equal(new, old)


def test_noaas_oldest_shape_has_thirds_in_a_column_of_their_own():
    rows = [
        ["time_tag", "Kp", "Kp_fraction", "a_running", "station_count"],
        ["2022-06-22 00:00:00.000", "4", "3.67", "20", "8"],
    ]
    assert noaa.parse(written(rows), "noaa")["value"].tolist() == [3.67]


def test_noaas_forecast_is_issued_when_the_last_observed_interval_had_ended():
    table = noaa.parse(written(recorded.noaa_forecast()), "noaa")
    assert table["status"].tolist() == ["observed", "observed", "estimated", "forecast", "forecast"]
    assert table["issued_at"].tolist() == [START + 3 * HOUR] + [START + 6 * HOUR] * 4
    asked = noaa.parse(written(recorded.noaa_forecast()), "noaa", START + 7 * HOUR)
    assert asked["issued_at"].tolist() == [START + n * HOUR for n in (3, 6, 7, 7, 7)]
    assert table["low"].isna().all()


def test_noaa_may_lack_an_interval_but_not_mix_them_up():
    rows = recorded.noaa_observed()
    assert len(noaa.parse(written(rows[:2] + rows[3:]), "noaa")) == 4
    with pytest.raises(SourceError, match="not in order"):
        noaa.parse(written(rows[::-1]), "noaa")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kp": None}, "kp is null at place 0"),
        ({"time_tag": "2026-11-20T18:00:00-05:00"}, "which is not UTC"),
        ({"time_tag": "2026-11-20T17:00:00"}, "does not begin an interval of 3 h"),
        ({"observed": "guessed"}, "observed has 'guessed'"),
    ],
)
def test_a_row_of_noaa_that_is_not_as_documented_is_refused(change, said):
    rows = recorded.noaa_forecast()
    rows[0].update(change)
    with pytest.raises(SourceError, match=f"^noaa: .*{said}"):
        noaa.parse(written(rows), "noaa")


def test_history_is_asked_for_in_full_moments_and_kept(service, monkeypatch, tmp_path):
    url = service.answer("/json/", written(recorded.gfz_history()))
    monkeypatch.setattr(gfz, "HISTORY_URL", url)
    for _ in range(2):
        table = gfz.history(START + 3 * HOUR, START + 9 * HOUR, cache=tmp_path, retries=0)
    assert len(table) == 2
    assert [asked.path for asked in service.asked] == [
        "/json/?start=2026-11-20T21:00:00Z&end=2026-11-21T02:59:59Z&index=Kp"
    ]


def test_a_service_that_is_down_is_unreachable(service, monkeypatch):
    monkeypatch.setattr(noaa, "FORECAST_URL", service.answer("/kp", status=503))
    with pytest.raises(SourceUnreachable, match="out of service"):
        noaa.forecast(retries=0)


def test_an_answer_without_end_is_cut_off(service, monkeypatch):
    monkeypatch.setattr(noaa, "OBSERVED_URL", service.answer("/kp", b" " * (3 * 1024 * 1024)))
    with pytest.raises(SourceUnreachable, match="larger than"):
        noaa.observed(retries=0)


def test_the_shared_year_is_read(shared):
    path = shared / "kp.json"
    table = gfz.parse_history(path.read_bytes(), str(path))
    assert len(table) == 2296
    assert table["time"].iloc[-1] == pd.Timestamp("2021-10-14T21:00Z")
    assert table["value"].max() == 7.0
