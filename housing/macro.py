"""What was known of the Swedish economy on a day: policy rate, unemployment, growth of GDP.

    table = macro.read(macro.chosen(source), until=day)
    features = macro.as_of(table, sales["sold_on"])

A value counts only from the day it was published: a month's unemployment 17 days after the month,
a quarter's GDP 59 days after the quarter (SCB's usual lags), a policy rate from the day it holds.
What SCB has revised since is taken as it is today, because its interface keeps no first editions.

`read` takes "web" (Riksbank and SCB), "sample", "none", or a folder with `historicalGDP.csv`,
`historicalInterest.csv` and `historicalUnemployment.csv`: `date;value;change`, dates as 2026-01-31,
any order. The interest file has a line for every decision, also those that left the rate alone; the
others one for each year. Of GDP only its growth in percent, `change`, is used: the level leaps in
2021, where another series goes on. A column `published` may tell when a value was known; without it
a year's GDP is known 59 days after the year, its unemployment 17 days.
"""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from fti import documents, projects, raw
from fti.errors import SourceError, SourceUnreachable
from fti.raw import SAMPLE, WEB
from housing.feeds import riksbank, scb

log = logging.getLogger(__name__)

SETTING = "HOUSING_MACRO"
NONE = "none"
UTC_TIME = "datetime64[us, UTC]"
COLUMNS = {"series": "object", "period": UTC_TIME, "published_at": UTC_TIME, "value": "float64"}
SERIES = ("policy_rate", "unemployment", "gdp_growth")  # all in percent
CREDITS = (riksbank.ATTRIBUTION, scb.ATTRIBUTION)
# From the end of a period to its publication.
LAGS = {
    "policy_rate": pd.Timedelta(0),
    "unemployment": pd.Timedelta(days=17),
    "gdp_growth": pd.Timedelta(days=59),
}
# How long a value counts: until well after the next one is due, then it is unknown. The Riksbank
# decides every two months or so, files have a value a year.
COUNTS_FOR = {
    "policy_rate": pd.Timedelta(days=150),
    "unemployment": pd.Timedelta(days=500),
    "gdp_growth": pd.Timedelta(days=500),
}
FILES = {
    "policy_rate": "historicalInterest.csv",
    "unemployment": "historicalUnemployment.csv",
    "gdp_growth": "historicalGDP.csv",
}
# The course's files were written then; what they say of later publications is their authors' guess.
FILES_WRITTEN = pd.Timestamp("2022-12-26", tz="UTC")
BOUNDS = {"policy_rate": (-5, 25), "unemployment": (0, 50), "gdp_growth": (-50, 50)}
QUARTERS_A_YEAR = 4
SAMPLE_START = pd.Timestamp("2005-01-01", tz="UTC")
OR_FILES = f"or name a folder with {', '.join(FILES.values())} in {SETTING}, or set it to {NONE}"

When = str | date | datetime | pd.Timestamp


def chosen(sales: str) -> str:
    """Say where the values for a source of sales come from.

    HOUSING_MACRO if it is set; the files beside the sales where they are; the sample for the
    sample; none for French sales ("web"), of which Swedish series tell nothing; otherwise the web.
    """
    setting = os.environ.get(SETTING, "").strip()
    if setting:
        return setting
    if sales in (SAMPLE, WEB):
        return {SAMPLE: SAMPLE, WEB: NONE}[sales]
    path = Path(sales).expanduser()
    folder = path if path.is_dir() else path.parent
    here = path.exists() and all((folder / name).is_file() for name in FILES.values())
    return str(folder) if here else WEB


