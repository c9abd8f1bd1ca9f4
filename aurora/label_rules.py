"""Rules that tell in which hours of a keogram aurora is seen: the two of the seed, and ours.

`newer`     The seed's labels as published: an hour shows aurora when more than 1.5 % of the pixels
            in the upper half are green.
`earlier`   The seed's first labels: more than 5 % of all pixels, of a narrower green.
`night`     Ours: minutes with excess green, only under a dark sky, and `unknown` where the camera
            cannot tell. A sky under cloud shows no aurora: it is `no`.

The first two are exact, hour for hour; so they call daylight and a camera that is off `no`. A
picture that is missing or cannot be read is `unknown` by every rule.

Of 60 hours in six nights that a person could decide (tests/aurora/hand_labels.csv) `night` gets 59
right, `newer` 55 and `earlier` 53. That is few: the four hours by which `night` is ahead of `newer`
lie in the three nights it was tuned on, in the other three both are right in all 27, and no clear
night without aurora was at hand. It is the default for that, and for its `unknown`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import numpy as np
import pandas as pd

from aurora import keogram as keograms
from aurora import sites
from aurora.keogram import HOUR, HOURS, MINUTES, Keogram

YES, NO, UNKNOWN = "yes", "no", "unknown"
SUN_LIMIT = -9.0  # degrees; with the sun higher up the sky itself is bright and blue
SUN_STEP = 10  # minutes between two exact heights of the sun; in between they are interpolated


@dataclass(frozen=True)
class GreenShare:
    """A seed's rule: `yes` when the share of green among the upper `rows` is above `limit`.

    Colours are OpenCV's 8-bit hue, saturation and value; both bounds count as green.
    """

    name: str
    rows: int
    lowest: tuple[int, int, int]
    highest: tuple[int, int, int]
    limit: float

    def judge(self, keogram: Keogram, watched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give state and green share of each hour, whatever of it was `watched`."""
        hsv = keograms.opencv_hsv(keogram.palette)
        green = ((hsv >= self.lowest) & (hsv <= self.highest)).all(axis=1)
        hits = green[keogram.pixels[: self.rows]].reshape(self.rows, HOURS, HOUR)
        share = hits.sum(axis=(0, 2)) / (self.rows * HOUR)
        return np.where(share > self.limit, YES, NO), share


