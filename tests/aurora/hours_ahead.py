"""The 72 hours of a forecast as tests want them: one winter night after the other."""

import numpy as np
import pandas as pd

NOON = pd.Timestamp("2026-11-21T12:00", tz="UTC")
HOUR = pd.Timedelta(hours=1)


def forecast_rows(noon=NOON, **columns):
    """Give rows as `forecast.parquet` has them; `columns` replace what a clear night would have.

    The chance is 60% at 21 UTC of the first night, 30% of the second, 10% of the third, and a
    third of that in the two hours around it; the sun is lowest at 23 UTC.
    """
    hours = pd.date_range(noon, periods=72, freq="h", unit="us")
    of_day = np.arange(72) % 24
    chance = np.zeros(72)
    for night, best in enumerate((0.6, 0.3, 0.1)):
        chance[24 * night + 8 : 24 * night + 11] = best / 3, best, best / 3
    table = pd.DataFrame(
        {
            "site": "kiruna",
            "valid_hour": hours,
            "issued_at": noon,
            "inputs_at": noon,
            "probability": chance,
            "model_version": 1,
            "kp": 3.0,
            "kp_low": 2.0,
            "kp_high": 4.0,
            "kp_max_12h": 3.0,
            "kp_mean_24h": 2.0,
            "kp_age_h": np.arange(72.0),
            "kp_from": "forecast",
            "weather_from": "sample",
            "cloud_cover": 10.0,
            "cloud_mean_3h": 10.0,
            "cloud_min_3h": 10.0,
            "cloud_low": 10.0,
            "cloud_mid": 0.0,
            "cloud_high": 0.0,
            "visibility_km": 20.0,
            "precipitation_mm": 0.0,
            "temperature_c": -10.0,
            "wind_ms": 3.0,
            "icon": "clear-night",
            "sun_altitude": -10 + 14 * np.cos(2 * np.pi * (of_day - 23) / 24),
            "moon_altitude": 20 * np.sin(2 * np.pi * of_day / 24),
            "moon_lit": np.linspace(0.3, 0.6, 72),
            "climatology": 0.2,
            "seed_tree": 1.0,
        }
    )
    return table.assign(**columns)
