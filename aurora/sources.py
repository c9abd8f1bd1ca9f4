"""Where Kp, weather and labels come from: the web, a folder of yours, or a built-in sample.

    read_kp(source, start, end)             observed: Kp, or Hp60 with index="Hp60"
    read_weather(source, start, end)        observed, or as it was forecast a few hours before
    read_labels(source, start, end)         aurora seen: yes, no or unknown
    read_kp_forecast(source, issued_at)     the next 72 hours
    read_weather_forecast(source, issued_at)
    noon_of(source, date)                   the moment that a run of a date stands for

    python -m aurora.sources                what the chosen source holds
    python -m aurora.sources --check        ask each service: reachable, as documented, how new

`source` is AURORA_SOURCE when not given, otherwise "web". A folder holds `kp.json` (GFZ),
`weather.csv` (Visual Crossing's export), `labels.json` or `keograms/`; also, if you have them,
`hp60.json`, `kp_forecast.json` (GFZ's ensemble or NOAA's forecast) and `weather_forecast.json`
(Open-Meteo). Tables are those of `aurora.feeds.tables`. Their `attrs` say in plain text what they
are made of: `origin`, the `newest` interval, and `stale`, a sentence when that is older than it
should be, which is logged as well.
"""

import io
import logging
import os
from collections.abc import Callable, Collection
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from aurora import features, keogram, labels, sample
from aurora.feeds import (
    check,
    documents,
    gfz,
    keograms,
    met_norway,
    noaa,
    open_meteo,
    tables,
    visual_crossing,
)
from aurora.sites import SITES, Site, find, sun_altitude
from fti import console, projects, raw
from fti.errors import SourceError, SourceUnreachable
from fti.raw import SAMPLE, WEB

log = logging.getLogger(__name__)

When = str | date | datetime | pd.Timestamp | None

# What an app has to say under its pictures.
CREDITS = {
    "GFZ": gfz.ATTRIBUTION,
    "NOAA": noaa.ATTRIBUTION,
    "Open-Meteo": open_meteo.ATTRIBUTION,
    "MET Norway": met_norway.ATTRIBUTION,
    "Visual Crossing": visual_crossing.ATTRIBUTION,
    "IRF": keograms.ATTRIBUTION,
}
# `python -m fti doctor --online` asks these; all services: `--check`.
ANSWERING_URLS = (gfz.FORECAST_URLS["Hp60"], noaa.FORECAST_URL)
FIRST_LABEL = pd.Timestamp("2021-01-01T12:00", tz="UTC")  # of a labels.json that does not say
MAX_BYTES = raw.MAX_BYTES
HORIZON = pd.Timedelta(hours=72)
RECENT = pd.Timedelta(days=30)  # what is read from the web when no start is given
HOUR, HALF_DAY, DAY = (pd.Timedelta(hours=hours) for hours in (1, 12, 24))
# How old the newest interval may be before it is said to be stale.
LATE = {
    "Kp": pd.Timedelta(hours=6),
    "Hp60": pd.Timedelta(hours=3),
    "weather": pd.Timedelta(hours=3),
    "forecast": pd.Timedelta(hours=6),
}
LABELLED, LISTED, PICTURES = "labels.parquet", "labels.json", "keograms"
SCORES = ("score", "coverage", "dark")
CAMERAS = {"kiruna": keograms.CAMERA}  # sites whose keograms the web has
KEPT = pd.Timedelta(days=14)  # how long a downloaded keogram is kept
PATIENCE = 30  # nights in a row without a keogram, after which no older one is asked for
HINDSIGHT = ", in hindsight"
STATES = {0: "no", 1: "yes", None: "unknown", **{state: state for state in tables.STATES}}


class NothingThere(SourceError):
    """The source is well, but has nothing of the time that was asked for."""


def chosen(source: str | None = None) -> str:
    """Say which source counts: the argument, else AURORA_SOURCE, else "web"."""
    return raw.chosen(source, "aurora")


def kind(source: str | None = None) -> str:
    """Say whether the source is the "web", the "sample" or a "folder"."""
    source = chosen(source)
    return source if source in (WEB, SAMPLE) else "folder"


