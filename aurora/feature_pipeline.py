"""Store what was observed over each site: index, weather, sky, and whether aurora was seen.

Reads Kp, weather and labels of the web or another `--source`; writes the feature group
`aurora_hours`. Run it with `python -m aurora.feature_pipeline`.

A run of a date is about hours before its noon (UTC). The first one stores a year; a later one reads
the ten days before the newest stored hour again, since Kp and labels are revised.
"""

import datetime as dt
from typing import Annotated

import numpy as np
import pandas as pd
import typer

import fti
from aurora import features, nights, sites, sources
from aurora.feeds import tables
from aurora.sites import Site
from fti import console, quality, rows
from fti.errors import SourceError, UserError

KEY = ["site", "valid_hour"]
HOUR, DAY = features.HOUR, 24 * features.HOUR
FIRST_RUN = 365 * DAY
REVISED = 10 * DAY
KP_BEFORE = features.LOOK_BACK * HOUR + features.KP_DELAY  # what features look back
WEATHER_BEFORE = DAY
LABELS_BEFORE = 365 * DAY  # long enough to tell whether a camera was watching

SinceOption = Annotated[
    dt.date | None,
    typer.Option(
        "--since",
        parser=console.day,
        metavar="YYYY-MM-DD",
        show_default="a year before the first run, then ten days before the newest hour",
        help="Read all hours from this day (UTC) on.",
    ),
]


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    site: sites.SitesOption = None,
    since: SinceOption = None,
) -> None:
    """Store the hours before noon (UTC) of the date that are new, or not stored alike."""
    date, since = console.day(date), tables.as_utc(since)
    project = fti.login()
    with fti.run(project, "aurora", "feature", date) as run:
        run.source, chosen = sources.chosen(source), sites.chosen(site)
        refuse_one_folder_for_many(source, chosen)
        store = project.get_feature_store()
        known = features.in_utc(rows.stored(store, "aurora_hours"))
        found = [hours_of(source, each, date, since, known) for each in chosen]
        hours = pd.concat(found, ignore_index=True)
        refuse_mixture(known, source)  # not before: `fti daily` has to see that the web is away
        run.rows_in, run.rows_out = len(hours), store_hours(store, hours, known)
    watched = int((hours["aurora"] != features.UNKNOWN).sum())
    console.say(f"{len(hours):,} hours, {watched:,} watched; {run.rows_out:,} new or changed")


def hours_of(
    source: str | None,
    site: Site,
    date: dt.date,
    since: pd.Timestamp | None,
    known: pd.DataFrame,
) -> pd.DataFrame:
    """Give the rows of a site's observed hours before noon, as they should be stored now.

    Raises SourceError, SourceUnreachable when there is no weather or Kp; labels may be missing.
    """
    if len(known):
        known = known[known["site"] == site.name].sort_values("valid_hour")
    noon = sources.noon_of(source, date, site=site)
    start = first_hour(known, noon, since)
    kp = sources.read_kp(source, start - KP_BEFORE, noon)
    # an hour's cloud is the mean with its neighbours', so the last one needs that of noon
    weather = sources.read_weather(source, start - WEATHER_BEFORE, noon + HOUR, site=site)
    hours = observed_hours(kp, weather, start, noon)
    labels = read_labels(source, site, hours, known)

    issued = features.observed_at(hours)
    table = features.build_features(site, hours, kp, weather, issued)
    table = keep_better(table, known, kp, weather)
    seen = seen_so_far(labels, known, hours, site)
    return table.assign(aurora=seen, source=sources.kind(source))


def first_hour(known: pd.DataFrame, noon: pd.Timestamp, since: pd.Timestamp | None) -> pd.Timestamp:
    """Give the hour from which on a run reads."""
    if since is not None:
        if since >= noon:
            raise UserError(f"--since {since:%Y-%m-%d} is not before {noon:%Y-%m-%d %H:%M} UTC.")
        return since
    return noon - FIRST_RUN if known.empty else min(known["valid_hour"].max(), noon) - REVISED


def observed_hours(
    kp: pd.DataFrame, weather: pd.DataFrame, start: pd.Timestamp, noon: pd.Timestamp
) -> pd.DatetimeIndex:
    """Give the hours from `start` to `noon` that lie within both tables: those observed by now."""
    last = kp.iloc[-1]
    end = min(noon, last["time"] + last["hours"] * HOUR, weather["time"].iloc[-1] + HOUR)
    first = max(start, kp["time"].iloc[0], weather["time"].iloc[0])
    if first >= end:
        raise SourceError(
            f"There is no hour from {start:%Y-%m-%d %H:%M} to {noon:%Y-%m-%d %H:%M} UTC with both "
            "Kp and weather: check that the source's tables are of the same time."
        )
    return pd.date_range(first, end, freq="h", unit="us", inclusive="left")


