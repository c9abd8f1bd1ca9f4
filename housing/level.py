"""The level of prices: a market index by month, and what size, fee, floor and so on usually add.

    level = fit(sales)                      a robust ridge regression on log(price per m²)
    level.terms(as_arrays(rows))            name -> what it adds for each flat, on log scale
    level.log_price_per_m2(columns)         their sum

Trees cannot extrapolate and markets drift, so the trend is taken off before trees see anything. The
index is a random walk: the regression pulls the difference between neighbouring months to 0, and
days after the last month have its level. Location within a district is not in it: that is left to
comparable sales (`housing.kriging`). Streets take part in the regression all the same, so that a
high fee is not taken for the cheap street on which it is usual, and then are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from housing.comparables import as_arrays
from housing.table import UNKNOWN

MONTH, QUARTER = 30.4375, 91.3125  # days
NEWEST = 100_000  # sales that the regression learns from
HUBER = 1.5  # standard deviations from which on a sale counts less
ROUNDS = 4  # of reweighting
# Standard deviations that coefficients are pulled to 0 with, on log scale; chosen, as all such
# numbers here, on rolling splits within the first 80 % of the Stockholm sales
PULL = {
    "slopes": 0.1,
    "month": 0.015,  # between neighbouring months
    "district": 0.2,
    "district_size": 0.05,
    "district_quarter": 0.008,  # between neighbouring quarters
    "street": 0.06,
    "association": 0.05,
    "agency": 0.03,
}
LEAST = 5  # sales from which on a group has an effect of its own
MOST = {"district": 60, "street": 1500, "association": 1000, "agency": 200}

# input -> its measures, each with the places where its straight line may bend
SLOPES: dict[str, dict[str, tuple[float, ...]]] = {
    "size": {"log_area": (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0), "extra_area": ()},
    "rooms": {"log_room": (-0.3, -0.05, 0.2), "rooms_unknown": ()},
    "fee": {"fee": (-0.6, -0.3, 0.0, 0.3, 0.6), "fee_unknown": (), "fee_x_size": ()},
    "running_cost": {"running_cost": (0.0,), "running_cost_unknown": ()},
    "floor": {
        "floor": (-0.6, 0.0, 0.5),
        "floor_unknown": (),
        "ground_floor": (),
        "floor_without_elevator": (),
    },
    "balcony": {"balcony": (), "balcony_unknown": ()},
    "elevator": {"elevator": (), "elevator_unknown": (), "balcony_and_elevator": ()},
    "year_built": {"year_built": (-0.6, -0.2, 0.2, 0.5), "year_unknown": ()},
}
GROUPS = ("district", "association", "agency")


@dataclass(frozen=True)
class Level:
    """What the regression found; all numbers are on the scale of log(price per m²).

    `slopes` are the coefficients of `measured`; `market` the index of each month from `first_month`
    on; `names` the groups of each kind; `effects` theirs (of districts: with the effect of size and
    the index of each quarter relative to the market's, from `first_quarter` on).
    """

    typical: float
    fee: float  # median per m²
    running_cost: float
    slopes: np.ndarray
    first_month: int
    market: np.ndarray
    names: Mapping[str, tuple[str, ...]]
    effects: Mapping[str, np.ndarray]
    district_size: np.ndarray
    first_quarter: int
    district_quarter: np.ndarray
    spread: float

    def terms(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Give what the market and each input add for each flat."""
        found = {"market": self.market[self._month(columns)]}
        place = 0
        for name, block in measured(columns, self.fee, self.running_cost).items():
            found[name] = block @ self.slopes[place : place + block.shape[1]]
            place += block.shape[1]
        for kind in GROUPS:
            codes = self._codes(kind, columns)
            found[kind] = np.append(self.effects[kind], 0.0)[codes]
        codes = self._codes("district", columns)
        found["size"] = found["size"] + np.append(self.district_size, 0.0)[codes] * log_area(
            columns
        )
        quarter = np.clip(columns["day"] // QUARTER - self.first_quarter, 0, self._quarters - 1)
        own = np.vstack([self.district_quarter, np.zeros(self._quarters)])
        found["district"] = found["district"] + own[codes, quarter.astype(int)]
        return found

    def log_price_per_m2(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Give the level of each flat."""
        return self.typical + sum(self.terms(columns).values())

    def market_level(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Give the index alone: the level of a typical flat on each flat's day."""
        return self.typical + self.market[self._month(columns)]

    def _month(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        month = np.floor(columns["day"] / MONTH) - self.first_month
        return np.clip(month, 0, len(self.market) - 1).astype(int)

    @property
    def _quarters(self) -> int:
        return self.district_quarter.shape[1]

    def _codes(self, kind: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Give the place of each flat's group; others have -1, the place of a 0 at the end."""
        return codes(group_names(kind, columns), self.names[kind])


def fit(sales: pd.DataFrame) -> Level:
    """Learn the level from sales with prices."""
    sales = sales.sort_values("sold_on", kind="stable").tail(NEWEST)
    columns = as_arrays(sales)
    y = np.log(columns["price"] / columns["living_area_m2"])
    typical = float(np.median(y))
    design = _Design.of(columns)
    Z = design.matrix(columns)
    weight, noise = np.ones(len(y)), max(float(_spread(y - typical)) / 2, 0.01)
    for _ in range(ROUNDS):
        weighted = Z.multiply(weight[:, None]).tocsr()
        gram = (weighted.T @ Z).toarray() + design.penalty * noise**2
        found = np.linalg.solve(gram, weighted.T @ (y - typical))
        left = y - typical - Z @ found
        noise = max(float(_spread(left)), 1e-3)
        weight = np.minimum(1.0, HUBER * noise / np.maximum(np.abs(left), 1e-9))
    return design.level(found, typical, noise)


@dataclass(frozen=True)
class _Design:
    """Which column of the regression is what, and how firmly each is pulled to 0."""

    fee: float
    running_cost: float
    width: int  # of the slopes
    first_month: int
    months: int
    first_quarter: int
    quarters: int
    names: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, columns: Mapping[str, np.ndarray]) -> _Design:
        """Lay out the regression for some sales."""
        month, quarter = (np.floor(columns["day"] / days).astype(int) for days in (MONTH, QUARTER))
        fee, cost = (_typical_per_m2(columns, name) for name in ("fee", "running_cost"))
        width = sum(block.shape[1] for block in measured(columns, fee, cost).values())
        return cls(
            fee=fee,
            running_cost=cost,
            width=width,
            first_month=int(month.min()),
            months=int(np.ptp(month)) + 1,
            first_quarter=int(quarter.min()),
            quarters=int(np.ptp(quarter)) + 1,
            names={
                kind: _frequent(group_names(kind, columns), most) for kind, most in MOST.items()
            },
        )

    def blocks(self) -> Iterator[tuple[str, int]]:
        """Give the name and width of each block of columns, in their order."""
        districts = len(self.names["district"])
        yield "slopes", self.width
        yield "month", self.months
        for kind in ("district", "association", "agency", "street"):
            yield kind, len(self.names[kind])
        yield "district_size", districts
        yield "district_quarter", districts * self.quarters

    def matrix(self, columns: Mapping[str, np.ndarray]):
        """Give the columns of the regression as a sparse matrix."""
        from scipy import sparse

        slopes = np.hstack(list(measured(columns, self.fee, self.running_cost).values()))
        month = np.floor(columns["day"] / MONTH).astype(int) - self.first_month
        quarter = np.floor(columns["day"] / QUARTER).astype(int) - self.first_quarter
        district = codes(group_names("district", columns), self.names["district"])
        own_quarter = np.where(district < 0, -1, district * self.quarters + quarter)
        widths = dict(self.blocks())
        parts = [sparse.csr_matrix(slopes), _one_hot(month, widths["month"])]
        for kind in ("district", "association", "agency", "street"):
            parts.append(
                _one_hot(codes(group_names(kind, columns), self.names[kind]), widths[kind])
            )
        parts.append(_one_hot(district, widths["district_size"], log_area(columns)))
        parts.append(_one_hot(own_quarter, widths["district_quarter"]))
        return sparse.hstack(parts, format="csr")

    @property
    def penalty(self) -> np.ndarray:
        """The inverse covariance of the coefficients: `PULL`, with random walks over time."""
        from scipy.linalg import block_diag

        parts = []
        for name, width in self.blocks():
            if name == "month":
                parts.append(_random_walk(width, PULL["month"]))
            elif name == "district_quarter":
                walk = _random_walk(self.quarters, PULL[name], start=PULL[name])
                parts.append(np.kron(np.eye(len(self.names["district"])), walk))
            else:
                parts.append(np.eye(width) / PULL[name] ** 2)
        return block_diag(*[part.reshape(len(part), len(part)) for part in parts])

    def level(self, found: np.ndarray, typical: float, spread: float) -> Level:
        """Give the coefficients as a level; those of streets are left out."""
        widths = [width for _, width in self.blocks()]
        split = np.split(found, np.cumsum(widths)[:-1])
        part = dict(zip([name for name, _ in self.blocks()], split, strict=True))
        return Level(
            typical=typical,
            fee=self.fee,
            running_cost=self.running_cost,
            slopes=part["slopes"],
            first_month=self.first_month,
            market=part["month"],
            names={kind: self.names[kind] for kind in GROUPS},
            effects={kind: part[kind] for kind in GROUPS},
            district_size=part["district_size"],
            first_quarter=self.first_quarter,
            district_quarter=part["district_quarter"].reshape(-1, self.quarters),
            spread=spread,
        )


# What is measured of a flat


def measured(
    columns: Mapping[str, np.ndarray], fee: float, running_cost: float
) -> dict[str, np.ndarray]:
    """Give for each input of `SLOPES` the columns (rows, n) of its bent lines; unknown is 0."""
    measures = _measures(columns, fee, running_cost)
    return {
        name: np.column_stack(
            [column for measure, bends in of.items() for column in _bent(measures[measure], bends)]
        )
        for name, of in SLOPES.items()
    }


def _bent(values: np.ndarray, bends: tuple[float, ...]) -> list[np.ndarray]:
    return [values, *(np.maximum(values - bend, 0.0) for bend in bends)]


def _measures(
    columns: Mapping[str, np.ndarray], fee: float, running_cost: float
) -> dict[str, np.ndarray]:
    area, floor = columns["living_area_m2"], columns["floor"]
    size, fees = log_area(columns), log_ratio(columns["fee"], area, fee)
    costs = log_ratio(columns["running_cost"], area, running_cost)
    room = np.log(area / np.maximum(columns["rooms"], 0.5)) - 3.2
    height = np.log1p(np.clip(floor, 0, 40)) - 1.3
    balcony, elevator = columns["balcony"], columns["elevator"]
    year = np.clip((columns["year_built"] - 1960) / 60, -2, 1.5)
    walked = np.nan_to_num(height) * (elevator == 0)
    return {
        "log_area": size,
        "extra_area": np.minimum(np.nan_to_num(columns["extra_area_m2"]) / area, 1.0),
        "log_room": np.nan_to_num(np.clip(room, -1.5, 1.5)),
        "rooms_unknown": _unknown(room),
        "fee": np.nan_to_num(fees),
        "fee_unknown": _unknown(fees),
        "fee_x_size": np.nan_to_num(fees) * size,
        "running_cost": np.nan_to_num(costs),
        "running_cost_unknown": _unknown(costs),
        "floor": np.nan_to_num(height),
        "floor_unknown": _unknown(height),
        "ground_floor": (floor < 1).astype(float),
        "floor_without_elevator": walked,
        "balcony": np.nan_to_num(balcony),
        "balcony_unknown": _unknown(balcony),
        "elevator": np.nan_to_num(elevator),
        "elevator_unknown": _unknown(elevator),
        "balcony_and_elevator": np.nan_to_num(balcony) * np.nan_to_num(elevator),
        "year_built": np.nan_to_num(year),
        "year_unknown": _unknown(year),
    }


def log_area(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Give the logarithm of the living area in units of a usual flat's, 55 m²."""
    return np.log(columns["living_area_m2"] / 55.0)


def log_ratio(amount: np.ndarray, area: np.ndarray, typical: float) -> np.ndarray:
    """Give log(amount per m² / typical), within -2..2; NaN where there is no amount above 0."""
    per_m2 = np.where(amount > 0, amount, np.nan) / area
    return np.clip(np.log(per_m2 / typical), -2, 2)


def group_names(kind: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Give each flat's group of a kind; a flat without a district belongs to its municipality."""
    own = columns[kind]
    if kind != "district":
        return own
    return np.where(own == UNKNOWN, columns["municipality"], own)


def codes(values: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Give the place of each value among the names, -1 where it is none of them."""
    places = {name: place for place, name in enumerate(names)}
    return np.fromiter((places.get(value, -1) for value in values), dtype=int, count=len(values))


def _frequent(values: np.ndarray, most: int) -> tuple[str, ...]:
    counts = pd.Series(values)[values != UNKNOWN].value_counts()
    counts = counts[counts >= LEAST].sort_index().sort_values(ascending=False, kind="stable")
    return tuple(counts.index[:most])


def _typical_per_m2(columns: Mapping[str, np.ndarray], name: str) -> float:
    paid = columns[name] > 0
    return (
        float(np.median((columns[name] / columns["living_area_m2"])[paid])) if paid.any() else 1.0
    )


def _one_hot(places: np.ndarray, width: int, values: np.ndarray | None = None):
    from scipy import sparse

    there = np.flatnonzero(places >= 0)
    cells = np.ones(len(there)) if values is None else values[there]
    return sparse.csr_matrix((cells, (there, places[there])), shape=(len(places), width))


def _random_walk(steps: int, spread: float, start: float = 1.0) -> np.ndarray:
    """The inverse covariance of a random walk whose first value has the spread `start`."""
    walk = np.diff(np.eye(steps), axis=0)
    found = walk.T @ walk / spread**2
    found[0, 0] += 1 / start**2
    return found


def _spread(values: np.ndarray) -> float:
    return 1.4826 * np.median(np.abs(values))


def _unknown(values: np.ndarray) -> np.ndarray:
    return np.isnan(values).astype(float)


def to_arrays(level: Level) -> dict[str, Any]:
    """Give a level as named arrays."""
    plain = {
        name: np.asarray(getattr(level, name))
        for name in Level.__dataclass_fields__
        if name not in ("names", "effects")
    }
    named = {f"names_{kind}": np.array(level.names[kind], dtype=str) for kind in GROUPS}
    return plain | named | {f"effects_{kind}": level.effects[kind] for kind in GROUPS}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Level:
    """Give the level that `to_arrays` took apart."""
    whole = ("first_month", "first_quarter")
    single = ("typical", "fee", "running_cost", "spread")
    return Level(
        **{name: int(arrays[name]) for name in whole},
        **{name: float(arrays[name]) for name in single},
        **{name: arrays[name] for name in ("slopes", "market", "district_size")},
        district_quarter=arrays["district_quarter"],
        names={kind: tuple(arrays[f"names_{kind}"].tolist()) for kind in GROUPS},
        effects={kind: arrays[f"effects_{kind}"] for kind in GROUPS},
    )