def noon_of(
    source: str | None = None, date: When = None, *, site: str | Site = "kiruna"
) -> pd.Timestamp:
    """Give the moment that a run of `date` (default: today) stands for: its 12:00 UTC.

    A keogram begins then too, so nights are whole. Of a folder that holds history and no forecast
    it is no later than its last noon with 72 hours after it, which can pass for a forecast. Raises
    SourceError where the folder's files cannot be read.
    """
    source = chosen(source)
    noon = _now(date).floor("D") + HALF_DAY
    ends = [] if kind(source) != "folder" else _ends_of_history(source, site)
    last = min([noon, *((end - HORIZON - HALF_DAY).floor("D") + HALF_DAY for end in ends)])
    if last < noon:
        ended = f"The folder {Path(source).name} ends at {_said(min(ends))} UTC"
        log.info("%s, so this run stands for %s UTC.", ended, _said(last))
    return last


def _ends_of_history(source: str, site: str | Site) -> list[pd.Timestamp]:
    """Give the ends of what a folder has observed and has no forecast of."""
    ends = []
    if not _has(source, "kp_forecast.json"):
        last = read_kp(source).iloc[-1]
        ends.append(last["time"] + last["hours"] * HOUR)
    if not _has(source, "weather_forecast.json"):
        ends.append(read_weather(source, site=site)["time"].iloc[-1] + HOUR)
    return ends


def read_kp(
    source: str | None = None,
    start: When = None,
    end: When = None,
    *,
    index: str = "Kp",
    retries: int = 3,
) -> pd.DataFrame:
    """Give the `kp` table of the intervals that begin in [start, end). Raises SourceError.

    Without bounds all that a folder holds, a year of the sample, the last 30 days of the web:
    GFZ, and when that does not answer NOAA, which knows about a week of Kp; that earlier intervals
    are missing is then logged.
    """
    source, (start, end) = chosen(source), (tables.as_utc(start), tables.as_utc(end))
    if source == WEB:
        start, end = _bounds(start, end)
        ways = {"GFZ": lambda: gfz.history(start, end, index=index, **_asking(retries))}
        if index == "Kp":
            ways["NOAA"] = lambda: noaa.observed(**_asking(retries))
        table, origin = _first(ways)
    elif source == SAMPLE:
        table, origin = sample.kp(*_season(start, end), index), SAMPLE
    else:
        name = {"Kp": "kp.json", "Hp60": "hp60.json"}[index]
        table, origin = gfz.parse_history(*_file(source, name), index), str(Path(source) / name)
    table = _some(tables.between(table, start, end), origin, start, end)
    if source == WEB and table["time"][0] >= start + pd.Timedelta(hours=tables.HOURS[index]):
        log.warning("%s has nothing before %s UTC.", origin, _said(table["time"][0]))
    return _told(table, origin, end if source == WEB else None, LATE[index])


def read_weather(
    source: str | None = None,
    start: When = None,
    end: When = None,
    *,
    site: str | Site = "kiruna",
    retries: int = 3,
) -> pd.DataFrame:
    """Give the `weather` table of [start, end). Raises SourceError.

    Bounds as for `read_kp`. From the web: Open-Meteo's archived forecasts, or with a key Visual
    Crossing's observations when that does not answer.
    """
    source, (start, end) = chosen(source), (tables.as_utc(start), tables.as_utc(end))
    site = find(site)
    if source == WEB:
        start, end = _bounds(start, end)
        ways = {"Open-Meteo": lambda: open_meteo.history(site, start, end, **_asking(retries))}
        table, origin = _first(ways | _visual_crossing(site, start, end, retries))
    elif source == SAMPLE:
        table, origin = sample.weather(*_season(start, end), site), SAMPLE
    else:
        data, origin = _file(source, "weather.csv")
        table = visual_crossing.parse_csv(data, origin, site)
    table = _some(tables.between(table, start, end), origin, start, end)
    return _told(table, origin, end if source == WEB else None, LATE["weather"])


