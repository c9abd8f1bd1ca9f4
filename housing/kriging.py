"""What comparable sales say that the level does not: kriging of their residuals.

A residual is log(price per m²) of a sale less its level (`housing.level`): its street, house, view
and condition. Residuals of sales in one house, near each other, with like fees and sizes are alike;
`covariance` says how much, and the best linear guess (Krige, 1951) of a flat's own residual weighs
those of its comparables by it. Each flat has a small system of equations of its own, so the work
grows with the number of flats, not with its cube as for a Gaussian process of all sales.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from housing.comparables import Spots

YEAR = 365.25  # days
CHUNK = 256  # systems of equations that are solved together: as many as caches of processors hold
BELIEVED = 0.35  # log; a residual further out is a sale between relatives, a ruin or an error
# Standard deviations of the parts of a residual, on log scale
AREA, NEIGHBOURHOOD, BLOCK = 0.15, 0.08, 0.033
STREET, HOUSE, LIKE_FLAT, LIKE_FLAT_IN_HOUSE = 0.013, 0.035, 0.06, 0.076
FLOOR, BALCONY, ELEVATOR = 0.06, 0.05, 0.05
MARKET, SIZE_ALONE, NOISE = 0.015, 0.045, 0.088
# How far each reaches: in metres, in years, and in differences of logarithms
AREA_REACH, NEIGHBOURHOOD_REACH, BLOCK_REACH = 1300.0, 700.0, 120.0
LIKE_FLAT_REACH, FLOOR_REACH, FLAG_REACH = 1200.0, 1500.0, 500.0
LASTING, LASTING_YEARS, MARKET_YEARS = 0.9, 3.0, 0.5
LOG_SIZE, LOG_FEE, LOG_SIZE_IN_HOUSE, LOG_FEE_IN_HOUSE, LOG_FLOOR = 0.4, 0.27, 0.1, 0.09, 0.3
USUAL_FLOOR = 3.0  # where it is not known
PRIOR = sum(
    part**2
    for part in (
        *(AREA, NEIGHBOURHOOD, BLOCK, STREET, HOUSE, LIKE_FLAT, LIKE_FLAT_IN_HOUSE),
        *(FLOOR, BALCONY, ELEVATOR, MARKET, SIZE_ALONE),
    )
)


@dataclass(frozen=True)
class Sites:
    """What the covariance of two flats depends on, as arrays over flats; fees may be NaN."""

    position: np.ndarray
    day: np.ndarray
    log_size: np.ndarray
    log_fee: np.ndarray
    house: np.ndarray
    street: np.ndarray
    association: np.ndarray
    log_floor: np.ndarray
    balcony: np.ndarray
    elevator: np.ndarray

    def take(self, places: np.ndarray) -> Sites:
        """Give the flats at some places, in their shape."""
        return Sites(*(values[places] for values in vars(self).values()))

    def along(self, axis: int) -> Sites:
        """Give the flats with an axis more, to set all of them against all."""
        position = np.expand_dims(self.position, axis if axis >= 0 else axis - 1)
        others = list(vars(self).values())[1:]
        return Sites(position, *(np.expand_dims(values, axis) for values in others))


def covariance(a: Sites, b: Sites) -> np.ndarray:
    """Give the covariance of the residuals of flats, whose arrays are set against each other."""
    metres = np.sqrt(((a.position - b.position) ** 2).sum(axis=-1))
    years = np.abs(a.day - b.day) / YEAR
    size = a.log_size - b.log_size
    fee = np.nan_to_num(a.log_fee - b.log_fee)
    house = _same(a.house, b.house) | _same(a.association, b.association)
    alike = _matern(np.sqrt((size / LOG_SIZE) ** 2 + (fee / LOG_FEE) ** 2))
    place = (
        AREA**2 * _matern(metres / AREA_REACH)
        + NEIGHBOURHOOD**2 * np.exp(-metres / NEIGHBOURHOOD_REACH)
        + BLOCK**2 * np.exp(-metres / BLOCK_REACH)
        + STREET**2 * _same(a.street, b.street)
    )
    twins = np.exp(-0.5 * ((fee / LOG_FEE_IN_HOUSE) ** 2 + (size / LOG_SIZE_IN_HOUSE) ** 2))
    floor = np.exp(-0.5 * ((a.log_floor - b.log_floor) / LOG_FLOOR) ** 2)
    flags = BALCONY**2 * _agree(a.balcony, b.balcony) + ELEVATOR**2 * _agree(a.elevator, b.elevator)
    return (
        place * (LASTING + (1 - LASTING) * np.exp(-years / LASTING_YEARS))
        + house * (HOUSE**2 + LIKE_FLAT_IN_HOUSE**2 * twins)
        + alike * (SIZE_ALONE**2 + LIKE_FLAT**2 * np.exp(-metres / LIKE_FLAT_REACH))
        + floor * FLOOR**2 * np.exp(-metres / FLOOR_REACH)
        + flags * np.exp(-metres / FLAG_REACH)
        + MARKET**2 * np.exp(-years / MARKET_YEARS)
    )


def krige(
    flats: Sites, sales: Sites, residuals: np.ndarray, near: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the expected residual of each flat and the standard deviation of its true one from that.

    `near` (flats, k) has the places of comparable sales in `sales` and `residuals`, -1 for none.
    """
    expected, spread = np.zeros(len(near)), np.full(len(near), np.sqrt(PRIOR))
    if not len(residuals):
        return expected, spread
    for start in range(0, len(near), CHUNK):
        part = slice(start, start + CHUNK)
        flat = flats.take(np.arange(len(near))[part])
        expected[part], spread[part] = _krige(flat, sales, residuals, near[part])
    return expected, spread


def _krige(flats: Sites, sales: Sites, residuals: np.ndarray, near: np.ndarray):
    there = near >= 0
    of = sales.take(near)
    among = covariance(of.along(2), of.along(1)) * (there[:, :, None] & there[:, None])
    to_flat = covariance(of, flats.along(1)) * there
    diagonal = np.arange(near.shape[1])
    among[:, diagonal, diagonal] += NOISE**2
    known = np.where(there, np.clip(residuals[near], -BELIEVED, BELIEVED), 0.0)
    weights = np.linalg.solve(among, to_flat[:, :, None])[:, :, 0]
    explained = (weights * to_flat).sum(axis=1)
    return (weights * known).sum(axis=1), np.sqrt(np.maximum(PRIOR - explained, 1e-6))


def _matern(apart: np.ndarray) -> np.ndarray:
    """The Matérn correlation with a smoothness of 3/2."""
    scaled = np.sqrt(3.0) * apart
    return (1 + scaled) * np.exp(-scaled)


def _agree(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 where flags are equal and less where they differ; -1, not known, is a flag of its own."""
    return np.where(a == b, 1.0, np.exp(-1.0))


def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a == b) & (a >= 0)


def sites(columns: Mapping[str, np.ndarray], spots: Spots, log_fee: np.ndarray) -> Sites:
    """Give flats as sites, from their columns and spots (`housing.comparables`)."""
    return Sites(
        position=spots.position,
        day=columns["day"],
        log_size=np.log(columns["living_area_m2"]),
        log_fee=log_fee,
        house=spots.house,
        street=spots.street,
        association=spots.association,
        log_floor=np.log1p(np.clip(np.nan_to_num(columns["floor"], nan=USUAL_FLOOR), 0, 40)),
        balcony=np.nan_to_num(columns["balcony"], nan=-1.0),
        elevator=np.nan_to_num(columns["elevator"], nan=-1.0),
    )
