"""A market of flats that never was, around the real coordinates of Stockholm.

    sample.sales(start, end)   the sales of [start, end)
    sample.listings(day)       the flats for sale on a day, sold some 20 days after they were listed

Built in, so that everything runs without network or files; of no use for a real valuation.
Districts, streets, associations and agencies are invented. A day is always the same, whatever range
it is asked for in. The price of a flat, per square metre and on log scale, is a sum:

- the district, the way to the centre, the street and the housing association;
- the size (small flats cost more per m²), the floor, a lift, a balcony, the decade of the house,
  and the fee as far as it is not what such a flat usually pays;
- the month: the market rises, fell in 2022, and has seasons;
- the agency, hardly; and what nobody knows, about 6 percent, now and then three times as much.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date as Date
from functools import lru_cache

import numpy as np
import pandas as pd

from fti.errors import SourceError
from housing import table

SEED = 1436  # the year in which Stockholm was first called the capital
SOURCE = "sample"
DAYS = (pd.Timestamp("2010-01-01", tz="UTC"), pd.Timestamp("2100-01-01", tz="UTC"))
PER_DAY = 12.0  # sales, on average
WEEK = (1.15, 1.25, 1.35, 1.35, 1.2, 0.35, 0.35)  # Monday to Sunday
YEAR = (0.8, 1.0, 1.1, 1.1, 1.25, 1.1, 0.5, 1.0, 1.15, 1.15, 1.1, 0.75)  # January to December
SHORTEST, LONGEST = 6, 35  # days from listing to sale
CENTRE = (59.334, 18.063)
KM = (1 / 111.2, 1 / 56.7)  # degrees of latitude and longitude at 59.3 degrees north
PER_KM = -0.06  # log price with each kilometre from the centre
# Name -> latitude, longitude, radius (km), level (log), years in which it was built.
DISTRICTS = {
    "klockarudden": (59.3415, 18.0860, 0.8, 0.14, 1885, 1930),
    "stenfalken": (59.3440, 18.0420, 0.9, 0.04, 1880, 1935),
    "södra kvarnbacken": (59.3140, 18.0700, 1.0, 0.02, 1890, 1985),
    "ekbrohöjden": (59.3120, 18.0330, 0.7, 0.00, 1900, 1945),
    "västra linden": (59.3325, 18.0260, 0.9, 0.03, 1895, 1960),
    "gasklockan": (59.3560, 18.0950, 0.5, 0.08, 1996, 2013),
    "tallviken": (59.3320, 17.9950, 0.6, 0.05, 1935, 2012),
    "sjöängen": (59.3040, 18.0980, 0.8, -0.02, 1988, 2010),
    "årtullen": (59.2985, 18.0480, 1.0, -0.06, 1940, 1990),
    "norrmossen": (59.3620, 17.9980, 1.1, -0.08, 1930, 2012),
    "hästbrinken": (59.2880, 18.0100, 1.2, -0.10, 1938, 1975),
    "lillgärdet": (59.3370, 17.9500, 1.3, -0.12, 1935, 2010),
}  # fmt: skip
STREETS = 24  # in each district
HOUSES = 6  # associations on each street
STREET_STARTS = """Alkärrs Askmoln Barkbåts Blåsippe Bäcksländ Citronfjärils Dagsmeje Ekorr
Fjällripe Flugsvamps Grankotte Guldmynts Gökärts Harpspelar Havsörns Höstvinds Igelkotts Järpe
Kanelbulls Knoppspets Kometsvans Kvastmakar Lyktskens Lärksporrs Mullvads Månstråls Norrskens
Nyckelrings Orrspels Pilbågs Pumpstocks Regnbågs Råbocks Silverräv Sländvinge Smultronställs
Solvarvs Spinnrocks Stjärnfalls Svalbo Sädesärle Tofsvipe Trollslände Tussilago Urverks Vimpel
Vitsippe Vågskvalps Ängsull Åskvigg Ärtskide Örnnäste"""
STREET_ENDS = ("gatan", "vägen", "gränd", "stigen", "backen", "allén", "terrassen")
HOUSE_NAMES = """Almen Bävern Cedern Dungen Eken Forellen Gläntan Hästen Igeln Järven Kajan Linden
Musslan Näcken Oxen Pilen Rödhaken Staren Tjädern Utsikten Vargen Väduren Ängen Åran Älven
Ödlan"""
AGENCIES = (
    "Tornsvalan", "Nyckelknippan", "Hemfrid & Lind", "Takåsen", "Fönsterkarmen", "Dörrvaktaren",
    "Mäklarverkstan", "Trappräcket", "Kvartersbyrån", "Gavelbild",
)  # fmt: skip
# What the market was and will be: log of the level of prices at the beginning of a year.
LEVELS = {
    2010.0: -0.62, 2013.0: -0.42, 2017.5: 0.0, 2018.2: -0.09,
    2020.2: -0.02, 2022.15: 0.14, 2022.95: -0.01, 2024.0: 0.0, 2026.0: 0.05, 2100.0: 1.9,
}  # fmt: skip
PRICE = 88_000.0  # kronor per m² of a usual flat in the centre in the middle of 2017
ROOMS = {1.0: (0.2, 27), 1.5: (0.06, 36), 2.0: (0.38, 50), 3.0: (0.23, 74), 4.0: (0.09, 98),
         5.0: (0.03, 128), 6.0: (0.01, 165)}  # rooms -> share, usual m²  # fmt: skip
NOISE, OUTLIERS = 0.055, 0.05  # log; the share of sales that have three times as much
# The random numbers of a sale; the same names always in the same order.
UNIFORM = (
    "house", "rooms", "rounded", "floor", "half", "balcony", "agency", "outlier", "step", "door",
    "lettered", "letter", "extra", "extra_m2", "floor_known", "running_cost_known",
    "year_built_known", "wait",
)  # fmt: skip
NORMAL = ("area", "fee", "price", "cost", "latitude", "longitude")


@dataclass(frozen=True)
class Houses:
    """All houses, one place in each array for each; an association has one house."""

    district: np.ndarray
    street: np.ndarray
    first_number: np.ndarray
    name: np.ndarray
    year: np.ndarray
    floors: np.ndarray
    elevator: np.ndarray
    fee: np.ndarray  # a month and m²
    latitude: np.ndarray
    longitude: np.ndarray
    level: np.ndarray  # log price of all that location and house say


def sales(start: Date | str, end: Date | str, per_day: float = PER_DAY) -> pd.DataFrame:
    """Give the sales of [start, end): see `housing.table`. SourceError but for 2010 to 2099."""
    flats, days, _ = _flats(_day(start), _day(end), per_day)
    return table.finish(flats.assign(sold_on=days))


def listings(day: Date | str, per_day: float = PER_DAY) -> pd.DataFrame:
    """Give the flats that are for sale at the end of a day, `sold_on` being the day of listing.

    Their sale_id is the one that they have among the sales once they are sold; no price is known.
    """
    today = _day(day)
    tomorrow = today + pd.Timedelta(days=1)
    flats, _, listed = _flats(tomorrow, tomorrow + pd.Timedelta(days=LONGEST), per_day)
    return table.finish(flats.assign(sold_on=listed, price=np.nan)[listed <= today])


def _day(day):
    moment = pd.Timestamp(day)
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
    if not DAYS[0] <= moment <= DAYS[1]:
        raise SourceError(f"The sample has no {moment:%Y-%m-%d}: it is from 2010 to 2099.")
    return moment.floor("D")


def _flats(start, end, per_day):
    """Give the flats sold in [start, end), the days of sale and those of listing."""
    days, drawn = _draws(pd.date_range(start, periods=max((end - start).days, 0)), per_day)
    houses = _houses()
    house = (drawn["house"] * len(houses.district)).astype(int)
    flats = _plans(drawn, houses, house)
    flats["sale_id"] = _identities(days)
    flats["price"] = _prices(flats, drawn, houses.level[house] + _market(days))
    flats["year_built"] = houses.year[house]
    for column, known in (("floor", 0.95), ("running_cost", 0.7), ("year_built", 0.95)):
        flats[column] = flats[column].where(drawn[f"{column}_known"] < known)
    flats["address"] = flats["street"] + " " + flats["number"] + _floors_said(flats["floor"])
    flats = flats.assign(currency="SEK", municipality="stockholm", source=SOURCE)
    waited = SHORTEST + (drawn["wait"] * (LONGEST + 1 - SHORTEST)).astype(int)
    return flats, days, days - pd.to_timedelta(waited, unit="D")


def _draws(days, per_day):
    """Give the day of each sale, and its random numbers by name."""
    usual = np.mean(WEEK) * np.mean(YEAR)
    counts, uniform, normal = [], [np.empty((0, len(UNIFORM)))], [np.empty((0, len(NORMAL)))]
    for day in days:
        rng = np.random.default_rng([SEED, 1, day.toordinal()])
        count = rng.poisson(per_day * WEEK[day.dayofweek] * YEAR[day.month - 1] / usual)
        counts.append(count)
        uniform.append(rng.random((count, len(UNIFORM))))
        normal.append(rng.standard_normal((count, len(NORMAL))))
    drawn = dict(zip(UNIFORM, np.vstack(uniform).T, strict=True))
    drawn |= {f"{name}_z": z for name, z in zip(NORMAL, np.vstack(normal).T, strict=True)}
    return days.repeat(counts), drawn


def _plans(drawn, houses, house):
    """Give all of the flats but their prices and days."""
    shares, metres = np.array(list(ROOMS.values())).T
    kind = np.searchsorted(np.cumsum(shares)[:-1], drawn["rooms"])
    area = np.round(2 * metres[kind] * np.exp(0.16 * drawn["area_z"])) / 2
    area = np.maximum(np.where(drawn["rounded"] < 0.8, np.round(area), area), 15.0)
    floor = np.floor(drawn["floor"] * (houses.floors[house] + 1))
    balconies = np.where(houses.year[house] > 1935, 0.75, 0.35)
    letters = np.array(list("abcd"))[(drawn["letter"] * 4).astype(int)]
    doors = (houses.first_number[house] + 2 * (drawn["door"] * 3).astype(int)).astype(str)
    flats = {
        "street": houses.street[house],
        "number": np.char.add(doors, np.where(drawn["lettered"] < 0.25, letters, "")),
        "district": houses.district[house],
        "living_area_m2": area,
        "extra_area_m2": np.where(drawn["extra"] < 0.03, np.round(3 + 20 * drawn["extra_m2"]), 0.0),
        "rooms": np.array(list(ROOMS))[kind],
        "floor": np.where((floor == 0) & (drawn["half"] < 0.3), 0.5, floor),
        "fee": np.round(houses.fee[house] * _fee_area(area) * np.exp(0.05 * drawn["fee_z"])),
        "running_cost": np.round(6 * area + 90 * drawn["cost_z"] ** 2),
        "association": houses.name[house],
        "agency": np.array(AGENCIES)[(drawn["agency"] ** 1.6 * len(AGENCIES)).astype(int)],
        "balcony": (drawn["balcony"] < balconies).astype(float),
        "elevator": houses.elevator[house],
        "latitude": np.round(houses.latitude[house] + 0.01 * KM[0] * drawn["latitude_z"], 6),
        "longitude": np.round(houses.longitude[house] + 0.01 * KM[1] * drawn["longitude_z"], 6),
    }
    return pd.DataFrame({name: pd.Series(values) for name, values in flats.items()})


def _prices(flats, drawn, level):
    """Give kronor, from the log level of the house and the day; agents round to 50,000 mostly."""
    area = flats["living_area_m2"]
    agency = flats["agency"].map({name: place for place, name in enumerate(AGENCIES)})
    log_price = (
        np.log(PRICE * area)
        + level
        - 0.14 * np.log(area / 60)
        + 0.03 * (flats["rooms"] - 0.75 * np.sqrt(area / 12))
        + np.where(flats["elevator"] > 0, 0.014, -0.008) * (flats["floor"] - 2)
        + 0.03 * flats["balcony"]
        - 0.3 * (flats["fee"] / (45 * _fee_area(area)) - 1)
        + 0.006 * np.sin(7.0 * agency)
        + NOISE * drawn["price_z"] * np.where(drawn["outlier"] < OUTLIERS, 3.0, 1.0)
    )
    step = np.where(drawn["step"] < 0.7, 50_000, 5_000)
    return np.round(np.exp(log_price) / step) * step


def _fee_area(area):
    """Give the area as fees count it: a larger flat pays less per m²."""
    return area * (area / 60) ** -0.12


def _identities(days):
    """Give "sample:" and letters that do not tell the day of sale."""
    ordinals = pd.Series(days).groupby(days).cumcount().astype(str)
    texts = days.strftime("%Y-%m-%d") + "|" + ordinals.to_numpy()
    return [f"sample:{table.short_hash(text)}" for text in texts]


def _floors_said(floors):
    """Write floors as listings do."""
    words = {0.0: ", bv", 0.5: ", ½ tr"}
    return floors.map(lambda floor: words.get(floor, f", {floor:g} tr")).where(floors.notna(), "")


def _market(days):
    """Give the log of the level of prices on each day: years, seasons, and slow swings."""
    years = days.year.to_numpy() + (days.dayofyear.to_numpy() - 1) / 365.25
    season = 0.012 * np.sin(2 * np.pi * (years % 1 - 0.05))
    swings = 0.012 * np.sin(2 * np.pi * years / 1.7) + 0.008 * np.sin(2 * np.pi * years / 0.63)
    return np.interp(years, list(LEVELS), list(LEVELS.values())) + season + swings


# The town -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _houses() -> Houses:
    """Draw the town: streets in their districts, and houses along them."""
    rng = np.random.default_rng([SEED, 0])
    street = np.repeat(np.arange(len(DISTRICTS) * STREETS), HOUSES)
    along = np.tile(np.arange(HOUSES), len(DISTRICTS) * STREETS)
    of, plan = street // STREETS, np.array(list(DISTRICTS.values()))
    names, street_level = _streets(rng, len(DISTRICTS) * STREETS)
    latitude, longitude = _positions(rng, plan[street[::HOUSES] // STREETS], street, along)
    oldest, newest = plan[of, 4], plan[of, 5]
    year, count = np.round(oldest + (newest - oldest) * rng.beta(1.2, 1.5, len(of))), len(of)
    to_centre = np.hypot((latitude - CENTRE[0]) / KM[0], (longitude - CENTRE[1]) / KM[1])
    level = plan[of, 3] + PER_KM * to_centre + street_level[street] + _charm(year)
    return Houses(
        district=np.array(list(DISTRICTS), dtype=object)[of],
        street=names[street],
        first_number=1 + 8 * along + rng.integers(0, 2, count),
        name=_associations(rng, count),
        year=year,
        floors=rng.integers(3, 7, count) + np.where(year > 1990, rng.integers(2, 6, count), 0),
        elevator=(rng.random(count) < np.where(year > 1945, 0.8, 0.65)).astype(float),
        fee=np.where(year > 1995, 54.0, 44.0) * np.exp(0.22 * rng.standard_normal(count)),
        latitude=latitude,
        longitude=longitude,
        level=level + 0.04 * rng.standard_normal(count),
    )


def _streets(rng, count):
    """Give invented names, and what each does to a price."""
    names = [start + end for start in STREET_STARTS.split() for end in STREET_ENDS]
    return rng.permutation(np.array(names, dtype=object))[:count], 0.045 * rng.standard_normal(
        count
    )


def _positions(rng, plan, street, along):
    """Give the coordinates of houses on straight streets around the middle of their district."""
    away = plan[:, 2] * np.sqrt(rng.random(len(plan)))
    angle, heading = rng.random((2, len(plan))) * 2 * np.pi
    length = rng.uniform(0.15, 0.6, len(plan))  # km
    down = length[street] * (along / HOUSES - 0.5)
    north = away[street] * np.sin(angle[street]) + down * np.sin(heading[street])
    east = away[street] * np.cos(angle[street]) + down * np.cos(heading[street])
    return plan[street, 0] + KM[0] * north, plan[street, 1] + KM[1] * east


def _charm(year):
    """Give what the decade of a house says: old and new are dear, those of about 1968 not."""
    return 0.06 * (year < 1930) + 0.05 * (year > 2000) - 0.07 * ((year > 1958) & (year < 1978))


def _associations(rng, count):
    names = [f"Brf {name} {number}" for name in HOUSE_NAMES.split() for number in range(1, 100)]
    return rng.permutation(np.array(names, dtype=object))[:count]