def read_labels(
    source: str | None = None,
    start: When = None,
    end: When = None,
    *,
    site: str | Site = "kiruna",
    known: Collection[date] = (),
    retries: int = 3,
) -> pd.DataFrame:
    """Give the `labels` table of [start, end). Raises SourceError.

    A folder's `labels.json` is a list of 0 and 1 by hour from 2021-01-01 12:00 UTC on, or an
    object {"start": "2021-01-01T12:00:00Z", "labels": [...]}; there, and in the list, "yes", "no",
    "unknown" and null are words too. Known defect of the course's list: hours without a picture
    (3 May to 10 August 2021) are 0 in it, though nobody knows. What `aurora.labels` wrote counts
    first when it is in the folder as `labels.parquet`; in a folder with neither, the pictures in
    `keograms/` are labelled.

    The web has pictures, not labels: those of dark nights that are over are downloaded, labelled
    and after two weeks removed. What no picture shows is "unknown". Nights in `known`, each the
    day of its noon, are not asked for.
    """
    source, (start, end) = chosen(source), (tables.as_utc(start), tables.as_utc(end))
    site = find(site)
    if source == WEB:
        start, end = _bounds(start, end)
        table, origin = _labels_of_web(site, start, end, known, retries), "IRF"
    elif source == SAMPLE:
        table, origin = sample.labels(*_season(start, end), site), SAMPLE
    elif not (_has(source, LABELLED) or _has(source, LISTED)) and _has(source, PICTURES):
        folder = Path(source).expanduser() / PICTURES
        table, origin = _labels_of_folder(folder, site, start, end), PICTURES
    else:
        made = _has(source, LABELLED)
        data, origin = _file(source, LABELLED if made else LISTED)
        table = (parse_labelled if made else parse_labels)(data, origin)
    return _told(_some(tables.between(table, start, end), origin, start, end), origin)


def read_kp_forecast(
    source: str | None = None, issued_at: When = None, *, retries: int = 3
) -> pd.DataFrame:
    """Give the `kp` table, with low and high, of the 72 hours after `issued_at` (default: now).

    From the web GFZ's ensemble of Hp60, or NOAA's Kp; it has only the newest, so for an earlier
    `issued_at` the column of that name tells that it came later. The interval that contains
    `issued_at` comes first. A folder without `kp_forecast.json` gives what was observed, with the
    status "hindsight": scores made with it say how good a perfect forecast of Kp would be, no more.
    """
    source, issued_at = chosen(source), _now(issued_at)
    if source == WEB:
        table, origin = _first(
            {
                "GFZ": lambda: gfz.forecast(**_asking(retries)),
                "NOAA": lambda: noaa.forecast(issued_at=_now(None), **_asking(retries)),
            }
        )
    elif source == SAMPLE:
        table, origin = sample.kp_forecast(issued_at), SAMPLE
    elif _has(source, "kp_forecast.json"):
        data, origin = _file(source, "kp_forecast.json")
        table = parse_kp_forecast(data, origin)
    else:
        table = read_kp(source).assign(status="hindsight", low=float("nan"), high=float("nan"))
        table, origin = _issued(table, issued_at), f"{source}{HINDSIGHT}"
    table = _ahead(table, issued_at, table["hours"], origin)
    return _told(table, origin, issued_at, LATE["forecast"], "issued_at")


def read_weather_forecast(
    source: str | None = None,
    issued_at: When = None,
    *,
    site: str | Site = "kiruna",
    retries: int = 3,
) -> pd.DataFrame:
    """Give the `weather` table of the 72 hours after `issued_at` (default: now).

    From the web Open-Meteo, taken for issued when it was asked; then MET Norway, if
    MET_NORWAY_CONTACT is set; then Visual Crossing, if its key is. A folder without
    `weather_forecast.json` gives what was observed, and says "in hindsight" in `source`.
    """
    source, issued_at, site = chosen(source), _now(issued_at), find(site)
    if source == WEB:
        table, origin = _first(_weather_to_come(site, issued_at, retries))
    elif source == SAMPLE:
        table, origin = sample.weather_forecast(issued_at, site), SAMPLE
    elif _has(source, "weather_forecast.json"):
        data, origin = _file(source, "weather_forecast.json")
        table = open_meteo.parse(data, origin, site, issued_at)
    else:
        table = _issued(read_weather(source, site=site), issued_at)
        table, origin = table.assign(source=table["source"] + HINDSIGHT), f"{source}{HINDSIGHT}"
    return _told(
        _ahead(table, issued_at, 1, origin), origin, issued_at, LATE["forecast"], "issued_at"
    )


