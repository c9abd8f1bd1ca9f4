"""The places whose sky is forecast, and how high the sun stands there.

A second site is a row in `SITES`. Magnetic latitudes are corrected geomagnetic latitudes of
EISCAT's site list (https://eiscat.uit.no/html/locations.html; IGRF for 1984); that of Abisko,
which is not in the list, is interpolated linearly between the three that are. The field has
drifted since: they are within about one degree of today's.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from fti.errors import UserError


@dataclass(frozen=True)
class Site:
    """A place: degrees north and east, corrected geomagnetic latitude, and its local clock."""

    name: str
    latitude: float
    longitude: float
    magnetic_latitude: float
    time_zone: str


SITES = {
    site.name: site
    for site in (
        Site("kiruna", 67.84, 20.41, 64.3, "Europe/Stockholm"),
        Site("abisko", 68.35, 18.82, 64.9, "Europe/Stockholm"),
        Site("tromso", 69.66, 18.94, 66.1, "Europe/Oslo"),
        Site("sodankyla", 67.37, 26.63, 63.4, "Europe/Helsinki"),
    )
}

DEFAULT = "kiruna"
SitesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--site",
        help=f"One of {', '.join(SITES)}; give it again for more.",
        show_default=DEFAULT,
    ),
]


def chosen(names: list[str] | None) -> list[Site]:
    """Give the sites that were asked for, each once; the default one without. Raises UserError."""
    return [find(name) for name in dict.fromkeys(names or [DEFAULT])]


def find(site: str | Site) -> Site:
    """Give the site of that name; a Site is itself. Raises UserError naming the known ones."""
    if isinstance(site, Site):
        return site
    if site not in SITES:
        raise UserError(f"There is no site '{site}': take one of {', '.join(SITES)}.")
    return SITES[site]


def sun_altitude(site: Site, times: pd.Series | pd.DatetimeIndex) -> np.ndarray:
    """Give the height of the sun's centre above the horizon in degrees, without refraction.

    `times` are UTC and tz-aware. About 30 microseconds a moment.
    """
    import ephem

    observer, sun = ephem.Observer(), ephem.Sun()
    observer.lat, observer.lon = str(site.latitude), str(site.longitude)
    observer.pressure = 0  # millibar; no air, no refraction
    altitudes = np.empty(len(times))
    for place, time in enumerate(pd.DatetimeIndex(times).tz_convert("UTC").to_pydatetime()):
        observer.date = time.replace(tzinfo=None)  # ephem counts in UTC and knows no zones
        sun.compute(observer)
        altitudes[place] = sun.alt
    return np.degrees(altitudes)
