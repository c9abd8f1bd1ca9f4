"""Flowers that never grew, for the daily run: drawn like the real ones of their variety.

Each variety keeps its means and how its measurements vary together (a multivariate normal), where
the seeds drew each measurement alone and evenly from a box, which puts flowers where none grow.
Nothing drawn here may train a model.
"""

from datetime import date as Date

import numpy as np
import pandas as pd

from fti.errors import SourceError
from iris.features import LIMITS, MEASUREMENTS, VARIETIES, with_ratio

VERSION = "normal-1"  # change it when the same flowers and date give other ones
PER_DAY = 10**6  # flowers a day has numbers for
FEWEST = 5  # real flowers of a variety: with fewer, four measurements have no covariance
ROUNDING = 0.1**2 / 12  # variance (cm2) of what rounding to the millimetre took away


def sample(flowers: pd.DataFrame, n: int, date: Date, drift: float = 0.0) -> pd.DataFrame:
    """Give the first `n` flowers of a day: the feature table's columns and where they come from.

    The date is the seed, so a rerun gives the same flowers, and three of ten are the first three.
    Measurements have the millimetre of the real ones. At a `drift` of 1 all are a fifth larger.
    Raises SourceError when a variety has too few flowers to learn from.
    """
    if not 0 <= n <= PER_DAY:
        raise ValueError(f"a day has 0 to {PER_DAY:,} flowers, not {n:,}")
    counts = flowers["variety"].value_counts().reindex(VARIETIES, fill_value=0)
    if n and counts.min() < FEWEST:
        raise SourceError(
            f"Drawing flowers needs {FEWEST} real ones of each variety, and {counts.idxmin()} has "
            f"{counts.min()}: give a fuller table, or draw none with --synthetic 0."
        )
    return _draw(flowers, n, date, drift)


def _draw(flowers: pd.DataFrame, n: int, date: Date, drift: float) -> pd.DataFrame:
    number = int(f"{date:%Y%m%d}")
    varieties = np.random.default_rng([number, 0]).integers(len(VARIETIES), size=n)
    normal = np.random.default_rng([number, 1]).standard_normal((n, len(MEASUREMENTS)))
    values = np.empty_like(normal)
    for k, variety in enumerate(VARIETIES if n else ()):
        real = flowers.loc[flowers["variety"] == variety, MEASUREMENTS]
        root = np.linalg.cholesky(real.cov() + ROUNDING * np.eye(len(MEASUREMENTS)))
        values[varieties == k] = real.mean().to_numpy() + normal[varieties == k] @ root.T
    low, high = np.array([LIMITS[name] for name in MEASUREMENTS]).T
    values = np.clip(values * (1 + drift / 5), low, high).round(1)
    midnight = pd.Series(pd.Timestamp(date, tz="UTC"), range(n), dtype="datetime64[us, UTC]")
    return with_ratio(pd.DataFrame(values, columns=MEASUREMENTS)).assign(
        flower_id=number * PER_DAY + np.arange(n),
        recorded_at=midnight,
        variety=np.array(VARIETIES, dtype=object)[varieties],
        generated_at=midnight,
        generator_version=VERSION,
        drifted=drift > 0,
    )
