"""What `monitor.json` and `valuations.parquet` say: models, live record, drift, market, sources.

Pure functions of what is stored, of the current model, and of what the last feature run told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date as Date
from typing import Any

import numpy as np
import pandas as pd

from fti import monitor, quality, raw, training
from fti.models import ModelFiles
from housing import macro, table, track_record
from housing.features import Past
from housing.feeds import dvf
from housing.valuing import Stored

SHOWN = 2_000  # newest valuations that are published
RECENT = 500  # newest sales, whose drift is told
WATCHED = (  # for drift; a column that nobody knows is left out
    *("price", "price_per_m2", "living_area_m2", "rooms", "fee", "floor", "year_built"),
    *("balcony", "elevator", "latitude", "longitude", "district", "agency"),
)
FLAT = (  # what of a flat is shown beside its valuation
    *("sale_id", "address", "street", "number", "municipality", "district"),
    *("living_area_m2", "rooms", "floor", "fee", "year_built", "price", "currency"),
    *("latitude", "longitude"),
)
MIDDLE = 15  # of a month, the day whose level stands for it


@dataclass(frozen=True, kw_only=True)
class Current:
    """The registry's newest models: ours with what it knows, and those beside it."""

    files: ModelFiles
    past: Past
    reference: pd.DataFrame  # the sales that it learned from
    others: Sequence[ModelFiles]


def summarize(
    stored: Stored, current: Current, told: Mapping[str, Any], date: Date
) -> dict[str, Any]:
    """Give all that `monitor.json` says; `told` is what `feature_pipeline.account` gave."""
    sales, record = stored.sales, training.read_record(current.files.folder)
    scored = track_record.score(stored.valuations, sales)
    live = track_record.summarize(scored, track_record.edges_of(sales["price"]))
    waiting = ~stored.listings["sale_id"].isin(sales["sale_id"])
    return {
        "use_case": "housing",
        "is_synthetic": bool((sales["source"] == raw.SAMPLE).any()),
        "currency": str(sales["currency"].iloc[-1]),
        "model": {**_model(current.files), "registered_at": current.files.created, **record},
        "other_models": [_model(files) for files in current.others],
        "live": live | {"listings_waiting": int(waiting.sum())},
        "drift": drift(current.reference, sales),
        "market": market(sales, current.past),
        "sources": dict(told),
        "freshness": monitor.freshness(date, sales["sold_on"].max()),
        "credits": credits(sales),
    }


def credits(sales: pd.DataFrame) -> list[str]:
    """Give the sentences that name whose data the sales stand on."""
    if (sales["source"] == raw.SAMPLE).any():
        return []
    french = [dvf.ATTRIBUTION] if (sales["source"] == "dvf").any() else []
    economy = list(macro.CREDITS) if sales[list(macro.SERIES)].notna().any(axis=None) else []
    return [*french, *economy]


def _model(files: ModelFiles) -> dict[str, Any]:
    return {"name": files.name, "version": files.version, "metrics": files.metrics}


def valuations(stored: Stored) -> pd.DataFrame:
    """Give the newest valuations with their flat, and the price and the error once it is known."""
    columns = list(FLAT)
    sold = stored.sales[columns]
    waiting = stored.listings.loc[~stored.listings["sale_id"].isin(sold["sale_id"]), columns]
    parts = [part for part in (sold, waiting) if len(part)]
    flats = pd.concat(parts, ignore_index=True) if parts else sold
    both = stored.valuations.merge(flats, on="sale_id", how="inner", validate="many_to_one")
    both = both.assign(error=both["value"] / both["price"] - 1)
    order = ["predicted_at", "sold_on", "sale_id", "model_version"]
    return both.sort_values(order, ascending=False).head(SHOWN).reset_index(drop=True)


def drift(reference: pd.DataFrame, sales: pd.DataFrame) -> list[dict[str, Any]]:
    """Compare the newest sales with those that the model learned from, column by column."""
    reference, newest = with_price_per_m2(reference), with_price_per_m2(sales.tail(RECENT))
    known = [name for name in WATCHED if is_known(reference[name])]
    return quality.drift(reference, newest, known).to_dict("records")


def with_price_per_m2(sales: pd.DataFrame) -> pd.DataFrame:
    """Give sales with their price per square metre."""
    return sales.assign(price_per_m2=sales["price"] / sales["living_area_m2"])


def is_known(values: pd.Series) -> bool:
    """Tell whether a column has any value."""
    return bool((values.notna() & (values != table.UNKNOWN)).any())


def market(sales: pd.DataFrame, past: Past) -> list[dict[str, Any]]:
    """Give the level of prices of each month, relative to the newest, and its number of sales.

    It is the model's index, so months after it was trained have the level of its last one.
    """
    month = sales["sold_on"].dt.strftime("%Y-%m")
    counts = month.value_counts().sort_index()
    middles = pd.to_datetime(counts.index + f"-{MIDDLE}").to_numpy("datetime64[D]")
    level = past.level.market_level({"day": middles.astype(np.int64)})
    index = np.exp(level - level[-1])
    return [
        {"month": name, "index": float(value), "sales": int(n)}
        for (name, n), value in zip(counts.items(), index, strict=True)
    ]