def read(source: str, until: When, *, retries: int = 3) -> pd.DataFrame:
    """Give all that was published up to the day `until`: series, period, published_at, value.

    `period` is the first day of the month, quarter or year, of a policy rate the day; all UTC, by
    series and publication. Raises SourceError, and SourceUnreachable where the network is the
    reason.
    """
    until = _utc(until)
    if source == NONE:
        parts = []
    elif source == WEB:
        parts = _from_web(until, retries)
    elif source == SAMPLE:
        parts = _sample(until)
    else:
        parts = _from_files(Path(source).expanduser())
    table = pd.concat([empty(), *parts]) if parts else empty()
    table = table[table["published_at"] <= until].astype(COLUMNS)
    return table.sort_values(["series", "published_at", "period"], ignore_index=True)


def as_of(table: pd.DataFrame, days: Iterable) -> pd.DataFrame:
    """Give for each day what was the newest published value of each series, NaN where none was.

    In: the table of `read`, and days in UTC, in any order. Out: one row per day, in that order,
    with `policy_rate`, `unemployment`, `gdp_growth`. A rate counts for 150 days, others for 500.
    """
    days = pd.DatetimeIndex(days)
    days = (days.tz_localize("UTC") if days.tz is None else days.tz_convert("UTC")).as_unit("us")
    columns = {name: _newest(table[table["series"] == name], days, name) for name in SERIES}
    return pd.DataFrame(columns, index=days)


