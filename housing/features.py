"""From sales and flats to the numbers that the model learns from: the same code everywhere.

    past = remember(sales, level)           what is known: a fitted level, sales and their residuals
    table = build_features(rows, past)      one row per flat, columns COLUMNS

Nothing in the features of a flat comes from its own price or from a sale that was not known before
its day (`comparables.KNOWN_AFTER`). Prices enter relative to the level of prices, fees relative to
the usual fee, so the same code serves kronor and euros, with or without fee, floor or year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from housing import comparables, kriging
from housing.comparables import EARTH, Known, Near, as_arrays
from housing.kriging import Sites
from housing.level import Level, log_ratio

K = 40  # comparable sales that are looked at
FLAT = (  # what the flat is
    *("living_area_m2", "rooms", "area_per_room", "extra_area_m2", "fee", "fee_per_m2"),
    *("running_cost_per_m2", "floor", "year_built", "balcony", "elevator", "pois_nearby"),
    *("north", "east", "northeast", "southeast"),
)
NEAR = (  # what is known of it and of sales near it, on the scale of log(price per m²)
    *("level", "kriged", "kriged_spread", "house_sales", "house_mean", "street_sales"),
    *("street_mean", "near_mean", "nearest_mean", "near_spread", "like_fee_mean", "near_age"),
)
COLUMNS = (*FLAT, *NEAR, "market")
NEAREST = 10
CHUNK = 8192  # flats whose features are made together, which bounds the memory
LIKE_FEE = 0.08  # log


@dataclass(frozen=True)
class Past:
    """What valuations stand on: a level, and known sales with their residuals from it."""

    level: Level
    known: Known
    residuals: np.ndarray
    sites: Sites
    centre: np.ndarray  # latitude and longitude that positions are told from

    def __len__(self) -> int:
        return len(self.known)


def remember(sales: pd.DataFrame, level: Level, centre: np.ndarray | None = None) -> Past:
    """Put sales with prices beside a level; `centre` is their median place unless it is given."""
    known = comparables.remember(sales)
    columns = as_arrays(known.sales)
    prices = np.log(columns["price"] / columns["living_area_m2"])
    if centre is None:
        centre = known.sales[["latitude", "longitude"]].median().fillna(0.0).to_numpy()
    sites = kriging.sites(columns, known.spots, _log_fee(columns, level))
    return Past(level, known, prices - level.log_price_per_m2(columns), sites, centre)


def build_features(
    rows: pd.DataFrame, past: Past, macro: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Give the features of flats, in their order and with their index.

    In: `housing.table` rows, whose prices are not looked at; `macro`, if there is any, has a row
    for each of them (`macro.as_of`), whose columns are put beside the others as they are.
    """
    columns = as_arrays(rows)
    found = pd.DataFrame(matrix(columns, past), index=rows.index, columns=list(COLUMNS))
    if macro is None:
        return found
    return pd.concat([found, macro.set_axis(rows.index).astype("float64")], axis=1)


def matrix(
    columns: Mapping[str, np.ndarray],
    past: Past,
    near: Near | None = None,
    terms: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Give the features as an array (rows, COLUMNS), from the arrays of `as_arrays`.

    `near` and `terms` (`Level.terms`) spare looking for what the caller knows already.
    """
    rows = len(columns["day"])
    if rows > CHUNK:
        cuts = [slice(start, start + CHUNK) for start in range(0, rows, CHUNK)]
        return np.vstack([matrix(cut_out(columns, cut), past) for cut in cuts])
    near = comparables.find(past.known, columns, K) if near is None else near
    terms = past.level.terms(columns) if terms is None else terms
    parts = _flat(columns, past) | _near(columns, past, near)
    parts["level"] = past.level.typical + sum(terms.values())
    parts["market"] = past.level.typical + terms["market"]
    return np.column_stack([parts[name] for name in COLUMNS])


def cut_out(columns: Mapping[str, np.ndarray], part: slice) -> dict[str, np.ndarray]:
    """Give the flats of a slice."""
    return {name: values[part] for name, values in columns.items()}


def _flat(columns: Mapping[str, np.ndarray], past: Past) -> dict[str, np.ndarray]:
    area, level = columns["living_area_m2"], past.level
    turn = np.pi / 180 * EARTH
    north = (columns["latitude"] - past.centre[0]) * turn
    east = (columns["longitude"] - past.centre[1]) * turn * np.cos(np.radians(past.centre[0]))
    as_they_are = ("living_area_m2", "rooms", "extra_area_m2", "fee", "floor", "year_built")
    flags = ("balcony", "elevator", "pois_nearby")
    return {name: columns[name] for name in (*as_they_are, *flags)} | {
        "area_per_room": area / np.where(columns["rooms"] > 0, columns["rooms"], np.nan),
        "fee_per_m2": log_ratio(columns["fee"], area, level.fee),
        "running_cost_per_m2": log_ratio(columns["running_cost"], area, level.running_cost),
        "north": north,
        "east": east,
        "northeast": north + east,
        "southeast": east - north,
    }


def _near(columns: Mapping[str, np.ndarray], past: Past, near: Near) -> dict[str, np.ndarray]:
    fee = _log_fee(columns, past.level)
    flats = kriging.sites(columns, near.spots, fee)
    kriged, spread = kriging.krige(flats, past.sites, past.residuals, near.sales)
    if not len(past):
        return dict.fromkeys(NEAR, np.full(len(fee), np.nan)) | {
            "kriged": kriged,
            "kriged_spread": spread,
        }
    there, of = near.sales >= 0, past.sites.take(near.sales)
    residuals = np.clip(past.residuals[near.sales], -kriging.BELIEVED, kriging.BELIEVED)

    def mean(which: np.ndarray, pull: float = 1.0) -> np.ndarray:
        return (residuals * which).sum(axis=1) / np.maximum(which.sum(axis=1) + pull, 1e-9)

    house = there & (of.house == flats.house[:, None]) & (of.house >= 0)
    street = there & (of.street == flats.street[:, None]) & (of.street >= 0)
    like_fee = there & (np.abs(of.log_fee - fee[:, None]) < LIKE_FEE)
    average = mean(there, 0.0)
    ages = (flats.day[:, None] - of.day) * there
    off = (residuals - average[:, None]) ** 2 * there
    count = np.maximum(there.sum(axis=1), 1)
    return {
        "kriged": kriged,
        "kriged_spread": spread,
        "house_sales": house.sum(axis=1),
        "house_mean": mean(house),
        "street_sales": street.sum(axis=1),
        "street_mean": mean(street),
        "near_mean": average,
        "nearest_mean": mean(there & (np.arange(there.shape[1]) < NEAREST), 0.0),
        "near_spread": np.sqrt(off.sum(axis=1) / count),
        "like_fee_mean": mean(like_fee),
        "near_age": ages.sum(axis=1) / count,
    }


def _log_fee(columns: Mapping[str, np.ndarray], level: Level) -> np.ndarray:
    return log_ratio(columns["fee"], columns["living_area_m2"], level.fee)