def parse_labels(data: bytes, name: str) -> pd.DataFrame:
    """Turn the JSON of `labels.json` into the `labels` table; see `read_labels`."""
    document = documents.read_json(data, name)
    first = FIRST_LABEL
    if isinstance(document, dict):
        first = documents.moments([documents.member(document, "start", name)], name, "start")[0]
        document = documents.member(document, "labels", name)
    labels = documents.sequence(document, name, "the list of labels")
    states = [_state(label, place, name) for place, label in enumerate(labels)]
    times = pd.date_range(first, periods=len(states), freq="h", unit="us")
    documents.check_steps(times, 1, name)
    return tables.label_table(times, states)


def parse_labelled(data: bytes, name: str) -> pd.DataFrame:
    """Turn the table that `aurora.labels` writes into the `labels` table, with its scores."""
    try:
        table = pd.read_parquet(io.BytesIO(data))
        table = table[["time", "aurora", *(column for column in SCORES if column in table)]]
        times = pd.DatetimeIndex(table["time"].astype(tables.UTC_TIME))
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        reason = f"this is no table of `aurora.labels` ({str(error).splitlines()[0]:.80})"
        raise documents.refusal(name, reason) from None
    if not table["aurora"].isin(tables.STATES).all():
        raise documents.refusal(name, f"aurora has more than {', '.join(tables.STATES)}")
    table = table.assign(time=times).sort_values("time", ignore_index=True)
    documents.check_steps(pd.DatetimeIndex(table["time"]), 1, name, gaps=True)
    return table


def parse_kp_forecast(data: bytes, name: str) -> pd.DataFrame:
    """Turn GFZ's ensemble (an object) or NOAA's forecast (a list) into the `kp` table."""
    if isinstance(documents.read_json(data, name), dict):
        return gfz.parse_forecast(data, name)
    return noaa.parse(data, name)


def _state(label, place, name):
    whole = isinstance(label, int | str | None) and not isinstance(label, bool)
    if not whole or label not in STATES:
        raise documents.refusal(name, f"label {place} is {label!r:.40}, expected 0, 1 or null")
    return STATES[label]


