"""What a visitor may ask about a flat, and what is told of it beside its value.

    flat = checked(given)                       inputs of a page, a link or an endpoint -> Flat
    row = as_row(flat, spot, day)               a row of `housing.table`, for `housing.scoring`
    at_other_times(level, row, valued)          the value then, by the index of prices
    agency_effects(scorer, past, row)           the value by who sells it
    unusual(flat, spot, record)                 what the model has hardly seen

Pure functions. Money is in the currency of the sales; days are UTC midnights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from fti.errors import UserError
from housing import comparables, table
from housing.addresses import house_number
from housing.features import Past
from housing.level import MONTH, Level
from housing.places import POINT, STREET, Atlas, Spot
from housing.scoring import Scorer
from housing.table import RANGES, UNKNOWN

DAY = pd.Timedelta(days=1)
OLD = pd.Timedelta(days=60)  # of the newest sale, from which on nothing is said of today
YEAR = 365  # days
WAR = pd.Timestamp("2022-02-24", tz="UTC")
FARTHEST = 20_000.0  # metres from the nearest known sale: beyond nothing is known of prices
FAR = 1_000.0
Z_80, Z_90 = 1.2816, 1.6449  # standard deviations of a normal distribution
MANY = 100  # agencies that are compared, the most frequent ones
OURS, SEED, AUTOML = "ours", "seed_xgboost", "autogluon"
MODELS = {OURS: "housing", SEED: "housing_seed_xgboost", AUTOML: "housing_autogluon"}
# The agencies of the first version of this page, for sales that name none
SEED_AGENCIES = (
    "Fastighetsbyrån", "Notar", "Svensk Fastighetsförmedling", "HusmanHagberg",
    "Länsförsäkringar Fastighetsförmedling", "Erik Olsson", "SkandiaMäklarna",
    "Svenska Mäklarhuset", "Bjurfors", "Mäklarhuset", "BOSTHLM", "Innerstadsspecialisten", "MOHV",
    "Mäklarringen", "Historiska Hem", "Södermäklarna", "Karlsson & Uddare",
    "UNIK Fastighetsförmedling", "Edward & Partners", "Widerlöv",
)  # fmt: skip
CONFIDENCE = {"A": "high", "B": "good", "C": "fair", "D": "low"}
LONGEST = 80  # characters of a street
# A street: letters with the marks that belong to names, and a municipality after a comma
LETTERS = re.compile(r"[^\W\d_](?:[^\W\d_]|[ .:'’/-])*(?:,[ ](?:[^\W\d_]|[ -])+)?")
NUMERAL = re.compile(r"-?[0-9]{1,9}(?:[.,][0-9]{1,8})?")


# What is asked


class Number(NamedTuple):
    """An input that is a number: title, unit, whether it has to be known, and its ends."""

    title: str
    unit: str
    needed: bool
    low: float
    high: float

    @property
    def rule(self) -> str:
        """What it may be."""
        return f"it must be from {said(self.low)} to {said(self.high)}{self.unit}"

    def read(self, given: Any) -> float | None:
        """Give the number, also of its text; UserError for anything else."""
        if given is None or given == "" or given == UNKNOWN:
            if self.needed:
                raise UserError(f"{self.title} is missing: {self.rule}.")
            return None
        number = as_number(given)
        if number is None:
            raise UserError(f"{self.title} must be a number: {self.rule}.")
        if number < self.low:
            raise UserError(f"{self.title} is too low: {self.rule}.")
        if number > self.high:
            raise UserError(f"{self.title} is too high: {self.rule}.")
        return number


def _number(title: str, unit: str, column: str, needed: bool = False) -> Number:
    return Number(title, unit, needed, RANGES[column].low, RANGES[column].high)


NUMBERS = {
    "living_area_m2": _number("Size", " m²", "living_area_m2", needed=True),
    "rooms": _number("Number of rooms", "", "rooms"),
    "fee": _number("Monthly fee", "", "fee"),
    "running_cost": _number("Monthly running cost", "", "running_cost"),
    "floor": _number("Floor", "", "floor"),
    "year_built": _number("Year built", "", "year_built"),
    "latitude": _number("Latitude", "°", "latitude"),
    "longitude": _number("Longitude", "°", "longitude"),
}
FIELDS = (
    *("street", "number", "living_area_m2", "rooms", "fee", "running_cost", "floor"),
    *("year_built", "balcony", "elevator", "agency", "model", "latitude", "longitude"),
)
FLAGS = {"balcony": "Balcony", "elevator": "Lift"}
YES, NO = "yes", "no"


@dataclass(frozen=True, kw_only=True)
class Flat:
    """A flat that somebody asks about; None and "unknown" are not known.

    With coordinates these say where it is, otherwise street and number do.
    """

    street: str = UNKNOWN
    number: str = UNKNOWN
    living_area_m2: float = 50.0
    rooms: float | None = None
    fee: float | None = None
    running_cost: float | None = None
    floor: float | None = None
    year_built: float | None = None
    balcony: str = UNKNOWN
    elevator: str = UNKNOWN
    agency: str = UNKNOWN
    model: str = OURS
    latitude: float | None = None
    longitude: float | None = None

    @property
    def has_point(self) -> bool:
        """Tell whether coordinates say where it is."""
        return self.latitude is not None


def checked(given: Mapping[str, Any], atlas: Atlas, agencies: tuple[str, ...]) -> Flat:
    """Give a flat; UserError with one sentence, naming the field, if it cannot be one.

    `given` has FIELDS; `agencies` are those that may be named.
    """
    numbers = {name: field.read(given[name]) for name, field in NUMBERS.items()}
    if (numbers["latitude"] is None) != (numbers["longitude"] is None):
        raise UserError("Latitude and longitude belong together: give both or none of them.")
    point = numbers["latitude"] is not None
    street = checked_street(given["street"], atlas, needed=not point)
    agency = UNKNOWN if given["agency"] in (None, "") else given["agency"]
    if not isinstance(agency, str) or agency not in (*agencies, UNKNOWN):
        raise UserError(f"Agency must be one of {', '.join(agencies)}, or {UNKNOWN}.")
    if not isinstance(given["model"], str) or given["model"] not in MODELS:
        raise UserError(f"Model must be one of {', '.join(MODELS)}.")
    known = {"street": street, "number": checked_number(given["number"]), "agency": agency}
    known |= {name: checked_flag(title, given[name]) for name, title in FLAGS.items()}
    return Flat(**known, model=given["model"], **numbers)


def checked_street(given: Any, atlas: Atlas, needed: bool = True) -> str:
    """Give a street as it is written; UserError when it is none."""
    text = " ".join(given.split()) if isinstance(given, str) else ""
    if text in ("", UNKNOWN):
        if needed:
            raise UserError("Street name is empty.")
        return UNKNOWN
    if len(text) > LONGEST:
        raise UserError(f"Street name is too long: it must have at most {LONGEST} letters.")
    if not LETTERS.fullmatch(text) and atlas.find(text) is None:  # "rue du 4 septembre" is known
        raise UserError("Only letters are allowed in street name.")
    return text


def checked_number(given: Any) -> str:
    """Give a number of a house like "96c"; UserError when it is none."""
    whole = isinstance(given, float) and math.isfinite(given) and given == int(given)
    text = str(int(given) if whole else given).strip() if given is not None else ""
    if text in ("", UNKNOWN):
        return UNKNOWN
    number = house_number(text[:20])
    if isinstance(given, bool) or number == UNKNOWN or len(number) != len(text.replace(" ", "")):
        raise UserError("Street number must be a number from 0 to 9999, like 12, 96C or 12-14.")
    return number


def checked_flag(title: str, given: Any) -> str:
    """Give yes, no or unknown; UserError for anything else."""
    if given is None or isinstance(given, bool):
        return {None: UNKNOWN, True: YES, False: NO}[given]
    if not isinstance(given, str) or given not in (YES, NO, UNKNOWN, ""):
        raise UserError(f"{title} must be yes, no or unknown.")
    return given or UNKNOWN


def as_number(given: Any) -> float | None:
    """Give a number or the number that a text writes; None for anything else."""
    if isinstance(given, str):
        text = given.strip()
        return float(text.replace(",", ".")) if NUMERAL.fullmatch(text) else None
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    try:
        number = float(given)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def link(flat: Flat) -> str:
    """Give the address of a flat, relative to the page: what is not known is left out."""
    words = {}
    for name in FIELDS:
        value = getattr(flat, name)
        if value not in (None, UNKNOWN):
            words[name] = f"{value:.6f}".rstrip("0").rstrip(".") if name in NUMBERS else value
    return "?" + urlencode(words)


def read_link(query: Mapping[str, str]) -> dict[str, Any]:
    """Give the values of a link's query by field; numbers that are none are left as text."""
    found: dict[str, Any] = {}
    for name in FIELDS:
        if name in query:
            number = as_number(query[name]) if name in NUMBERS else None
            found[name] = query[name] if number is None else number
    return found