def read_labels(
    source: str | None, site: Site, hours: pd.DatetimeIndex, known: pd.DataFrame
) -> pd.DataFrame:
    """Read what was seen in these hours; from the web only of nights of which nothing is known."""
    try:
        return sources.read_labels(
            source, hours[0], hours[-1] + HOUR, site=site, known=labelled_nights(known)
        )
    except sources.NothingThere:
        return tables.label_table(pd.DatetimeIndex([], dtype=tables.UTC_TIME), [])


def labelled_nights(known: pd.DataFrame) -> set[dt.date]:
    """Give the nights, each the day of its noon, of which a dark hour has a label."""
    if known.empty:
        return set()
    dark = known["sun_altitude"] < features.WATCHED_SUN
    hours = known.loc[dark & (known["aurora"] != features.UNKNOWN), "valid_hour"]
    return set(nights.night_of(hours).dt.date)


def keep_better(
    table: pd.DataFrame, known: pd.DataFrame, kp: pd.DataFrame, weather: pd.DataFrame
) -> pd.DataFrame:
    """Give the table with stored features where the source now goes less far back than they need.

    A service that stands in for another may know only some days.
    """
    if known.empty:
        return table
    whole = max(kp["time"].iloc[0] + KP_BEFORE, weather["time"].iloc[0] + WEATHER_BEFORE)
    stored = known[known["valid_hour"].isin(table["valid_hour"]) & (known["valid_hour"] < whole)]
    fresh = table[~table["valid_hour"].isin(stored["valid_hour"])]
    both = pd.concat([part for part in (stored[list(table)], fresh) if len(part)])
    return both.sort_values("valid_hour", ignore_index=True)


def seen_so_far(
    labels: pd.DataFrame, known: pd.DataFrame, hours: pd.DatetimeIndex, site: Site
) -> np.ndarray:
    """Give what was seen in each hour: as read now, otherwise as stored; no label is unlearned.

    Nights in which no camera can have been watching are told from all labels before them.
    """
    read = labels.set_index("time")["aurora"]
    stored = pd.Series(dtype=object, index=pd.DatetimeIndex([], dtype=tables.UTC_TIME))
    if len(known):
        before = known[known["valid_hour"] >= hours[0] - LABELS_BEFORE]
        stored = before.set_index("valid_hour")["aurora"]
    read, stored = (told[told != features.UNKNOWN] for told in (read, stored))
    told = read.combine_first(stored).sort_index()
    both = tables.label_table(pd.DatetimeIndex(told.index), told.to_numpy())
    watched = features.labels_while_watched(both, site).set_index("time")["aurora"]
    watched = watched[watched != features.UNKNOWN].combine_first(stored)
    return watched.reindex(hours).astype(object).fillna(features.UNKNOWN).to_numpy()


def refuse_one_folder_for_many(source: str | None, chosen: list[Site]) -> None:
    """Raise UserError for more than one site of a folder, whose weather and labels are of one."""
    if sources.kind(source) == "folder" and len(chosen) > 1:
        names = ", ".join(site.name for site in chosen)
        raise UserError(f"A folder holds one site, and --site names {names}: name one of them.")


def refuse_mixture(known: pd.DataFrame, source: str | None) -> None:
    """Raise UserError when hours of the sample would meet real ones."""
    invented = sources.kind(source) == sources.SAMPLE
    if len(known) and ((known["source"] == sources.SAMPLE) != invented).any():
        there, new = ("real hours", "the sample's") if invented else ("the sample's hours", "real")
        raise UserError(
            f"This project holds {there}, and the source gives {new} ones: choose another project "
            "with FTI_PROJECT=NAME."
        )


def store_hours(store, hours: pd.DataFrame, known: pd.DataFrame) -> int:
    """Check and store the hours that are not stored alike; give how many."""
    new = rows.new_or_changed(hours, known, KEY)
    if len(new):
        quality.check(new, features.schema(), "aurora hours")
        group = store.get_or_create_feature_group(
            "aurora_hours",
            version=1,
            primary_key=["site"],
            event_time="valid_hour",
            description="Each hour over a site as observed: geomagnetic index, weather, sun and "
            "moon, and whether aurora was seen",
        )
        group.insert(new, wait=True)
    return len(new)


if __name__ == "__main__":
    console.run(main)
