"""A forecast knows what was known when it was made, and says whose word each part is."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from aurora import features, forecasting, model, sample, sources
from aurora.feeds import tables
from aurora.sites import SITES
from fti import quality
from fti.errors import SourceError
from tests.aurora import recorded
from tests.aurora.recorded import written

KIRUNA = SITES["kiruna"]
NOON = pd.Timestamp("2026-01-30T12:00", tz="UTC")
HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def past():
    """Two months of the sample before the noon, labelled."""
    start = NOON - 60 * DAY
    hours = pd.date_range(start, NOON, freq="h", unit="us", inclusive="left")
    kp, weather = sample.kp(start, NOON), sample.weather(start, NOON, KIRUNA)
    labels = sample.labels(start, NOON, KIRUNA)
    issued = features.observed_at(hours)
    return features.build_features("kiruna", hours, kp, weather, issued, labels)


@pytest.fixture(scope="module")
def forecaster(past):
    watched = past[past["aurora"] != "unknown"]
    fitted = model.candidate("linear").fit(watched, (watched["aurora"] == "yes").astype(int))
    return forecasting.Forecaster(
        version=3,
        trained_until=past["valid_hour"].max(),
        scorer=model.scorer_of(fitted),
        baselines=model.fit_baselines(past),
    )


@pytest.fixture(scope="module")
def seen(past):
    return past.set_index("valid_hour")["aurora"]


@pytest.fixture
def build(forecaster, seen):
    """A function that gives the rows of some inputs."""

    def rows(inputs, noon=NOON):
        made = forecasting.build("kiruna", noon, inputs, seen, forecaster, is_synthetic=True)
        return quality.check(made, forecasting.schema(), "a forecast")

    return rows


@pytest.fixture
def folder(tmp_path):
    """A folder with Kp, its forecast and one of the weather, and nothing of past weather."""
    history = recorded.gfz_history(count=8)  # from 18:00 on, the last interval not known yet
    (tmp_path / "kp.json").write_bytes(written(history))
    (tmp_path / "kp_forecast.json").write_bytes(written(recorded.gfz_forecast()))
    (tmp_path / "weather_forecast.json").write_bytes(written(recorded.open_meteo(96)))
    return tmp_path


def kp_of(values, first, issued_at=None, index="Hp60", status="forecast", quartiles=None):
    times = pd.date_range(first, periods=len(values), freq=f"{tables.HOURS[index]}h", unit="us")
    unknown = np.full(len(values), np.nan)
    if status == "forecast" and quartiles is None:
        quartiles = (unknown, unknown)
    return tables.kp_table(
        times, np.asarray(values, dtype=float), index=index, status=status, issued_at=issued_at,
        quartiles=quartiles,
    )  # fmt: skip


def weather_of(count, first, cloud, issued_at=None):
    times = pd.date_range(first, periods=count, freq="h", unit="us")
    return tables.weather_table(
        times, {"cloud_cover": np.full(count, float(cloud))}, site=KIRUNA, source="open-meteo",
        issued_at=issued_at,
    )  # fmt: skip


def inputs_of(past_kp=None, kp=None, past_weather=None, weather=None):
    """Inputs of four tables, of which nothing is known where they are not given."""
    none, no_weather = forecasting.no_kp(), forecasting.no_weather(KIRUNA)
    parts = [none if one is None else one for one in (past_kp, kp)]
    weathers = [no_weather if one is None else one for one in (past_weather, weather)]
    return forecasting.Inputs(
        forecasting.all_kp(*parts), forecasting.all_weather(*weathers, NOON)
    )  # fmt: skip


def test_a_forecast_is_of_the_72_hours_from_noon(build):
    inputs, told = forecasting.read_inputs("sample", ["kiruna"], NOON)
    rows = build(inputs["kiruna"])
    assert list(rows) == list(forecasting.COLUMNS)
    assert set(features.COLUMNS) <= set(rows)
    assert rows["valid_hour"].tolist() == [NOON + k * HOUR for k in range(72)]
    assert set(rows["issued_at"]) == set(rows["inputs_at"]) == {NOON}
    assert set(rows["kp_from"]) == {"forecast"} and set(rows["weather_from"]) == {"sample"}
    assert rows["kp_low"].le(rows["kp"]).all() and rows["kp"].le(rows["kp_high"]).all()
    assert rows["cloud_cover"].notna().all() and (rows["kp_age_h"] == 0).all()
    assert set(rows["model_version"]) == {3} and rows["is_synthetic"].all()
    assert rows["probability"].max() > 0.1
    assert [row["what"] for row in told] == [
        "Kp forecast", "Kp observed", "weather forecast", "weather observed"
    ]  # fmt: skip
    assert not any(row["stale"] for row in told)


def test_each_site_has_its_weather_and_the_index_is_asked_once():
    inputs, told = forecasting.read_inputs("sample", ["kiruna", "abisko"], NOON)
    assert_frame_equal(inputs["kiruna"].kp, inputs["abisko"].kp)
    assert not inputs["kiruna"].weather.equals(inputs["abisko"].weather)
    assert [row["site"] for row in told] == [None, None, "kiruna", "kiruna", "abisko", "abisko"]


def test_a_replayed_noon_knows_the_past_and_hindsight_but_no_more(shared):
    noon = pd.Timestamp("2021-10-10T12:00", tz="UTC")
    inputs, told = forecasting.read_inputs(str(shared), ["kiruna"], noon)
    kp, weather = inputs["kiruna"].kp, inputs["kiruna"].weather
    observed = kp[kp["said"] == "observed"]
    assert (observed["time"] + 3 * HOUR).max() == noon
    assert set(kp.loc[kp["time"] >= noon, "said"]) == {"hindsight"}
    later = weather["time"] >= noon
    assert (weather["issued_at"].isna() == ~later).all()
    assert weather["time"].max() == noon + 71 * HOUR and weather["time"].is_unique
    assert told[0]["origin"] == "aurora, in hindsight"


def test_hindsight_is_said_in_each_row(shared, build):
    noon = pd.Timestamp("2021-10-10T12:00", tz="UTC")
    inputs, _ = forecasting.read_inputs(str(shared), ["kiruna"], noon)
    rows = build(inputs["kiruna"], noon)
    assert set(rows["kp_from"]) == {"hindsight"} and rows["kp_low"].isna().all()
    assert set(rows["weather_from"]) == {"Visual Crossing, in hindsight"}
    assert forecasting.in_hindsight(rows)
    assert not forecasting.in_hindsight(rows.assign(kp_from="none", weather_from="Open-Meteo"))


def test_a_folder_with_forecasts_has_no_hindsight(folder, build):
    noon = pd.Timestamp("2026-11-21T12:00", tz="UTC")
    inputs, told = forecasting.read_inputs(str(folder), ["kiruna"], noon)
    rows = build(inputs["kiruna"], noon)
    assert not forecasting.in_hindsight(rows)
    assert rows["kp_from"].tolist() == ["forecast"] * 55 + ["none"] * 17
    assert set(rows["weather_from"]) == {"Open-Meteo"}
    missing = told[3]
    assert missing["what"] == "weather observed" and missing["origin"] == "none"
    assert missing["stale"] == "The forecast was made without weather observed."


def test_without_a_forecast_of_kp_it_falls_back_to_its_usual_level(folder, build, caplog):
    (folder / "kp_forecast.json").write_text("<html>503</html>")
    noon = pd.Timestamp("2026-11-21T12:00", tz="UTC")
    inputs, told = forecasting.read_inputs(str(folder), ["kiruna"], noon)
    rows = build(inputs["kiruna"], noon)
    assert set(rows["kp_from"]) == {"none"} and rows["kp"].notna().all()
    assert rows["kp_age_h"].tolist() == [k + 1 for k in range(72)]
    assert told[0]["stale"].endswith("The index is taken to fall back to its usual level.")
    assert "The forecast goes on without Kp forecast" in caplog.text


def test_without_a_forecast_of_the_weather_it_goes_on_without(folder, build):
    (folder / "weather_forecast.json").write_text("{}")
    noon = pd.Timestamp("2026-11-21T12:00", tz="UTC")
    inputs, told = forecasting.read_inputs(str(folder), ["kiruna"], noon)
    rows = build(inputs["kiruna"], noon)
    assert set(rows["weather_from"]) == {"none"} and set(rows["icon"]) == {"unknown"}
    assert rows["cloud_cover"].isna().all()
    assert "knows nothing of the clouds" in told[2]["stale"]


def test_without_anything_there_is_no_forecast(tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        forecasting.read_inputs(str(tmp_path / "nowhere"), ["kiruna"], NOON)


def test_inputs_are_as_old_as_the_newest_of_them(build):
    late = NOON + 7 * HOUR
    rows = build(
        inputs_of(kp=kp_of([3] * 72, NOON, NOON + HOUR), weather=weather_of(72, NOON, 50, late))
    )
    assert set(rows["issued_at"]) == {NOON} and set(rows["inputs_at"]) == {late}
    assert rows["kp"].eq(3).all() and rows["cloud_cover"].eq(50).all()


def test_a_late_run_knows_what_was_observed_since_noon(build):
    late = NOON + 7 * HOUR
    observed = kp_of([6, 6], NOON, index="Kp", status="def")
    rows = build(inputs_of(observed, kp_of([2] * 66, NOON + 6 * HOUR, late)))
    assert rows["kp"].tolist() == [6] * 6 + [2] * 66
    assert rows["kp_from"].tolist() == ["observed"] * 6 + ["forecast"] * 66
    assert rows["kp_max_12h"].iloc[10] == 6


def test_of_two_values_of_an_hour_the_one_issued_last_counts(build):
    quartiles = (np.full(72, 1.0), np.full(72, 3.0))
    ahead = kp_of([2] * 72, NOON, NOON, quartiles=quartiles)
    observed = kp_of([7], NOON, index="Kp", status="pre")  # known at 15:00
    rows = build(inputs_of(observed, ahead))
    assert rows["kp"].tolist() == [7] * 3 + [2] * 69
    assert rows["kp_low"].isna().tolist() == [True] * 3 + [False] * 69
    assert rows["kp_from"].tolist() == ["observed"] * 3 + ["forecast"] * 69
    revised = build(inputs_of(observed, ahead.assign(issued_at=NOON + 4 * HOUR)))
    assert revised["kp"].eq(2).all() and set(revised["kp_from"]) == {"forecast"}


def test_observed_weather_does_not_reach_past_the_noon(build):
    was = weather_of(72, NOON - DAY, 0)
    rows = build(inputs_of(past_weather=was, weather=weather_of(72, NOON, 90, NOON)))
    assert rows["cloud_cover"].eq(90).all()
    assert rows["cloud_mean_3h"].iloc[0] == 60  # of one hour before and two after


def test_persistence_repeats_the_last_day_before_the_noon(forecaster, build):
    hours = pd.date_range(NOON - 2 * DAY, periods=96, freq="h", unit="us")
    states = pd.Series(["no"] * 24 + ["yes"] * 24 + ["no"] * 48, index=hours)
    ahead = pd.date_range(NOON, periods=72, freq="h", unit="us")
    assert forecasting.states_before(states, ahead, NOON) == ["yes"] * 72
    assert forecasting.states_before(states[:30], ahead, NOON)[5:7] == ["yes", "unknown"]
    rows = build(inputs_of())
    assert set(rows["persistence"]) <= set(forecaster.baselines.persistence(features.STATES))


def test_no_forecast_is_a_table_without_rows():
    nothing = forecasting.no_rows()
    assert nothing.empty and list(nothing) == list(forecasting.COLUMNS)


def test_whose_weather_it_is_can_be_credited():
    assert set(forecasting.PROVIDERS.values()) <= set(sources.CREDITS)