def usual_flat(past: Past, atlas: Atlas) -> Flat:
    """Give a flat to start from: the one among the newest sales that is most like all of them."""
    sales = past.known.sales.tail(500)
    sales = sales[sales["street"] != UNKNOWN]
    if sales["latitude"].notna().any():
        sales = sales[sales["latitude"].notna()]
    if sales.empty:
        return Flat()
    numbers = sales[["living_area_m2", "rooms", "fee", "latitude", "longitude"]]
    spread = (numbers - numbers.median()).abs() / numbers.std().replace(0.0, np.nan)
    row = sales.loc[spread.fillna(0.0).sum(axis=1).idxmin()]
    spot = atlas.find(row["street"], row["number"])
    known = {
        name: None if pd.isna(row[name]) else float(row[name])
        for name in ("living_area_m2", "rooms", "fee", "running_cost", "floor", "year_built")
    }
    flags = {name: {1.0: YES, 0.0: NO}.get(row[name], UNKNOWN) for name in FLAGS}
    street = spot.street if spot else row["street"]
    return Flat(street=street, number=row["number"], **known, **flags)


# The flat as a row


def within_reach(spot: Spot, atlas: Atlas) -> Spot:
    """Give the spot with its distance to the nearest known sale; UserError if that is too far."""
    if math.isnan(spot.latitude) or atlas.tree is None:
        return spot
    near = atlas.nearest(spot.latitude, spot.longitude)
    if near.metres > FARTHEST:
        raise UserError(
            f"This place is {near.metres / 1000:,.0f} km from the nearest known sale: choose one "
            f"within {FARTHEST / 1000:.0f} km of it."
        )
    return replace(spot, metres=near.metres)


