"""Ranges that hold later: conformal prediction on errors of forecasts made as in use.

An error is log(price) less its forecast by a model that was fitted before. Each is divided by how
large the error of such a flat usually is (`spread`), and the ranges are quantiles of these ratios,
below and above apart, since flats sell far above a forecast more often than far below. The spread
says which flats are hard, the quantiles make the share right (Lei et al., 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARES = (0.8, 0.9)
LEAST = 100  # errors below which a quantile of 5 % is a guess
GRADES = (("A", 0.11), ("B", 0.15), ("C", 0.21))  # half of a 90 % range over the value, at most


@dataclass(frozen=True)
class Ranges:
    """Quantiles of error over spread: for each of SHARES a row of the lower and the upper one."""

    quantiles: np.ndarray

    def around(self, log_price: np.ndarray, spread: np.ndarray) -> dict[str, np.ndarray]:
        """Give low_80, high_80, low_90 and high_90, in the unit of the price."""
        return {
            f"{side}_{share * 100:.0f}": np.exp(log_price + quantile * spread)
            for share, both in zip(SHARES, self.quantiles, strict=True)
            for side, quantile in zip(("low", "high"), both, strict=True)
        }


def calibrate(errors: np.ndarray, spread: np.ndarray) -> Ranges:
    """Find the ranges that hold for the given errors, with the correction for finite samples.

    With few errors they are widened to a normal distribution's, whichever is wider.
    """
    ratios = np.asarray(errors) / np.asarray(spread)
    rows = []
    for share in SHARES:
        tail = (1 - share) / 2
        low, high = (_quantile(sign * ratios, 1 - tail) for sign in (-1, 1))
        if len(ratios) < LEAST:
            # 1.25 mean absolute errors are a standard deviation; a spread is about the former
            normal = 1.25 * {0.8: 1.2816, 0.9: 1.6449}[share]
            low, high = max(low, normal), max(high, normal)
        rows.append([-low, high])
    return Ranges(np.array(rows))


def _quantile(values: np.ndarray, share: float) -> float:
    """Give the value that at least `share` of as many again stay below, on average."""
    if not len(values):
        return 0.0
    rank = int(np.ceil((len(values) + 1) * share)) - 1
    return float(np.sort(values)[min(max(rank, 0), len(values) - 1)])


def grade(value: np.ndarray, low_90: np.ndarray, high_90: np.ndarray) -> np.ndarray:
    """Give how sure a valuation is, from A (within 11 % in nine of ten cases) to D."""
    half = (np.asarray(high_90) - np.asarray(low_90)) / 2 / np.asarray(value)
    places = np.searchsorted([limit for _, limit in GRADES], half, side="left")
    return np.array([*(name for name, _ in GRADES), "D"], dtype=object)[places]


def coverage(price: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Give the percentage of prices that are within their range."""
    return float(100 * np.mean((price >= low) & (price <= high)))
