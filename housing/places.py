"""Where the flat of a visitor is: houses of known sales, by address and by coordinates.

    atlas = survey(sales)                       sales: `housing.table` rows with prices
    atlas.find("Olof Palmes gata", "12")        a Spot: the house, or the nearest one of its street
    atlas.nearest(59.33, 18.06)                 the Spot of the nearest known house

A spot also tells what the sales of its house say of every flat in it: district, association, lift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from housing.addresses import house_number, municipality_name, street_name
from housing.comparables import on_earth
from housing.table import UNKNOWN

MOST_STREETS = 2_000  # that a visitor chooses from: those with the most sales
SAME_HOUSE, SAME_STREET = 60.0, 200.0  # metres
TEXTS = ("district", "association")
NUMBERS = ("latitude", "longitude", "elevator", "pois_nearby")
# How well a place is known
HOUSE, STREET, POINT, LOOKED_UP = "house", "street", "point", "looked up"


@dataclass(frozen=True)
class Spot:
    """A place, and what is known of the house there; `precision` says how well that is known.

    `metres` is the distance to the nearest house of a known sale, NaN where that is not known.
    """

    latitude: float
    longitude: float
    precision: str
    street: str = UNKNOWN
    number: str = UNKNOWN
    municipality: str = UNKNOWN
    district: str = UNKNOWN
    association: str = UNKNOWN
    elevator: float = float("nan")
    pois_nearby: float = float("nan")
    metres: float = float("nan")

    @property
    def address(self) -> str:
        """Street and number as people write them."""
        number = "" if self.number == UNKNOWN else f" {self.number.upper()}"
        return f"{spoken(self.street)}{number}"


@dataclass(frozen=True)
class Atlas:
    """The houses of known sales, one row each; those with the most sales first.

    Columns: street, number, municipality (of one spelling), sales, and `TEXTS` and `NUMBERS`, each
    the newest that is known of the house. `on` has their places by street; `tree` finds those with
    coordinates, whose places are `located`.
    """

    houses: pd.DataFrame
    on: Mapping[str, np.ndarray]
    located: np.ndarray
    tree: cKDTree | None

    @property
    def municipality(self) -> str:
        """The municipality with the most sales."""
        counts = self.houses.groupby("municipality")["sales"].sum()
        return str(counts.idxmax()) if len(counts) else UNKNOWN

    def streets(self, most: int = MOST_STREETS) -> list[str]:
        """Give the streets with the most sales by name, with the municipality where it is needed.

        `find` takes each of them.
        """
        of = self.houses[self.houses["street"] != UNKNOWN]
        counts = of.groupby(["street", "municipality"])["sales"].sum().nlargest(most)
        towns = of.groupby("street")["municipality"].nunique()
        return sorted(
            spoken(street) if towns[street] == 1 else f"{spoken(street)}, {spoken(town)}"
            for street, town in counts.index
        )

    def find(self, street: str, number: str = UNKNOWN) -> Spot | None:
        """Give the house of an address, or the one nearest to it by number; None off known streets.

        `street` may end with a municipality: "Storgatan, Solna".
        """
        name, _, town = street.partition(",")
        on = self.houses.iloc[self.on.get(street_name(name), [])]
        if town.strip():
            on = on[on["municipality"] == municipality_name(town)]
        if on.empty:
            return None
        on = on[on["municipality"] == on.groupby("municipality")["sales"].sum().idxmax()]
        number = house_number(str(number))
        same = on[on["number"] == number]
        if number != UNKNOWN and len(same):
            return self._spot(same.index[0], HOUSE)
        apart = (on["number"].map(_digits) - _digits(number)).abs()
        nearest = on.index[0] if apart.isna().all() else apart.idxmin()
        known = HOUSE if apart[nearest] == 0 else STREET
        return replace(self._spot(nearest, known), number=number)

    def nearest(self, latitude: float, longitude: float) -> Spot | None:
        """Give the nearest house that has coordinates; None when no house has."""
        if self.tree is None:
            return None
        metres, place = self.tree.query(on_earth(np.array([latitude]), np.array([longitude]))[0])
        return replace(self._spot(self.located[place], HOUSE), metres=float(metres))

    def at(self, latitude: float, longitude: float, precision: str = POINT) -> Spot:
        """Give a point as a spot, with what the nearest house tells, as far as that goes there."""
        near = self.nearest(latitude, longitude)
        if near is None:
            return Spot(latitude, longitude, precision, municipality=self.municipality)
        spot = replace(near, latitude=latitude, longitude=longitude, precision=precision)
        if near.metres > SAME_HOUSE:
            spot = replace(spot, number=UNKNOWN, association=UNKNOWN, elevator=float("nan"))
        return replace(spot, street=UNKNOWN) if near.metres > SAME_STREET else spot

    def _spot(self, house: int, precision: str) -> Spot:
        row = self.houses.loc[house]
        values = {name: row[name] for name in ("street", "number", "municipality", *TEXTS)}
        values |= {name: float(row[name]) for name in NUMBERS}
        return Spot(precision=precision, **values)


def survey(sales: pd.DataFrame) -> Atlas:
    """Find the houses of sales, in `housing.table`'s columns."""
    known = sales[["street", "number", "municipality", *TEXTS, *NUMBERS, "sold_on"]].copy()
    for name, spell in (("street", street_name), ("municipality", municipality_name)):
        known[name] = known[name].map({text: spell(text) for text in known[name].unique()})
    known = known.sort_values("sold_on", kind="stable")
    known[list(TEXTS)] = known[list(TEXTS)].replace(UNKNOWN, None)
    groups = known.groupby(["municipality", "street", "number"], sort=False)
    houses = groups[[*TEXTS, *NUMBERS]].last()
    houses[list(TEXTS)] = houses[list(TEXTS)].astype(object).fillna(UNKNOWN)
    houses["sales"] = groups.size()
    houses = houses.reset_index()
    houses = houses.sort_values(["sales", "street", "number"], ascending=[False, True, True])
    houses = houses.reset_index(drop=True)
    located = np.flatnonzero(houses["latitude"].notna() & houses["longitude"].notna())
    points = on_earth(*houses.loc[located, ["latitude", "longitude"]].to_numpy().T)
    on = houses[houses["street"] != UNKNOWN].groupby("street").indices
    return Atlas(houses, on, located, cKDTree(points) if len(located) else None)


def spoken(name: str) -> str:
    """Write a name that is kept in lower case as people write it: each word with a capital."""
    return " ".join(word[:1].upper() + word[1:] for word in name.split(" "))


def _digits(number: str) -> float:
    digits = "".join(each for each in number.partition("-")[0] if each.isdigit())
    return float(digits) if digits else float("nan")
