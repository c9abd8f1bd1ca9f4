"""Small documents in the formats that the providers document; none of them was seen live.

Each is the Python value that JSON makes, so that a test can change it before it is written.
"""

import copy
import json
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 20, 18, tzinfo=UTC)


def written(document) -> bytes:
    """Give a document as a service sends it."""
    return json.dumps(document).encode()


def hours(count, step=1, start=START):
    """Give moments, `step` hours apart."""
    return [start + timedelta(hours=step * place) for place in range(count)]


def gfz_history(index="Kp", count=6):
    """Give what https://kp.gfz.de/app/format/json.txt describes; the newest value is null."""
    step = {"Kp": 3, "Hp60": 1}[index]
    values = [round(place % 9 / 3, 3) for place in range(count - 1)]
    document = {
        "meta": {"source": "GFZ Potsdam", "license": "CC BY 4.0"},
        "datetime": [f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in hours(count, step)],
        index: [*values, None],
    }
    return document | ({"status": ["def"] * (count - 2) + ["pre", None]} if index == "Kp" else {})


def gfz_forecast(count=73):
    """Give the ensemble: columns, each an object by row number; dd-mm-yyyy."""
    columns = {
        "Time (UTC)": [f"{time:%d-%m-%Y %H:%M}" for time in hours(count)],
        "minimum": [0.667] * count,
        "0.25-quantile": [1.333] * count,
        "median": [1.667] * count,
        "0.75-quantile": [2.333] * count,
        "maximum": [4.0] * count,
        "prob 4-5": [0.05] * count,
        "hp60_0": [1.667] * count,
    }
    return {
        name: {str(row): value for row, value in enumerate(column)}
        for name, column in columns.items()
    }


def noaa_forecast():
    """Give the shape since 31 March 2026: objects, numbers, a lower-case kp."""
    told = ["observed", "observed", "estimated", "predicted", "predicted"]
    return [
        {"time_tag": f"{time:%Y-%m-%dT%H:%M:%S}", "kp": 2.33 + place, "observed": word}
        | {"noaa_scale": "G1" if place > 2 else None}
        for place, (time, word) in enumerate(zip(hours(5, 3), told, strict=True))
    ]


def noaa_observed():
    """Give what was observed in the shape since 31 March 2026: an upper-case Kp."""
    return [
        {"time_tag": f"{time:%Y-%m-%dT%H:%M:%S}", "Kp": 1.67, "a_running": 6, "station_count": 8}
        for time in hours(5, 3)
    ]


def in_rows(objects):
    """Give NOAA's objects in the shape until 31 March 2026: a header, and all values strings."""
    header = list(objects[0])
    clocks = [{**row, "time_tag": row["time_tag"].replace("T", " ")} for row in objects]
    rows = [[None if v is None else str(v) for v in row.values()] for row in clocks]
    return [header, *rows]


def open_meteo(count=48):
    """Give what https://open-meteo.com/en/docs describes, in Greenwich time and metres a second."""
    units = {
        "time": "iso8601",
        "cloud_cover": "%",
        "cloud_cover_low": "%",
        "cloud_cover_mid": "%",
        "cloud_cover_high": "%",
        "visibility": "m",
        "precipitation": "mm",
        "snowfall": "cm",
        "temperature_2m": "°C",
        "dew_point_2m": "°C",
        "relative_humidity_2m": "%",
        "wind_speed_10m": "m/s",
    }
    values = (40, 10, 20, 30, 24140.0, 0.0, 0.0, -8.5, -11.0, 82, 3.4)
    hourly = {name: [value] * count for name, value in zip(list(units)[1:], values, strict=True)}
    return {
        "latitude": 67.83,
        "longitude": 20.41,
        "generationtime_ms": 0.12,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "elevation": 530.0,
        "hourly_units": units,
        "hourly": {"time": [f"{time:%Y-%m-%dT%H:%M}" for time in hours(count)], **hourly},
    }


def met_norway(count=50):
    """Give what https://developer.yr.no/doc/ForecastJSON describes: hourly, then six-hourly."""
    now = {
        "air_temperature": -8.5,
        "cloud_area_fraction": 62.5,
        "cloud_area_fraction_low": 12.5,
        "cloud_area_fraction_medium": 30.0,
        "cloud_area_fraction_high": 50.0,
        "dew_point_temperature": -11.0,
        "fog_area_fraction": 0.0,
        "relative_humidity": 82.1,
        "wind_speed": 3.4,
    }
    after = {"summary": {"symbol_code": "lightsnow"}, "details": {"precipitation_amount": 0.2}}
    series = [
        {
            "time": f"{time:%Y-%m-%dT%H:%M:%SZ}",
            "data": {"instant": {"details": dict(now)}, "next_1_hours": copy.deepcopy(after)},
        }
        for time in hours(count)
    ]
    later = hours(3, 6, START + timedelta(hours=count + 5))
    series += [
        {"time": f"{time:%Y-%m-%dT%H:%M:%SZ}", "data": {"instant": {"details": dict(now)}}}
        for time in later
    ]
    units = {"cloud_area_fraction": "%", "air_temperature": "celsius", "wind_speed": "m/s"}
    meta = {"updated_at": "2026-11-20T17:21:09Z", "units": units}
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [20.41, 67.84, 500]},
        "properties": {"meta": meta, "timeseries": series},
    }


def visual_crossing(days=2):
    """Give what the Timeline API's documentation describes, with times in UTC."""
    return {
        "queryCost": days,
        "timezone": "Z",
        "tzoffset": 0.0,
        "days": [
            {
                "datetime": f"2026-11-{20 + day}",
                "hours": [_visual_crossing_hour(day, hour) for hour in range(24)],
            }
            for day in range(days)
        ],
    }


def _visual_crossing_hour(day, hour):
    time = datetime(2026, 11, 20 + day, hour, tzinfo=UTC)
    return {
        "datetime": f"{time:%H:%M:%S}",
        "datetimeEpoch": int(time.timestamp()),
        "temp": -8.5,
        "dew": -11.0,
        "humidity": 82.1,
        "precip": None,
        "snow": 0.0,
        "windspeed": 7.2,
        "visibility": 14.5,
        "cloudcover": 40.0,
        "icon": "partly-cloudy-night",
    }


def export(local_times) -> bytes:
    """Give Visual Crossing's CSV export, the columns we read and two more, by local times."""
    header = "name,datetime,temp,dew,humidity,precip,snow,windspeed,cloudcover,visibility"
    rows = [
        f'kiruna,{time},-3,-3.2,98.66,0.055,0,13.6,100,2,"Snow, Overcast",snow'
        for time in local_times
    ]
    return "\r\n".join([f"{header},conditions,icon", *rows, ""]).encode()


def labels():
    """Give a list as the course's: from 2021-01-01 12:00 UTC on."""
    return [0, 0, 1, 0, 1, 1] * 8