def empty() -> pd.DataFrame:
    """Give the table of `read` without rows: every series is unknown on every day."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})


def parse_file(data: bytes, name: str, series: str) -> pd.DataFrame:
    """Turn one of the files into rows of the table; see the module. Raises SourceError.

    Refused: a day twice, a year that does not begin on 1 January, values that cannot be.
    """
    rows = _rows(data, name)
    wanted = "change" if series == "gdp_growth" else "value"
    for column in ("date", wanted):
        if column not in rows[0]:
            raise documents.refusal(name, f"there is no column {column}")
    days = [_day(row["date"], name, "date") for row in rows]
    texts = [row[wanted].strip() or None for row in rows]
    documents.refuse_nulls(texts, name, wanted)
    values = documents.numbers(texts, name, wanted, BOUNDS[series], quoted=True)
    table = pd.DataFrame({"period": pd.Series(days, dtype=UTC_TIME), "value": values})
    twice = table["period"].duplicated()
    if twice.any():
        raise documents.refusal(name, f"{table['period'][twice].iloc[0]:%Y-%m-%d} is there twice")
    if series != "policy_rate" and (table["period"].dt.dayofyear != 1).any():
        raise documents.refusal(name, "date has a day that is not 1 January, expected years")
    if "published" in rows[0]:
        told = [_day(row["published"], name, "published") for row in rows]
        if any(day < period for day, period in zip(told, days, strict=True)):
            raise documents.refusal(name, "published has a day before its period")
        return _published(table, series, pd.Series(told, dtype=UTC_TIME))
    years = 0 if series == "policy_rate" else 1
    return _without_guesses(_lagged(table, series, years=years), name)


def _newest(rows, days, series):
    """Give the value published last by each day; of several of one day that of the last period."""
    rows = rows.sort_values(["published_at", "period"], kind="stable")
    rows = rows[rows["period"] >= rows["period"].cummax()]  # an old period told late is no news
    published = rows["published_at"].to_numpy("datetime64[us]")
    places = published.searchsorted(days.to_numpy("datetime64[us]"), side="right") - 1
    known = (places >= 0) & days.notna()
    found = np.full(len(days), np.nan)
    found[known] = rows["value"].to_numpy()[places[known]]
    age = days[known] - pd.DatetimeIndex(published[places[known]], tz="UTC")
    found[np.flatnonzero(known)[age > COUNTS_FOR[series]]] = np.nan
    return found


def _from_web(until, retries):
    cache = projects.home() / "cache" / "housing"
    try:
        rate = riksbank.policy_rate(until, retries=retries)
        unemployment = scb.read(scb.UNEMPLOYMENT, cache=cache, retries=retries)
        gdp = scb.read(scb.GDP, cache=cache, retries=retries)
    except SourceError as error:
        kind = SourceUnreachable if isinstance(error, SourceUnreachable) else SourceError
        raise kind(f"{str(error).rstrip('.')}; {OR_FILES}.") from error
    growth = gdp.assign(value=100 * gdp["value"].pct_change(QUARTERS_A_YEAR)).dropna()
    return [
        _lagged(rate, "policy_rate"),
        _lagged(unemployment, "unemployment", months=1),
        _lagged(growth, "gdp_growth", months=3),
    ]


def _from_files(folder):
    if not folder.is_dir():
        raise SourceError(f"{folder}: there is no such folder; correct {SETTING}.")
    tables = []
    for series, name in FILES.items():
        data, origin = raw.fetch(str(folder / name))
        tables.append(parse_file(data, origin, series))
    return tables


def _without_guesses(table, name):
    """Leave out what nobody had published when the files were written, and say so."""
    guessed = table["published_at"] >= FILES_WRITTEN
    if guessed.any():
        log.warning(
            "%s: %d values of after %s are guesses of its authors and are left out; a column "
            "`published` with the day of each publication makes them count.",
            name,
            guessed.sum(),
            f"{FILES_WRITTEN:%Y-%m-%d}",
        )
    return table[~guessed]


def _sample(until):
    """Give made-up series that rise and fall over nine years; they tell nothing of Sweden."""
    months = pd.date_range(SAMPLE_START, until, freq="MS", unit="us")
    quarters = months[months.month % 3 == 1]

    def wave(periods, middle, height, phase):
        years = (periods - SAMPLE_START).days / 365.25
        values = middle + height * np.sin(2 * np.pi * (years / 9 + phase))
        return pd.DataFrame({"period": periods, "value": values.to_numpy()})

    rate = wave(quarters, 1.5, 1.75, 0.0)
    rate["value"] = (rate["value"] * 4).round() / 4  # steps of a quarter of a percent
    unemployment, growth = wave(months, 7.5, 1.2, 0.5), wave(quarters, 2.0, 2.0, 0.25)
    return [
        _lagged(rate, "policy_rate"),
        _lagged(unemployment, "unemployment", months=1),
        _lagged(growth, "gdp_growth", months=3),
    ]


def _lagged(table, series, *, months=0, years=0):
    """Give rows of the table that are published the usual while after the end of their period."""
    ends = table["period"] + pd.DateOffset(months=months, years=years)
    return _published(table, series, ends + LAGS[series])


def _published(table, series, days):
    return table.assign(series=series, published_at=days)[list(COLUMNS)]


def _rows(data, name):
    """Give each row of a `;`-separated file by column name."""
    if documents.is_web_page(data):
        raise documents.refusal(name, "this is a web page, not CSV")
    try:
        text = data.decode("utf-8-sig")
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=";", strict=True)
        header, *rows = [line for line in lines if line]
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise documents.refusal(name, f"this is not CSV ({error!s:.80})") from None
    header = [word.strip().lower() for word in header]
    if not rows:
        raise documents.refusal(name, "it has no rows")
    for place, row in enumerate(rows, start=2):
        if len(row) != len(header):
            counts = f"{len(row)} values, the header {len(header)}"
            raise documents.refusal(name, f"line {place} has {counts}")
    return [dict(zip(header, row, strict=True)) for row in rows]


def _day(text, name, column):
    try:
        day = datetime.strptime(text.strip(), "%Y-%m-%d")
        if day.year not in range(1900, 2200):
            raise ValueError(text)
    except ValueError:
        said = documents.shown(text)
        reason = f"{column} has {said}, expected a day like 2026-01-31"
        raise documents.refusal(name, reason) from None
    return pd.Timestamp(day, tz="UTC")


def _utc(when: When) -> pd.Timestamp:
    time = pd.Timestamp(when)
    return (time.tz_localize("UTC") if time.tz is None else time.tz_convert("UTC")).as_unit("us")
