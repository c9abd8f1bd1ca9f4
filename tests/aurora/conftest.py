"""Fixtures of the aurora tests: no settings from outside, and a service on this machine."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aurora import keogram, sample
from aurora.feeds import gfz, keograms, met_norway, noaa, open_meteo, visual_crossing
from aurora.sites import SITES
from tests.loopback import serving

SETTINGS = ("AURORA_SOURCE", "MET_NORWAY_CONTACT", "VISUALCROSSING_API_KEY")
SHARED = Path(__file__).parents[3] / "shared" / "data" / "aurora"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path_factory):
    """Take away all settings, and keep what is downloaded in a folder of the test."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FTI_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def shared():
    """The folder with Kiruna 2021, which is not ours to publish."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/data/aurora")
    return SHARED


@pytest.fixture
def service(monkeypatch):
    """A Service that runs while the test does."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as service:
        yield service


@pytest.fixture
def web(service, monkeypatch):
    """All services on this machine, each answering 404 until a test says what."""
    for module, names in {
        gfz: ("HISTORY_URL",),
        noaa: ("OBSERVED_URL", "FORECAST_URL"),
        open_meteo: ("HISTORY_URL", "FORECAST_URL"),
        met_norway: ("FORECAST_URL",),
        visual_crossing: ("URL",),
    }.items():
        for name in names:
            address = f"{service.address}/{module.__name__}/{name}"
            monkeypatch.setattr(module, name, address)
    monkeypatch.setattr(gfz, "FORECAST_URLS", {"Hp60": f"{service.address}/hp60"})
    pictures = f"{service.address}/{{day:%Y/%m/%d}}/dark_keo{{day:%Y%m%d}}.gif"
    monkeypatch.setattr(keograms, "URL", pictures)
    monkeypatch.setattr(keograms, "PAUSE", 0.0)
    return service


@pytest.fixture(scope="session")
def picture():
    """A function that gives a keogram: grey, and green in some hours, counted from noon."""

    def draw(green_hours=()):
        pixels = np.zeros((keogram.HEIGHT, keogram.WIDTH), dtype=np.uint8)
        for hour in green_hours:
            pixels[:, hour * keogram.HOUR : (hour + 1) * keogram.HOUR] = 1
        image = Image.fromarray(pixels, "P")
        image.putpalette([110, 110, 110, 40, 150, 60])
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return buffer.getvalue()

    return draw


@pytest.fixture
def season_folder(tmp_path):
    """A function that writes [start, end) of the sample in the shared formats; gives the folder."""

    def write(start, end):
        start, end = (pd.Timestamp(day, tz="UTC") for day in (start, end))
        folder = tmp_path / "season"
        folder.mkdir()
        (folder / "kp.json").write_text(json.dumps(_gfz(sample.kp(start, end))))
        weather = sample.weather(start, end, SITES["kiruna"])
        _export(weather).to_csv(folder / "weather.csv", index=False)
        labels = sample.labels(start, end, SITES["kiruna"])["aurora"].tolist()
        document = {"start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "labels": labels}
        (folder / "labels.json").write_text(json.dumps(document))
        return str(folder)

    return write


def _gfz(kp):
    times = kp["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").tolist()
    return {"datetime": times, "Kp": kp["value"].tolist(), "status": ["def"] * len(kp)}


def _export(weather):
    """Give weather as Visual Crossing exports it: local time, km/h."""
    local = weather["time"].dt.tz_convert(SITES["kiruna"].time_zone)
    columns = {
        name: (weather[column] / factor).round(3)
        for name, (column, factor) in visual_crossing.FIELDS.items()
    }
    return pd.DataFrame(
        {"datetime": local.dt.strftime("%Y-%m-%dT%H:%M:%S"), **columns, "icon": weather["icon"]}
    )
