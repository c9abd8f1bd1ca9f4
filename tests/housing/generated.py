"""A small made-up market, for the tests of the model: its price rule is known."""

import numpy as np
import pandas as pd

from housing import table

STREETS = ("alvägen", "björkgatan", "cedergränd", "dungen", "ekbacken", "furuplan")


def sales(count=400, seed=0, days=400, start="2020-01-01", currency="SEK"):
    """Give priced sales: two districts of three streets, dearer by 30 %, 6 % of noise."""
    rng = np.random.default_rng(seed)
    street = rng.integers(0, len(STREETS), count)
    number = rng.integers(1, 12, count)
    area = rng.uniform(20, 120, count).round()
    day = np.sort(rng.integers(0, days, count))
    floor = rng.integers(0, 6, count).astype(float)
    log_price = 11 + 0.3 * (street >= 3) + 0.05 * street - 0.15 * np.log(area / 55)
    log_price += 0.02 * floor + 0.1 * day / 365 + rng.normal(0, 0.06, count)
    rows = pd.DataFrame(
        {
            "sale_id": [f"made:{seed}:{row:05d}" for row in range(count)],
            "sold_on": pd.Timestamp(start, tz="UTC") + pd.to_timedelta(day, unit="D"),
            "price": (np.exp(log_price) * area).round(-3),
            "currency": currency,
            "street": np.array(STREETS, dtype=object)[street],
            "number": number.astype(str).astype(object),
            "municipality": "staden",
            "district": np.where(street >= 3, "öster", "väster").astype(object),
            "living_area_m2": area,
            "rooms": np.maximum(1.0, (area // 25)),
            "floor": np.where(rng.random(count) < 0.3, np.nan, floor),
            "fee": (area * rng.normal(50, 5, count)).round(),
            "balcony": rng.integers(0, 2, count).astype(float),
            "elevator": rng.integers(0, 2, count).astype(float),
            "latitude": 59.3 + 0.004 * street + 0.0001 * number,
            "longitude": 18.0 + 0.003 * street,
            "agency": rng.choice(["Norr & Co", "Södra", "unknown"], count),
            "source": "made",
        }
    )
    return complete(rows)


def complete(rows):
    """Give all columns of the table in their types; what is not given is unknown."""
    rows = rows.reindex(columns=list(table.COLUMNS))
    texts = {name: rows[name].astype(object).fillna(table.UNKNOWN) for name in table.TEXTS}
    numbers = {name: rows[name].astype("float64") for name in table.NUMBERS}
    rows = rows.assign(**texts, **numbers, sold_on=rows["sold_on"].astype(table.UTC_TIME))
    rows["extra_area_m2"] = rows["extra_area_m2"].fillna(0.0)
    return rows


def bare(day="2021-01-15", **values):
    """Give one flat of which nothing is known but its size."""
    row = {"sale_id": "bare", "sold_on": pd.Timestamp(day, tz="UTC"), "living_area_m2": 50.0}
    return complete(pd.DataFrame([row | {"currency": "SEK"} | values]))
