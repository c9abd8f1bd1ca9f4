"""Store the sales of a source, the flats for sale, and where addresses are.

Reads sales from France's open geo-DVF or another `--source`, the economy of Sweden, and addresses;
writes the feature groups `housing_sales`, `housing_listings` and `housing_geocodes`. Run it with
`python -m housing.feature_pipeline`.

A run of a date is about sales and listings of that day and before. What is stored and has not
changed is not stored again, so the first run of a file is the backfill of it.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import date as Date
from typing import Any

import numpy as np
import pandas as pd

import fti
from fti import console, raw, rows
from fti.errors import SourceError, UserError
from housing import geocoding, groups, macro, sources, table

log = logging.getLogger(__name__)

SWEDISH = "SEK"  # the currency of sales that Swedish series tell something of
REASONS = 20  # the most frequent ones, that a run keeps


def main(source: console.SourceOption = None, date: console.DateOption = None) -> None:
    """Store the sales and listings up to the date that are new, or not stored alike."""
    date, source = console.day(date), sources.chosen(source)
    project = fti.login()
    with fti.run(project, "housing", "feature", date) as run:
        run.source = raw.shown(source)
        store = project.get_feature_store()
        known, waiting = groups.read(store, groups.SALES), groups.read(store, groups.LISTINGS)
        flats = read(source, date, known)
        refuse_mixture(flats, known, waiting)

        flats = located(store, flats, date)
        sales = with_macro(table.sold(flats), known, source, date)
        listings = table.for_sale(flats)
        added = store_changed(store, groups.SALES, sales, known)
        listed = store_changed(store, groups.LISTINGS, listings, waiting)
        run.rows_in, run.rows_out = len(flats), added + listed
        run.details = account(flats)
    console.say(
        f"{len(sales):,} sales, {added:,} new or changed; {len(listings):,} flats for sale, "
        f"{listed:,} new"
    )


def read(source: str, date: Date, known: pd.DataFrame) -> pd.DataFrame:
    """Give the sales and listings of a source up to the end of a day.

    What could not be used is in `attrs["problems"]`. Raises SourceError.
    """
    every = sources.read(source, date=date, known=known)
    flats = every[every["sold_on"] <= pd.Timestamp(date, tz="UTC")].reset_index(drop=True)
    if len(every) and flats.empty:
        raise SourceError(
            f"{raw.shown(source)} has no sale of {date} or before: its first is of "
            f"{every['sold_on'].min():%Y-%m-%d}; choose a later --date."
        )
    flats.attrs = every.attrs
    return flats


def refuse_mixture(flats: pd.DataFrame, *stored: pd.DataFrame) -> None:
    """Raise UserError when the sample would meet real sales, or one currency another."""
    known = pd.concat([rows[["source", "currency"]] for rows in stored])
    if known.empty or flats.empty:
        return
    invented, there = is_synthetic(flats), is_synthetic(known)
    if invented != there:
        said = ("the sample's sales", "real ones") if there else ("real sales", "the sample's")
        raise _elsewhere(*said)
    currencies = [sorted(rows["currency"].unique()) for rows in (known, flats)]
    if currencies[0] != currencies[1]:
        raise _elsewhere(*(f"sales in {' and '.join(names)}" for names in currencies))


def is_synthetic(flats: pd.DataFrame) -> bool:
    """Tell whether flats are those of the sample; raises UserError where only some are."""
    invented = flats["source"] == raw.SAMPLE
    if invented.any() and not invented.all():
        raise _elsewhere("real sales", "the sample's as well")
    return bool(invented.any())


def _elsewhere(there: str, new: str) -> UserError:
    return UserError(
        f"This project holds {there}, and the source gives {new}: choose another project with "
        "FTI_PROJECT=NAME."
    )


def located(store: Any, flats: pd.DataFrame, date: Date) -> pd.DataFrame:
    """Give the flats with coordinates, as far as they are known or can be found.

    What was looked up for this is stored in `housing_geocodes`.
    """
    problems = flats.attrs
    lacking = flats[flats["latitude"].isna() | flats["longitude"].isna()]
    if lacking.empty:
        return flats
    cached = groups.read(store, groups.GEOCODES)
    book, geocoder = geocoding.configured()
    found = geocoding.locate(lacking, cached, date, book=book, geocoder=geocoder)
    store_changed(store, groups.GEOCODES, found, cached)
    flats = geocoding.with_coordinates(flats, found)
    flats.attrs = problems
    return flats


def with_macro(sales: pd.DataFrame, known: pd.DataFrame, source: str, date: Date) -> pd.DataFrame:
    """Give the sales with what was published of the economy by their day.

    A sale that is stored keeps what it was stored with: later editions revise the past. Where the
    series cannot be read a warning says so, and new sales are stored without.
    """
    names = list(macro.SERIES)
    stored = known.set_index("sale_id")[names].reindex(sales["sale_id"]).set_axis(sales.index)
    lacking = stored.isna().all(axis=1)
    if lacking.any() and (sales["currency"] == SWEDISH).all():
        of = macro.chosen(raw.SAMPLE if is_synthetic(sales) else source)
        published = macro.as_of(read_macro(of, date), sales.loc[lacking, "sold_on"])
        stored.loc[lacking, names] = published.to_numpy()
    return sales.join(stored)


def read_macro(source: str, date: Date) -> pd.DataFrame:
    """Read the series that were published up to a day; none, and a warning, where that fails."""
    try:
        return macro.read(source, until=date, retries=1)
    except SourceError as error:
        log.warning("%s New sales are stored without the economy of their day.", error)
        return macro.empty()


def store_changed(store: Any, group: groups.Group, found: pd.DataFrame, known: pd.DataFrame) -> int:
    """Store the rows that are not stored alike; give how many."""
    return groups.add(store, group, rows.new_or_changed(found, known, group.key))


def account(flats: pd.DataFrame) -> dict[str, Any]:
    """Give what the run record keeps of a source: rows read, rows left out, and why."""
    reasons, lost = Counter(), 0
    for problem in table.problems(flats):
        count = problem.get("count", 1)
        reasons[f"{problem['column']}: {problem['reason']}"] += count
        lost += count * problem["dropped"]
    newest = flats.loc[flats["price"].notna(), "sold_on"].max()
    return {
        "read": len(flats) + lost,
        "left_out": lost,
        "problems": [{"reason": reason, "n": n} for reason, n in reasons.most_common(REASONS)],
        "newest_sale": None if newest is pd.NaT or newest is np.nan else f"{newest:%Y-%m-%d}",
    }


if __name__ == "__main__":
    console.run(main)