def _file(source: str, name: str) -> tuple[bytes, str]:
    """Give a file of the folder that is the source, and its name."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        reason = "this is a file; name its folder" if folder.exists() else "there is no such folder"
        raise SourceError(f"{source}: {reason} with kp.json, weather.csv and labels.json.")
    return raw.fetch(str(folder / name), max_bytes=MAX_BYTES)


# Labels from pictures -----------------------------------------------------------------------------


def _labels_of_web(
    site: Site, start: pd.Timestamp, end: pd.Timestamp, known: Collection[date], retries: int
) -> pd.DataFrame:
    """Give a label for each hour of [start, end), "unknown" where no picture can be had."""
    folder = projects.home() / "cache" / "aurora" / PICTURES
    days = [day for day in dark_nights(site, start, end) if day not in known]
    if site.name not in CAMERAS:
        log.info("There is no camera at %s: what is seen there stays unknown.", site.name)
        days = []
    nights = keograms.download(reversed(days), folder, retries=retries, patience=PATIENCE)
    table = label_pictures([nights.pictures[day] for day in sorted(nights.pictures)], site)
    if nights.faults:
        counts = f"{len(nights.faults)} of {len(days)} nights have no keogram and stay unknown"
        night, reason = next(iter(nights.faults.items()))
        log.warning("%s; of %s: %s", counts, night, reason)
    remove_before(folder, (end - KEPT).date())
    hours = pd.date_range(start.ceil("h"), end, freq="h", unit="us", inclusive="left")
    states = table.set_index("time")["aurora"].reindex(hours).fillna(features.UNKNOWN)
    return tables.label_table(hours, states.to_numpy())


def _labels_of_folder(
    folder: Path, site: Site, start: pd.Timestamp | None, end: pd.Timestamp | None
) -> pd.DataFrame:
    """Label the pictures of a folder that show hours of [start, end)."""
    paths, left_out = labels.pictures(folder)
    for name, reason in left_out:
        log.warning("%s %s", name, reason)
    begins = {path: pd.Timestamp(keogram.start_of(keogram.day_of(path.name))) for path in paths}
    wanted = [
        path
        for path, begin in begins.items()
        if (start is None or begin + DAY > start) and (end is None or begin < end)
    ]
    return label_pictures(wanted, site)


def label_pictures(paths: list[Path], site: Site) -> pd.DataFrame:
    """Give the `labels` table, with scores, of pictures in the order of their days."""
    jobs = os.cpu_count() or 1
    found = labels.label_files(paths, labels.Rule.night, site, jobs)
    hours = list(console.progress(found, len(paths), "labelling"))
    if not hours:
        return tables.label_table(pd.DatetimeIndex([], dtype=tables.UTC_TIME), [])
    table = pd.concat(hours, ignore_index=True)
    for name, reason in labels.problems(table):
        log.warning("%s %s", name, reason)
    return table[["time", "aurora", *SCORES]].astype({"time": tables.UTC_TIME})


def dark_nights(site: Site, start: pd.Timestamp, end: pd.Timestamp) -> list[date]:
    """Give the days whose night, from noon on, has dark hours in [start, end), the last one over.

    A run shortly before noon has the night that it ends in, though the picture runs to noon.
    """
    hours = pd.date_range((start - HALF_DAY).floor("D") + HALF_DAY, end + DAY, freq="h")
    hours = hours[sun_altitude(site, hours + features.MIDDLE) < features.WATCHED_SUN]
    last = pd.Series(hours + HOUR).groupby((hours - HALF_DAY).date).max()
    return list(last.index[(last > start) & (last <= end)])


def remove_before(folder: Path, day: date) -> None:
    """Remove the pictures of nights before a day."""
    for path in folder.glob("*"):
        if path.suffix in keogram.SUFFIXES and keogram.day_of(path.name) < day:
            path.unlink()


# What all readers share ---------------------------------------------------------------------------


def _has(source, name):
    return (Path(source).expanduser() / name).exists()


def _bounds(start, end):
    """Give the bounds of a question to the web, which knows nothing of the future."""
    now = _now(None)
    end = now if end is None else min(end, now)
    start = end - RECENT if start is None else start
    if start >= end:
        raise NothingThere(f"Nothing is known yet from {_said(start)} to {_said(end)} UTC.")
    return start, end


def _season(start, end):
    """Give the bounds of the sample: a year, where they are not given."""
    end = _now(None).floor("D") if end is None else end
    return (end - pd.Timedelta(days=365) if start is None else start), end


def _now(when: When) -> pd.Timestamp:
    return pd.Timestamp.now("UTC").as_unit("us") if when is None else tables.as_utc(when)


def _asking(retries):
    """How services are asked: politely, and not again for what was told a moment ago."""
    return {"cache": projects.home() / "cache" / "aurora", "retries": retries}


def _first(ways: dict[str, Callable[[], pd.DataFrame]]) -> tuple[pd.DataFrame, str]:
    """Give what the first service that answers well says, and its name.

    Raises SourceUnreachable when none could be reached, SourceError when one could.
    """
    problems = []
    for origin, ask in ways.items():
        try:
            return ask(), origin
        except SourceError as error:
            problems.append(error)
            log.info("%s is of no use now: %s", origin, error)
    unreachable = all(isinstance(problem, SourceUnreachable) for problem in problems)
    kind = SourceUnreachable if unreachable else SourceError
    said = "; ".join(str(problem).rstrip(".") for problem in problems)
    raise kind(f"{said}; {raw.OR_SAMPLE}.") from problems[0]


def _visual_crossing(site, start, end, retries):
    """Give Visual Crossing as a way, if there is a key."""
    if visual_crossing.api_key() is None:
        return {}
    ask = visual_crossing.between
    return {"Visual Crossing": lambda: ask(site, start, end, **_asking(retries))}


def _weather_to_come(site, issued_at, retries):
    asking = _asking(retries)
    ways = {"Open-Meteo": lambda: open_meteo.forecast(site, issued_at=_now(None), **asking)}
    if met_norway.contact():
        ways["MET Norway"] = lambda: met_norway.forecast(site, **asking)
    bounds = issued_at.floor("h"), issued_at + HORIZON
    paid = _visual_crossing(site, *bounds, retries)
    return ways | {name: lambda ask=ask: _issued(ask(), _now(None)) for name, ask in paid.items()}


def _said(time):
    return f"{time:%Y-%m-%d %H:%M}"


def _issued(table, when):
    return table.assign(issued_at=pd.Series(when, index=table.index, dtype=tables.UTC_TIME))


def _ahead(table, issued_at, hours, origin):
    """Keep the intervals that end after `issued_at` and begin within 72 hours of it."""
    ends = table["time"] + pd.to_timedelta(hours, unit="h")
    keep = (ends > issued_at) & (table["time"] < issued_at + HORIZON)
    table = table[keep].reset_index(drop=True)
    return _some(table, origin, issued_at, issued_at + HORIZON)


def _some(table, origin, start, end):
    if table.empty:
        said = " to ".join("..." if time is None else _said(time) for time in (start, end))
        raise NothingThere(f"{origin} has nothing from {said} UTC: ask for another time.")
    return table


def _told(table, origin, now=None, late=None, column="time"):
    """Give the table with what it is made of in its `attrs`, and say it when it is old."""
    origin, stale = Path(origin).name, ""  # tables are published; folders are nobody's business
    newest = table[column].max()
    if now is not None and not pd.isna(newest) and now - newest > late:
        hours = (now - newest) / pd.Timedelta(hours=1)
        kind = "issued" if column == "issued_at" else "for"
        stale = f"The newest of {origin} is {kind} {_said(newest)} UTC, {hours:.0f} hours old."
        log.warning("%s", stale)
    told = table["time"]
    if "aurora" in table:
        told = told[table["aurora"] != features.UNKNOWN]
    newest = f"{told.max():%Y-%m-%dT%H:%MZ}" if len(told) else ""
    table.attrs = {"origin": origin, "newest": newest, "stale": stale}
    return table


# The command -------------------------------------------------------------------------------------


def main(
    source: console.SourceOption = None,
    check_services: Annotated[
        bool, typer.Option("--check", help="Ask each service, whatever the source.")
    ] = False,
    site: Annotated[str, typer.Option(help=f"One of {', '.join(SITES)}.")] = "kiruna",
) -> None:
    """Show what the source holds, or how each service answers.

    The exit code of --check is 0 when each need has a service that answers as documented.
    """
    if not check_services:
        _show_source(chosen(source), site)
        return
    answers = check.ask_all(find(site))
    _show(answers)
    raise typer.Exit(0 if check.served(answers) else 1)


def _show_source(source: str, site: str) -> None:
    readers = {
        "kp": lambda: read_kp(source),
        "weather": lambda: read_weather(source, site=site),
        "labels": lambda: read_labels(source, site=site),
    }
    for name, read in readers.items():
        try:
            table = read()
        except SourceError as error:
            console.say(f"{name}: {error}")
            continue
        first, last = table["time"].min(), table["time"].max()
        console.say(f"{name}: {len(table):,} rows, {_said(first)} to {_said(last)} UTC")


def _show(answers: list[check.Answer]) -> None:
    from rich.console import Console
    from rich.table import Table

    words = {True: "yes", False: "no", None: "-"}
    shown = Table("need", "service", "reachable", "as documented", "new", "newest (UTC)")
    for answer in answers:
        found = (answer.reachable, answer.as_documented, answer.fresh)
        told = [words[known] for known in found]
        shown.add_row(answer.need, answer.service, *told, answer.newest)
    Console().print(shown)
    for answer in answers:
        if answer.note:
            console.say(f"{answer.service}: {answer.note}")


if __name__ == "__main__":
    console.run(main)
