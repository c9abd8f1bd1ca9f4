"""Ask each service once and say how it answered: reachable, as documented, new."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from aurora.feeds import gfz, keograms, met_norway, noaa, open_meteo, visual_crossing
from aurora.sites import Site
from fti.errors import SourceError, SourceUnreachable

WITHOUT_NIGHTS = range(5, 9)  # months in which the camera in Kiruna rests
HOUR = pd.Timedelta(hours=1)
# How long ago the newest interval may have begun; a forecast has to reach a day ahead.
LATE = {
    "Kp": 6 * HOUR,
    "Hp60": 3 * HOUR,
    "Kp forecast": -24 * HOUR,
    "weather": 3 * HOUR,
    "weather forecast": -24 * HOUR,
    "keograms": 72 * HOUR,
}


@dataclass(frozen=True)
class Answer:
    """What asking a service has shown, None where that is not known; `note` says what is wrong."""

    need: str
    service: str
    reachable: bool | None = None
    as_documented: bool | None = None
    fresh: bool | None = None
    newest: str = ""
    note: str = ""


def ask_all(site: Site, *, retries: int = 0) -> list[Answer]:
    """Ask every service about `site`, past any copy kept here, unless it lacks its setting."""
    now = pd.Timestamp.now("UTC").as_unit("us")
    answers = [_ask(*way, now) for way in _open_ways(site, now, retries)]
    for need, service, setting, value, way in _ways_with_setting(site, now, retries):
        unset = Answer(need, service, note=f"not asked, {setting} is not set")
        answers.append(_ask(need, service, way, now) if value else unset)
    return [*answers, _keogram(now)]


def served(answers: list[Answer]) -> bool:
    """Tell whether each need has a service that answers as documented, and with what is new."""
    needs = {answer.need for answer in answers}
    return needs == {answer.need for answer in answers if answer.as_documented and answer.fresh}


def _open_ways(site, now, retries):
    """Give need, service and how to ask it, for those that need no setting."""
    week, asking = now - pd.Timedelta(days=7), {"retries": retries}
    return [
        ("Kp", "GFZ Kp", lambda: gfz.history(week, now, **asking)),
        ("Kp", "NOAA Kp", lambda: noaa.observed(**asking)),
        ("Hp60", "GFZ Hp60", lambda: gfz.history(week, now, index="Hp60", **asking)),
        ("Kp forecast", "GFZ ensemble", lambda: gfz.forecast(**asking)),
        ("Kp forecast", "NOAA forecast", lambda: noaa.forecast(issued_at=now, **asking)),
        ("weather", "Open-Meteo archive", lambda: open_meteo.history(site, week, now, **asking)),
        ("weather forecast", "Open-Meteo", lambda: open_meteo.forecast(site, **asking)),
    ]


def _ways_with_setting(site, now, retries):
    """Give need, service, the setting it needs with its value, and how to ask it."""
    need, asking, end = "weather forecast", {"retries": retries}, now + 36 * HOUR
    met = (met_norway.CONTACT, met_norway.contact())
    key = (visual_crossing.KEY, visual_crossing.api_key())
    return [
        (need, "MET Norway", *met, lambda: met_norway.forecast(site, **asking)),
        (need, "Visual Crossing", *key, lambda: visual_crossing.between(site, now, end, **asking)),
    ]


def _ask(need: str, service: str, way: Callable[[], pd.DataFrame], now: pd.Timestamp) -> Answer:
    try:
        table = way()
    except SourceUnreachable as error:
        spoke = getattr(error.__cause__, "status", None) is not None
        return Answer(need, service, spoke, False if spoke else None, note=str(error))
    except SourceError as error:
        return Answer(need, service, True, False, note=str(error))
    if table.empty:
        return Answer(need, service, True, False, note="nothing is in it")
    newest = table["time"].max()
    fresh, said = now - newest <= LATE[need], f"{newest:%Y-%m-%d %H:%M}"
    return Answer(need, service, True, True, fresh, said, "" if fresh else f"stale: {said} UTC")


def _keogram(now: pd.Timestamp) -> Answer:
    """Ask for the newest whole night; in summer for one of March, which cannot be stale."""
    night = (now - timedelta(days=2)).date()
    if night.month in WITHOUT_NIGHTS:
        night = date(night.year, 3, 15)
        now = pd.Timestamp(night, tz="UTC")

    def way():
        keograms.fetch(night, retries=0)
        return pd.DataFrame({"time": [pd.Timestamp(night, tz="UTC")]})

    return _ask("keograms", "IRF", way, now)