def as_row(flat: Flat, spot: Spot, day: pd.Timestamp, currency: str) -> pd.DataFrame:
    """Give the flat as the one row of `housing.table`, for a valuation on a day."""
    row = dict.fromkeys(table.COLUMNS, float("nan")) | dict.fromkeys(table.TEXTS, UNKNOWN)
    row |= {"sold_on": day, "currency": currency, "extra_area_m2": 0.0, "agency": flat.agency}
    for name in ("street", "number", "municipality", "district", "association"):
        row[name] = getattr(spot, name)
    for name in ("latitude", "longitude", "elevator", "pois_nearby"):
        row[name] = getattr(spot, name)
    for name in FLAGS:
        if getattr(flat, name) != UNKNOWN:
            row[name] = float(getattr(flat, name) == YES)
    for name in ("living_area_m2", "rooms", "fee", "running_cost", "floor", "year_built"):
        value = getattr(flat, name)
        row[name] = float("nan") if value is None else value
    return pd.DataFrame([row]).astype(table.COLUMNS)


def day_of_value(today: pd.Timestamp, newest: pd.Timestamp) -> pd.Timestamp:
    """Give the day that flats are valued for: today, unless the newest sale is older than OLD.

    Then it is the first day on which that sale was known, since nothing is known of prices later.
    """
    today = today.normalize()
    return today if today - newest <= OLD else newest + comparables.KNOWN_AFTER


# The value at other times


class Moment(NamedTuple):
    """A value at another time; None where the sales do not reach. `low` and `high` are the 90 %."""

    name: str
    day: pd.Timestamp
    value: float | None
    low: float | None
    high: float | None
    difference: float | None


def at_other_times(past: Past, row: pd.DataFrame, valued: Mapping[str, float]) -> list[Moment]:
    """Give the value a year ago, three years ago, before 24 February 2022, and in a year.

    Back in time it follows the index of prices in the flat's district. Ahead the value stays and
    its range grows, as after a year of a random walk (`yearly_move`).
    """
    level, day = past.level, row["sold_on"].iloc[0]
    then = {
        "a year ago": day - YEAR * DAY,
        "three years ago": day - 3 * YEAR * DAY,
        "before 24 February 2022": WAR - DAY,
    }
    found = [_ahead(level, day, valued)]
    for name, moment in then.items():
        if moment < first_day(past) or moment >= day:
            found.append(Moment(name, moment, None, None, None, None))
            continue
        factor = float(index(level, row, pd.DatetimeIndex([moment]))[0])
        value, low, high = (valued[key] * factor for key in ("value", "low_90", "high_90"))
        found.append(Moment(name, moment, value, low, high, value - valued["value"]))
    return found


def _ahead(level: Level, day: pd.Timestamp, valued: Mapping[str, float]) -> Moment:
    name, then, move = "in a year", day + YEAR * DAY, yearly_move(level)
    if move is None:
        return Moment(name, then, None, None, None, None)
    low, high = widened(valued, move * Z_90)
    return Moment(name, then, valued["value"], low, high, 0.0)


def widened(valued: Mapping[str, float], more: float) -> tuple[float, float]:
    """Give the 90 % range with `more` log uncertainty added to it, as of independent errors."""
    value = valued["value"]
    below, above = math.log(value / valued["low_90"]), math.log(valued["high_90"] / value)
    return value * math.exp(-math.hypot(below, more)), value * math.exp(math.hypot(above, more))


