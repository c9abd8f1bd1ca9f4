"""Forecast the 72 hours after a noon over a site: what is asked of the sources, and the rows.

`read_inputs` asks; `build` is pure: from index, weather and what was seen so far to the rows of
`aurora_forecasts`. Nothing enters a row that was issued later than its `inputs_at`. Where nobody
forecasts the index or the weather, the forecast goes on without, and says so in its rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aurora import features, sources
from aurora.feeds import tables
from aurora.scoring import Baselines, Scorer, load_baselines, load_scorer
from aurora.sites import Site, find
from fti import training
from fti.errors import SourceError
from fti.models import ModelFiles

log = logging.getLogger(__name__)

LENGTH = 72  # hours
DAY = pd.Timedelta(days=1)
KP_BEFORE, WEATHER_BEFORE = 6 * DAY, 2 * DAY  # what features look back, and a day
FORECAST, OBSERVED, IN_HINDSIGHT, NOBODY = "forecast", "observed", "hindsight", "none"
KP_AHEAD, WEATHER_AHEAD = AHEAD = "Kp forecast", "weather forecast"
WITHOUT = {
    KP_AHEAD: "The index is taken to fall back to its usual level.",
    WEATHER_AHEAD: "It knows nothing of the clouds.",
}
# Status of an interval -> who said it; of all others it is a forecast.
SAID = {"hindsight": IN_HINDSIGHT, "observed": OBSERVED, "estimated": OBSERVED}
PROVIDERS = {
    "open-meteo": "Open-Meteo",
    "met-norway": "MET Norway",
    "visual-crossing": "Visual Crossing",
}
OWN = (  # what a forecast says besides its features
    *("site", "issued_at", "valid_hour", "inputs_at", "probability"),
    *("model_version", "trained_until", "seed_tree", "climatology", "persistence"),
    *("kp_low", "kp_high", "kp_from", "weather_from", "is_synthetic"),
)
COLUMNS = (*OWN, *(name for name in features.COLUMNS if name not in OWN))
PROBABILITIES = ("probability", "seed_tree", "climatology", "persistence")


@dataclass(frozen=True)
class Inputs:
    """What was known around a noon: tables of index and weather.

    `kp` has, besides the columns of `aurora.feeds.tables`, `said`: forecast, hindsight or observed.
    """

    kp: pd.DataFrame
    weather: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class Forecaster:
    """A model version that can forecast: its numbers, and those it is compared with."""

    version: int
    trained_until: pd.Timestamp
    scorer: Scorer
    baselines: Baselines


def load(current: ModelFiles) -> Forecaster:
    """Read what a registered model needs to forecast."""
    record = training.read_record(current.folder)
    return Forecaster(
        version=current.version,
        trained_until=tables.as_utc(record["trained_until"]),
        scorer=load_scorer(current.folder),
        baselines=load_baselines(current.folder),
    )


# What is asked of the sources


def read_inputs(
    source: str | None, names: Sequence[str], noon: pd.Timestamp
) -> tuple[dict[str, Inputs], list[dict[str, Any]]]:
    """Ask for index and weather around a noon, for each site; what cannot be had is left out.

    Out: site -> inputs, and what to tell of the sources, as `sources` in `forecast.json`. Raises
    SourceError when nothing can be had at all.
    """
    asking = Asking()
    kp = asking.for_kp(source, noon)
    inputs = {name: Inputs(kp, asking.for_weather(source, noon, find(name))) for name in names}
    if len(asking.problems) == len(asking.told):
        raise asking.problems[0]
    return inputs, asking.told


class Asking:
    """Asks the sources, and remembers what to tell of them and which had nothing."""

    def __init__(self):
        self.told: list[dict[str, Any]] = []
        self.problems: list[SourceError] = []

    def for_kp(self, source: str | None, noon: pd.Timestamp) -> pd.DataFrame:
        """Give the index of the days before the noon and as it is forecast, as `all_kp` does."""
        ahead = self._ask(KP_AHEAD, no_kp(), lambda: sources.read_kp_forecast(source, noon))
        until = max([noon, *ahead["issued_at"]])  # a run later than the noon knows more
        past = self._ask(
            "Kp observed", no_kp(), lambda: sources.read_kp(source, noon - KP_BEFORE, until)
        )
        return all_kp(past, ahead)

    def for_weather(self, source: str | None, noon: pd.Timestamp, site: Site) -> pd.DataFrame:
        """Give the weather of a site the days before the noon, and as it is forecast."""
        ahead = self._ask(
            WEATHER_AHEAD,
            no_weather(site),
            lambda: sources.read_weather_forecast(source, noon, site=site),
            site,
        )
        past = self._ask(
            "weather observed",
            no_weather(site),
            lambda: sources.read_weather(source, noon - WEATHER_BEFORE, noon, site=site),
            site,
        )
        return all_weather(past, ahead, noon)

    def _ask(
        self,
        what: str,
        nothing: pd.DataFrame,
        read: Callable[[], pd.DataFrame],
        site: Site | None = None,
    ) -> pd.DataFrame:
        """Give the table that is read; the empty one when it cannot be had."""
        name = site and site.name
        try:
            table = read()
        except SourceError as error:
            self.problems.append(error)
            log.warning("The forecast goes on without %s: %s", what, error)
            stale = f"The forecast was made without {what}. {WITHOUT.get(what, '')}".strip()
            self.told.append(told(what, NOBODY, stale=stale, site=name))
            return nothing
        self.told.append(told(what, **table.attrs, site=name))
        return table


def told(
    what: str, origin: str, newest: str | None = None, stale: str = "", site: str | None = None
) -> dict[str, Any]:
    """Give a row of `sources` in `forecast.json`."""
    return {"what": what, "origin": origin, "newest": newest, "stale": stale, "site": site}


def no_kp() -> pd.DataFrame:
    """Give the `kp` table of nothing."""
    return tables.kp_table(_no_times(), np.empty(0), index="Kp", status=[])


def no_weather(site: Site) -> pd.DataFrame:
    """Give the `weather` table of nothing."""
    return tables.weather_table(_no_times(), {}, site=site, source=NOBODY)


def _no_times() -> pd.DatetimeIndex:
    return pd.DatetimeIndex([], dtype=tables.UTC_TIME)


def all_kp(past: pd.DataFrame, ahead: pd.DataFrame) -> pd.DataFrame:
    """Give observed and forecast intervals as one `kp` table that says who said each."""
    past = past.assign(said=OBSERVED, low=np.nan, high=np.nan)
    ahead = ahead.assign(said=ahead["status"].map(SAID).fillna(FORECAST))
    return _stacked(past, ahead)


def all_weather(before: pd.DataFrame, coming: pd.DataFrame, noon: pd.Timestamp) -> pd.DataFrame:
    """Give the hours before the noon as they were, and those after it as they were forecast."""
    return _stacked(tables.between(before, None, noon), tables.between(coming, noon, None))


def _stacked(*parts: pd.DataFrame) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled or parts[:1], ignore_index=True)


# The rows


def build(
    site: str | Site,
    noon: pd.Timestamp,
    inputs: Inputs,
    seen: pd.Series,
    forecaster: Forecaster,
    *,
    is_synthetic: bool,
) -> pd.DataFrame:
    """Give the rows of `aurora_forecasts` of one site and one noon, with `COLUMNS`.

    `seen` is yes, no or unknown by hour (UTC), of which those before the noon count.
    """
    hours = pd.date_range(noon, periods=LENGTH, freq="h", unit="us")
    issued = newest_issue(noon, inputs)
    table = features.build_features(site, hours, inputs.kp, inputs.weather, issued)
    before = states_before(seen, hours, noon)
    version, baselines = forecaster.version, forecaster.baselines
    rows = table.assign(
        issued_at=pd.Series(noon, index=table.index, dtype=features.UTC_TIME),
        inputs_at=table["issued_at"],
        probability=forecaster.scorer.predict_proba(table)[:, 1],
        model_version=np.int64(version),
        trained_until=pd.Series(
            forecaster.trained_until, index=table.index, dtype=features.UTC_TIME
        ),
        seed_tree=baselines.seed_tree(table),
        climatology=baselines.climatology(table),
        persistence=baselines.persistence(before),
        **who_said(inputs.kp, hours),
        weather_from=weather_from(inputs.weather, hours),
        is_synthetic=is_synthetic,
    )
    return rows[list(COLUMNS)]


def newest_issue(noon: pd.Timestamp, inputs: Inputs) -> pd.Timestamp:
    """Give the noon, or the later moment at which the newest input was issued."""
    issues = [table["issued_at"].max() for table in (inputs.kp, inputs.weather)]
    return max([noon, *(issue for issue in issues if not pd.isna(issue))]).as_unit("us")


def states_before(seen: pd.Series, hours: pd.DatetimeIndex, noon: pd.Timestamp) -> Sequence[str]:
    """Give what was seen at the same hour of the last day before the noon, for each hour."""
    before = hours - ((hours - noon) // DAY + 1) * DAY
    return seen.reindex(before).fillna(features.UNKNOWN).tolist()


def who_said(kp: pd.DataFrame, hours: pd.DatetimeIndex) -> dict[str, np.ndarray]:
    """Give for each hour who said its index (`kp_from`), and the quartiles if there are some.

    As in the features, of several values the one issued last counts.
    """
    rows = kp[kp["value"].notna()].sort_values(["issued_at", "index"], kind="stable")
    spread = rows.loc[rows.index.repeat(rows["hours"])]
    hour = spread["time"] + features.HOUR * spread.groupby(level=0, sort=False).cumcount()
    last = spread.assign(hour=hour).drop_duplicates("hour", keep="last").set_index("hour")
    last = last[["low", "high", "said"]].reindex(hours)
    return {
        "kp_low": last["low"].to_numpy("float64"),
        "kp_high": last["high"].to_numpy("float64"),
        "kp_from": last["said"].fillna(NOBODY).to_numpy(object),
    }


def weather_from(weather: pd.DataFrame, hours: pd.DatetimeIndex) -> np.ndarray:
    """Give for each hour whose weather it is: a name as in `sources.CREDITS`, or none."""
    named = weather["source"].map(_provider)
    by_hour = named.set_axis(weather["time"])
    return by_hour[~by_hour.index.duplicated(keep="last")].reindex(hours).fillna(NOBODY).to_numpy()


def _provider(source: str) -> str:
    name = source.removesuffix(sources.HINDSIGHT)
    return PROVIDERS.get(name, name) + source[len(name) :]


def in_hindsight(rows: pd.DataFrame) -> bool:
    """Tell whether something in a forecast is what only later was known."""
    later = rows["weather_from"].str.endswith(sources.HINDSIGHT)
    return bool((rows["kp_from"] == IN_HINDSIGHT).any() or later.any())


def no_rows() -> pd.DataFrame:
    """Give the table of no forecast."""
    return features.in_utc(pd.DataFrame(columns=list(COLUMNS)))


def schema():
    """The pandera schema of stored forecasts."""
    from pandera.pandas import Check, Column, DataFrameSchema

    ours = {
        **{name: Column(features.UTC_TIME) for name in features.TIMES},
        **{name: Column("float64", Check.in_range(0, 1)) for name in PROBABILITIES},
        **{name: Column("float64", Check.ge(0), nullable=True) for name in ("kp_low", "kp_high")},
        "model_version": Column("int64", Check.ge(1)),
        "kp_from": Column(object, Check.isin((FORECAST, OBSERVED, IN_HINDSIGHT, NOBODY))),
        "weather_from": Column(object),
        "is_synthetic": Column(bool),
    }
    columns = features.schema().columns | ours
    return DataFrameSchema(
        {name: columns[name] for name in COLUMNS},
        unique=["site", "issued_at", "valid_hour"],
        strict=True,
        ordered=True,
        name="aurora forecasts",
    )
