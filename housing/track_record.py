"""How good stored valuations were: each beside the price that was paid, by month and kind of flat.

    scored = score(valuations, sales)       a row for each flat that was valued and then sold
    record = summarize(scored, edges)       as `monitor.json` has it

A flat that several model versions have valued counts with its last valuation. All errors and shares
are in percent: `mape` and `mdape` are the mean and the median of the absolute error over the price,
`bias` the median error (above 0: valued too high). Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from housing import groups

WITHIN = (10, 20)  # percent
BANDS = 5  # of price, equally full
OF_SALE = ["sale_id", "price", "district"]
MOST_DISTRICTS = 20  # those with the most sales


def score(valuations: pd.DataFrame, sales: pd.DataFrame) -> pd.DataFrame:
    """Give the last valuation of each flat that is sold, in the order of the days of sale.

    In: rows of `housing_valuations` and `housing_sales`. Out: the former with the `price`,
    `district` and `day` of the sale, and with `error`, the signed share that the value is off.
    """
    last = valuations.sort_values(["predicted_at", "model_version"]).drop_duplicates(
        "sale_id", keep="last"
    )
    sold = sales[OF_SALE].assign(day=sales["sold_on"])
    both = last.merge(sold, on="sale_id", how="inner", validate="one_to_one")
    both = both.sort_values(["day", "sale_id"], ignore_index=True)
    return both.assign(error=both["value"] / both["price"] - 1)


def summarize(scored: pd.DataFrame, edges: Sequence[float]) -> dict[str, Any]:
    """Give scores of all, by month of sale, by district, and by price band.

    In: the rows of `score`, and the prices at which a band ends and the next one begins.
    """
    if scored.empty:
        return {
            "scored": 0, "since": None, "by_month": [], "by_district": [], "by_price_band": [],
        }  # fmt: skip
    by_district = _by(scored, "district", scored["district"])
    most = sorted(by_district, key=lambda row: -row["n"])[:MOST_DISTRICTS]
    return {
        "scored": len(scored),
        "since": f"{scored['day'].min():%Y-%m-%d}",
        **{name: value for name, value in scores(scored).items() if name != "n"},
        "seed_mape": _seed_mape(scored),
        "by_month": _by(scored, "month", scored["day"].dt.strftime("%Y-%m")),
        "by_district": most,
        "by_price_band": _by(scored, "price_band", bands(scored["price"], edges)),
    }


def scores(rows: pd.DataFrame) -> dict[str, float]:
    """Give n, mape, mdape, within_10, within_20, coverage_80, coverage_90 and bias."""
    off = 100 * rows["error"].abs()
    held = {
        f"coverage_{share}": float(
            100 * rows["price"].between(rows[f"low_{share}"], rows[f"high_{share}"]).mean()
        )
        for share in groups.SHARES
    }
    return {
        "n": len(rows),
        "mape": float(off.mean()),
        "mdape": float(off.median()),
        **{f"within_{limit}": float(100 * (off <= limit).mean()) for limit in WITHIN},
        **held,
        "bias": float(100 * rows["error"].median()),
    }


def edges_of(prices: pd.Series) -> list[float]:
    """Give the prices that cut sales into equally full bands, rounded to two digits."""
    if prices.empty:
        return []
    cuts = np.quantile(prices, np.arange(1, BANDS) / BANDS)
    return sorted({float(f"{cut:.1e}") for cut in cuts})


def bands(prices: pd.Series, edges: Sequence[float]) -> pd.Series:
    """Give the name of each price's band; bands are ordered by price."""
    ends = [f"{edge:,.0f}" for edge in edges]
    names = [
        f"below {ends[0]}" if ends else "all",
        *(f"{low} to {high}" for low, high in pairwise(ends)),
        *(f"from {ends[-1]}" for _ in ends[:1]),
    ]
    places = np.searchsorted(edges, prices, side="right")
    found = pd.Categorical.from_codes(places, names, ordered=True)
    return pd.Series(found, index=prices.index)


def _by(scored: pd.DataFrame, name: str, of: pd.Series) -> list[dict[str, Any]]:
    return [{name: str(group), **scores(rows)} for group, rows in scored.groupby(of, observed=True)]


def _seed_mape(scored: pd.DataFrame) -> float | None:
    """Give the seed's error on the flats that it has valued as well."""
    both = scored[scored["seed_value"].notna()]
    if both.empty:
        return None
    return float(100 * (both["seed_value"] / both["price"] - 1).abs().mean())