def index(level: Level, row: pd.DataFrame, days: pd.DatetimeIndex) -> np.ndarray:
    """Give the level of prices for a flat on days, relative to that on its own day."""
    own = comparables.as_arrays(row)
    columns = {name: np.repeat(values, len(days) + 1) for name, values in own.items()}
    columns["day"][1:] = days.to_numpy("datetime64[D]").astype(np.int64)
    logs = level.log_price_per_m2(columns)
    return np.exp(logs[1:] - logs[0])


def first_day(past: Past) -> pd.Timestamp:
    """Give the first day that both the index and the known sales reach back to."""
    index = pd.Timestamp("1970-01-01", tz="UTC") + math.ceil(past.level.first_month * MONTH) * DAY
    return max(index, past.known.sales["sold_on"].iloc[0]) if len(past) else index


def yearly_move(level: Level) -> float | None:
    """Give how far the index of prices moves in a year (log), None when it is shorter than that.

    The root mean square of its changes over 12 months, all that there are.
    """
    changes = level.market[12:] - level.market[:-12]
    return float(np.sqrt(np.mean(changes**2))) if len(changes) else None


def months(past: Past, row: pd.DataFrame) -> pd.DatetimeIndex:
    """Give the middles of the index's months that are reached back to, and the flat's day."""
    middle = (past.level.first_month + np.arange(len(past.level.market)) + 0.5) * MONTH
    days = pd.DatetimeIndex(pd.to_datetime(np.floor(middle), unit="D", utc=True))
    day = row["sold_on"].iloc[0]
    return days[(days >= first_day(past)) & (days < day)].append(pd.DatetimeIndex([day]))


# Agencies


def known_agencies(level: Level) -> tuple[str, ...]:
    """Give the agencies that the model tells apart, the most frequent first."""
    return tuple(level.names["agency"])[:MANY]


def agency_effects(scorer: Scorer, past: Past, row: pd.DataFrame, best: int = 5) -> pd.DataFrame:
    """Give the agencies with the highest values: agency, value, difference from the mean of all."""
    names = known_agencies(past.level)
    if not names:
        return pd.DataFrame(columns=["agency", "value", "difference"])
    rows = pd.concat([row] * len(names), ignore_index=True).assign(agency=list(names))
    values = scorer.predict(rows, past)
    found = pd.DataFrame({"agency": names, "value": values, "difference": values - values.mean()})
    return found.nlargest(best, "value").reset_index(drop=True)


# Worries


def unusual(flat: Flat, spot: Spot, record: Mapping[str, Any]) -> list[str]:
    """Say what of a flat the model has hardly or never seen. `record` is that of the training."""
    found = []
    for name, field in NUMBERS.items():
        value = getattr(flat, name)
        seen = record["ranges"].get(name)
        if value is None or name in ("latitude", "longitude"):
            continue
        if seen is None:
            found.append(f"No known sale tells its {field.title.lower()}, so that counts nothing.")
        elif not seen["min"] <= value <= seen["max"]:
            found.append(
                f"{field.title} {said(value)}{field.unit} is outside all that the model has seen, "
                f"{said(seen['min'])} to {said(seen['max'])}{field.unit}: the value is a guess "
                "beyond its range."
            )
        elif not seen["low"] <= value <= seen["high"]:
            found.append(
                f"{field.title} {said(value)}{field.unit} is unusual: 98 % of known flats have "
                f"{said(seen['low'])} to {said(seen['high'])}{field.unit}."
            )
    return found + _about_place(spot)


def _about_place(spot: Spot) -> list[str]:
    if spot.metres > FAR:
        distance = f"{spot.metres / 1000:.1f} km"
        return [f"The nearest known sale is {distance} away: the location is hardly known."]
    if spot.precision == STREET:
        return ["No known sale is of this house: it is put beside the nearest one of its street."]
    if spot.precision == POINT and spot.street == UNKNOWN:
        return ["No known sale is within 200 m of this place."]
    return []


# Words


def said(number: float) -> str:
    """Write a number: thousands apart, unless it is a year."""
    if number == int(number) and 1000 <= abs(number) < 2200:
        return f"{number:.0f}"
    return f"{number:,.4f}".rstrip("0").rstrip(".")


def money(amount: float, currency: str, sign: bool = False) -> str:
    """Write an amount as far as it means something: to a thousand, small ones to the unit."""
    rounded = rounded_money(amount)
    mark = "\N{MINUS SIGN}" if rounded < 0 else "+" if sign and rounded > 0 else ""
    return f"{mark}{abs(rounded):,.0f}\N{NO-BREAK SPACE}{currency}"


def rounded_money(amount: float) -> float:
    """Give an amount to a thousand, smaller ones than 10,000 to the unit."""
    return float(round(amount, -3) if abs(amount) >= 10_000 else round(amount)) or 0.0