@dataclass(frozen=True)
class Night:
    """Our rule. `excess` is in steps of an 8-bit colour, times are in minutes.

    A cell (`Keogram.cells`) is green when its excess is above `excess`, and a minute votes for
    aurora when more than `share` of its cells are green. An hour is `yes` with `least` such
    minutes left after smoothing; with fewer it is `no` if it was watched for `enough`.
    """

    name: str = "night"
    excess: float = 8
    share: float = 0.05
    least: int = 5
    enough: int = 30
    top: int = 3  # cells left out: rows 0-11 are a line of noise and the glow of the horizon,
    bottom: int = 5  # rows 340-359 the other horizon
    trust: float = 0.9  # how often the vote of a minute is right
    spell: float = 30  # how long a sky with or without aurora lasts

    def judge(self, keogram: Keogram, watched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give state and share of aurora in the `watched` minutes of each hour; NaN without any."""
        aurora = self.minutes(keogram, watched).reshape(HOURS, -1).sum(axis=1)
        seen = watched.reshape(HOURS, -1).sum(axis=1)
        score = np.divide(aurora, seen, out=np.full(HOURS, np.nan), where=seen > 0)
        otherwise = np.where(seen < self.enough, UNKNOWN, NO)
        return np.where(aurora >= self.least, YES, otherwise), score

    def minutes(self, keogram: Keogram, watched: np.ndarray) -> np.ndarray:
        """Tell which of the 1440 minutes show aurora; only `watched` ones can."""
        if not watched.any():
            return np.zeros(MINUTES, dtype=bool)
        sky = keogram.cells[self.top : -self.bottom]
        votes = (excess_green(sky, watched) > self.excess).mean(axis=0) > self.share
        return steady(votes, watched, self.trust, self.spell) & watched


RULES = {
    rule.name: rule
    for rule in (
        Night(),
        GreenShare("newer", 180, (32, 64, 32), (100, 255, 255), 0.015),
        GreenShare("earlier", 360, (35, 70, 40), (95, 255, 255), 0.05),
    )
}


class Rule(StrEnum):
    """The names of `RULES`."""

    night = "night"
    newer = "newer"
    earlier = "earlier"


def label(
    keogram: Keogram, rule: str = Rule.night, site: str | sites.Site = "kiruna"
) -> pd.DataFrame:
    """Give the 24 hours of a picture.

    Columns: `time`, when the hour starts (UTC); `aurora`, yes, no or unknown; `score`, what the
    rule holds against its limit; `coverage` and `dark`, the shares of the hour's minutes with the
    camera on and with the sun below `SUN_LIMIT`.
    """
    dark = sun_altitudes(keogram.start, site) < SUN_LIMIT
    states, score = RULES[rule].judge(keogram, keogram.lit & dark)
    return _hours(keogram.start, states, score, keogram.lit, dark)


def unknown(day: date, site: str | sites.Site = "kiruna") -> pd.DataFrame:
    """Give the 24 hours of a day whose picture is missing or cannot be read."""
    start = keograms.start_of(day)
    dark = sun_altitudes(start, site) < SUN_LIMIT
    return _hours(start, UNKNOWN, np.nan, np.zeros(MINUTES), dark)


def sun_altitudes(start: datetime, site: str | sites.Site = "kiruna") -> np.ndarray:
    """Give the sun's height in degrees in the middle of each of the 1440 minutes from `start` on.

    Between two exact heights the curve is within 0.01 degrees of a straight line.
    """
    exact = np.arange(0, MINUTES + 1, SUN_STEP)
    times = pd.Timestamp(start) + pd.to_timedelta(exact, unit="min")
    heights = sites.sun_altitude(sites.find(site), times)
    return np.interp(np.arange(MINUTES) + 0.5, exact, heights)


def excess_green(sky: np.ndarray, watched: np.ndarray) -> np.ndarray:
    """Give how much greener cells (rows x 1440 x 3) are than the night by itself.

    Green is what is beyond red and beyond blue, the lesser of the two. It counts from two
    backgrounds, whichever gives more: grey, with the green cast that the row has when it is least
    green (a quarter of the `watched` minutes have less, at most 15 counts), and the row's median
    colour, which in a cloudy night is that of lit cloud. Grey gaps in brown cloud have no excess:
    they lose red, but blue comes up.
    """
    beyond = sky[..., 1:2] - sky[..., ::2]  # red and blue
    green = beyond.min(axis=2)
    cast = np.quantile(green[:, watched], 0.25, axis=1, keepdims=True).clip(0, 15)
    usual = np.median(beyond[:, watched], axis=1, keepdims=True)
    return np.maximum(green - cast, (beyond - usual).min(axis=2))


def steady(votes: np.ndarray, watched: np.ndarray, trust: float, spell: float) -> np.ndarray:
    """Give the likeliest course of a sky that is in one of two states (Viterbi's algorithm).

    The vote of each `watched` minute is right with probability `trust`, and a state lasts `spell`
    minutes on average. `lead` (log-odds) is how far the best course that ends in aurora is ahead
    of the best one that ends without.
    """
    weight, change = math.log(trust / (1 - trust)), math.log(spell - 1)
    leads, lead = [], 0.0
    for evidence in (np.where(votes, weight, -weight) * watched).tolist():
        leads.append(lead)
        lead = min(max(lead, -change), change) + evidence
    course, state = [], lead > 0
    for before in reversed(leads):
        course.append(state)
        state = before >= -change if state else before > change
    return np.array(course[::-1])


def _hours(start, states, score, lit, dark):
    times = pd.date_range(start, periods=HOURS, freq="h").as_unit("ns")
    shares = {
        name: np.reshape(minutes, (HOURS, -1)).mean(axis=1)
        for name, minutes in {"coverage": lit, "dark": dark}.items()
    }
    return pd.DataFrame({"time": times, "aurora": states, "score": score, **shares})
