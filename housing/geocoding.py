"""Where addresses are: what was found before, a table of addresses, then a geocoder.

    book, geocoder = geocoding.configured()
    rows = geocoding.locate(sales, cached, day, book=book, geocoder=geocoder)
    sales = geocoding.with_coordinates(sales, rows)

`rows` are those of the feature group `housing_geocodes` (key: address_key and provider, event time
looked_up_at), hits and misses. HOUSING_ADDRESSES names the table, GEOCODER_URL a geocoder that
answers like Nominatim (https://nominatim.org/release-docs/latest/api/Search/). Without the latter
nobody is asked; with it an address goes to the host named there and to no other.

The public https://nominatim.openstreetmap.org has rules
(https://operations.osmfoundation.org/policies/nominatim/): one question a second, no bulk, say who
asks. There GEOCODER_CONTACT is needed, and where more than 100 addresses are wanted none is asked
for.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pandas as pd

from fti import documents, http
from fti.errors import SourceError, UserError
from housing import addresses
from housing.addresses import EXACT, NUMBER, STREET, AddressBook, Box, Place
from housing.table import UNKNOWN

log = logging.getLogger(__name__)

URL, CONTACT, PAUSE = "GEOCODER_URL", "GEOCODER_CONTACT", "GEOCODER_PAUSE"
PUBLIC_HOSTS = frozenset({"nominatim.openstreetmap.org"})
PUBLIC_PAUSE = 1.1  # seconds between two questions there, whoever asks
PUBLIC_MOST = 100  # addresses a day there
ATTRIBUTION = "© OpenStreetMap contributors, ODbL"  # of what Nominatim answers
TIMEOUT = 10.0  # seconds
ANSWERS = 5  # places asked for: the first may lie in another town
RETRY_MISSES = pd.Timedelta(days=90)
BOOK = "addresses"  # the provider of what the table of addresses tells
REMEMBERED = 1_000  # questions that a process does not ask twice
ALIKE = 0.85  # streets spelt this much alike are the same
COLUMNS = {
    "address_key": "object",
    "provider": "object",  # "addresses", or the host of the geocoder
    "looked_up_at": "datetime64[us, UTC]",  # the day of the run
    "latitude": "float64",  # NaN for a miss
    "longitude": "float64",
    "found": "bool",
    "precision": "object",  # exact, number, street; none for a miss
    "reason": "object",  # why it is a miss; "found" otherwise
}
FOUND, NO_PRECISION = "found", "none"

SWEDEN = Box(55.0, 69.2, 10.5, 24.3)
# Stockholm county, rounded outwards by a kilometre or two: enough to tell one town from another.
MUNICIPALITIES = {
    "botkyrka": Box(59.05, 59.29, 17.60, 17.95),
    "danderyd": Box(59.37, 59.44, 17.98, 18.13),
    "ekerö": Box(59.18, 59.48, 17.38, 17.95),
    "haninge": Box(58.70, 59.28, 17.95, 18.95),
    "huddinge": Box(59.11, 59.30, 17.78, 18.17),
    "järfälla": Box(59.36, 59.49, 17.73, 17.95),
    "lidingö": Box(59.31, 59.42, 18.08, 18.32),
    "nacka": Box(59.22, 59.38, 18.07, 18.47),
    "norrtälje": Box(59.42, 60.30, 18.10, 19.70),
    "nykvarn": Box(59.08, 59.32, 17.20, 17.58),
    "nynäshamn": Box(58.65, 59.08, 17.60, 18.25),
    "salem": Box(59.13, 59.29, 17.61, 17.84),
    "sigtuna": Box(59.53, 59.82, 17.52, 18.12),
    "sollentuna": Box(59.38, 59.50, 17.85, 18.04),
    "solna": Box(59.33, 59.41, 17.92, 18.08),
    "stockholm": Box(59.21, 59.46, 17.73, 18.23),
    "sundbyberg": Box(59.34, 59.41, 17.89, 18.01),
    "södertälje": Box(58.93, 59.36, 17.20, 17.83),
    "tyresö": Box(59.16, 59.29, 18.11, 18.50),
    "täby": Box(59.39, 59.53, 17.95, 18.25),
    "upplands väsby": Box(59.46, 59.58, 17.78, 18.04),
    "upplands-bro": Box(59.41, 59.70, 17.38, 17.88),
    "vallentuna": Box(59.45, 59.75, 17.85, 18.45),
    "vaxholm": Box(59.33, 59.49, 18.17, 18.55),
    "värmdö": Box(59.05, 59.50, 18.28, 19.25),
    "österåker": Box(59.38, 59.68, 18.05, 18.95),
}


def configured() -> tuple[AddressBook | None, Geocoder | None]:
    """Give the table of HOUSING_ADDRESSES and the geocoder of GEOCODER_URL, None where not set."""
    settings = [os.environ.get(name, "").strip() for name in (URL, CONTACT, PAUSE)]
    return addresses.chosen(), _geocoder(*settings) if settings[0] else None


def empty() -> pd.DataFrame:
    """Give the table of `locate` without rows."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})


def locate(
    wanted: pd.DataFrame,
    cached: pd.DataFrame | None,
    day: date | datetime | pd.Timestamp,
    *,
    book: AddressBook | None = None,
    geocoder: Geocoder | None = None,
) -> pd.DataFrame:
    """Give what is known of the addresses, one row each, in the columns of `housing_geocodes`.

    In: `wanted` with street, number and municipality; `cached` as stored; the day of the run. A hit
    that is stored counts for ever, a miss for 90 days. An address that nobody was asked for has no
    row. Where the geocoder does not answer, or refuses, one warning says so, the rest is left for
    another day and what was found is given all the same; the sentences are in `attrs["notes"]`.
    """
    day = _utc(day)
    asked, notes = _distinct(wanted), []
    rows, misses = _stored(cached, asked, day)
    if book is not None:
        for key, address in asked.items():
            if key not in rows:
                rows[key] = _in_book(key, address, book, misses, day)
    if geocoder is not None:
        left = {key: address for key, address in asked.items() if not _found(rows.get(key))}
        notes = _ask(left, geocoder, book, misses, day, rows)
    table = pd.DataFrame([rows[key] for key in sorted(rows)], columns=list(COLUMNS)).astype(COLUMNS)
    table.attrs = {"notes": notes}
    return table


def locate_one(
    street: str,
    number: str,
    municipality: str,
    *,
    cached: pd.DataFrame | None = None,
    book: AddressBook | None = None,
    geocoder: Geocoder | None = None,
) -> Place | None:
    """Give where one address is, None when that is not known: for an app, while somebody waits.

    What is typed is looked for in `cached` and the table; only with a geocoder it goes further, to
    that host, within its limits. Raises SourceError for a table that cannot be read.
    """
    wanted = pd.DataFrame({"street": [street], "number": [number], "municipality": [municipality]})
    rows = locate(wanted, cached, datetime.now(UTC).date(), book=book, geocoder=geocoder)
    if not rows["found"].any():
        return None
    row = rows.iloc[0]
    return Place(float(row["latitude"]), float(row["longitude"]), str(row["precision"]))


def with_coordinates(sales: pd.DataFrame, located: pd.DataFrame) -> pd.DataFrame:
    """Give the sales with the coordinates of `locate` where they have none of their own."""
    found = located[located["found"]].set_index("address_key")
    lacking = sales["latitude"].isna() | sales["longitude"].isna()
    at = addresses.keys(sales[lacking])
    filled = sales.copy()
    for name in ("latitude", "longitude"):
        filled.loc[lacking, name] = at.map(found[name]).astype("float64")
    return filled


class GeocoderStopped(UserError):
    """The geocoder wants no more questions now, or does not answer as it should."""


class Geocoder:
    """A service that answers like Nominatim, asked politely.

    Its questions follow each other after a pause, whichever thread asks, and on a public host they
    are at most 100 a day. `provider` is the host, as rows name it. Raises UserError for settings
    that cannot be.
    """

    def __init__(
        self,
        url: str,
        contact: str = "",
        *,
        pause: float = 0.0,
        country: str = "se",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self.provider = _host(url)
        self.public = self.provider in PUBLIC_HOSTS
        if self.public and not contact:
            raise UserError(
                f"{self.provider} wants to know who asks: set {CONTACT} to your e-mail or web "
                "address."
            )
        if not contact.isascii() or not contact.isprintable():
            raise UserError(f"{CONTACT} may hold only plain ASCII characters: correct it.")
        self._pause = max(pause, PUBLIC_PAUSE if self.public else 0.0)
        self._country, self._clock, self._sleep = country, clock, sleep
        self._nominatim = _nominatim(url, f"{http.USER_AGENT} {contact}".strip())
        self._lock, self._next, self._today, self._count = threading.Lock(), 0.0, None, 0
        self._answers: dict[tuple[str, str], list[Mapping[str, Any]]] = {}

    def left(self) -> float:
        """Give how many more addresses may be asked for today."""
        self._turn_the_day()
        return PUBLIC_MOST - self._count if self.public else float("inf")

    def ask(self, street: str, number: str, municipality: str) -> list[Mapping[str, Any]]:
        """Give what the service has for an address, best first. Raises GeocoderStopped."""
        house = "" if number == UNKNOWN else f"{number.partition('-')[0]} "
        question = {"street": f"{house}{street}", "city": municipality}
        with self._lock:
            asked = tuple(question.values())
            if asked not in self._answers:
                if len(self._answers) >= REMEMBERED:
                    self._answers.clear()
                self._answers[asked] = self._in_turn(question)
            return self._answers[asked]

    def _in_turn(self, question):
        """Wait for the turn of this question, and ask it."""
        if self.left() < 1:
            raise GeocoderStopped(f"{self.provider} was asked enough for today.")
        self._sleep(max(self._next - self._clock(), 0.0))
        self._count += 1
        try:
            return self._answer(question)
        finally:
            self._next = self._clock() + self._pause

    def _answer(self, question):
        from geopy.exc import GeopyError

        try:
            places = self._nominatim.geocode(
                question,
                exactly_one=False,
                limit=ANSWERS,
                addressdetails=True,
                country_codes=self._country,
                timeout=TIMEOUT,
            )
            return [place.raw for place in places or ()]
        except (http.HttpError, SourceError) as error:
            raise GeocoderStopped(str(error)) from error
        except (GeopyError, ValueError, TypeError, AttributeError, LookupError) as error:
            said = documents.short(str(error), 80)
            message = f"{self.provider} does not answer as Nominatim does ({said}): check {URL}."
            raise GeocoderStopped(message) from error

    def _turn_the_day(self):
        today = datetime.now(UTC).date()
        if today != self._today:
            self._today, self._count = today, 0


def judge(
    place: Mapping[str, Any], street: str, number: str, municipality: str, box: Box
) -> Place | str:
    """Give where an answer of the geocoder puts an address, or why it is not that address.

    Refused: what lies outside the box or in another municipality, another street or house, and
    what is no street at all, like the middle of the town.
    """
    details = place.get("address")
    details = details if isinstance(details, Mapping) else {}
    latitude, longitude = float(place["lat"]), float(place["lon"])
    if not box.holds(latitude, longitude):
        return f"outside {municipality}: {latitude:.4f}, {longitude:.4f}"
    town = str(details.get("municipality") or "")
    if town and addresses.municipality_name(town) != municipality:
        return f"in another municipality: {documents.short(town)}"
    road = str(details.get("road") or details.get("pedestrian") or details.get("footway") or "")
    if not road:
        kind = place.get("addresstype") or place.get("type") or "place"
        return f"only a {documents.short(str(kind))}"
    if SequenceMatcher(None, addresses.street_name(road), street).ratio() < ALIKE:
        return f"another street: {documents.short(road)}"
    house = addresses.house_number(str(details.get("house_number") or ""))
    if UNKNOWN in (house, number):
        return Place(latitude, longitude, STREET)
    if house == number:
        return Place(latitude, longitude, EXACT)
    if _digits(house) == _digits(number):
        return Place(latitude, longitude, NUMBER)
    return f"another house: {house}"


def _ask(left, geocoder, book, misses, day, rows) -> list[str]:
    """Ask for what is left, but for what was missed lately, and put the answers into `rows`."""
    for key in [key for key in left if (key, geocoder.provider) in misses]:
        rows[key] = misses[key, geocoder.provider]
        del left[key]
    if len(left) > geocoder.left():
        note = (
            f"{geocoder.provider} is not for bulk and was not asked for {len(left)} addresses: set "
            f"{URL} to a Nominatim of your own, or {addresses.SETTING} to a table of addresses."
        )
        log.warning(note)
        return [note]
    for done, (key, address) in enumerate(left.items()):
        try:
            rows[key] = _told(key, address, geocoder, book, day)
        except GeocoderStopped as error:
            note = f"{str(error).rstrip('.')}; {len(left) - done} addresses wait for another day."
            log.warning(note)
            return [note]
    return []


def _told(key, address, geocoder, book, day):
    """Give the row of what the geocoder says of an address."""
    municipality = address[2]
    box = MUNICIPALITIES.get(municipality) or (book and book.box(municipality)) or SWEDEN
    places = geocoder.ask(*address)
    try:
        judged = [judge(place, *address, box) for place in places]
    except (KeyError, ValueError, TypeError) as error:
        message = f"{geocoder.provider} does not answer as Nominatim does: check {URL}."
        raise GeocoderStopped(message) from error
    place = next((each for each in judged if isinstance(each, Place)), None)
    reason = FOUND if place else (judged or ["not known there"])[0]
    return _row(key, geocoder.provider, day, place, reason)


def _in_book(key, address, book, misses, day):
    """Give the row of what the table tells; the stored one where it is still missing."""
    place = book.find(*address)
    if place is None and (key, BOOK) in misses:
        return misses[key, BOOK]
    reason = FOUND if place else "not in the table of addresses"
    return _row(key, BOOK, day, place, reason)


def _row(key, provider, day, place, reason):
    latitude, longitude = (place.latitude, place.longitude) if place else (float("nan"),) * 2
    precision = place.precision if place else NO_PRECISION
    values = (key, provider, day, latitude, longitude, place is not None, precision, reason)
    return dict(zip(COLUMNS, values, strict=True))


def _distinct(wanted) -> dict[str, tuple[str, str, str]]:
    """Give street, number and municipality by key, without addresses that lack too much."""
    rows = wanted[["street", "number", "municipality"]].fillna(UNKNOWN)
    rows = rows.assign(key=addresses.keys(rows)).drop_duplicates("key")
    return {
        row.key: (
            addresses.street_name(row.street),
            addresses.house_number(row.number),
            addresses.municipality_name(row.municipality),
        )
        for row in rows[rows["key"] != UNKNOWN].itertuples()
    }


def _stored(cached, asked, day):
    """Give the newest hits by key, and the misses of the last 90 days by key and provider."""
    if cached is None or cached.empty:
        return {}, {}
    known = cached[cached["address_key"].isin(asked)]
    known = known[list(COLUMNS)].astype(COLUMNS).sort_values("looked_up_at", kind="stable")
    hits = {row["address_key"]: row for row in known[known["found"]].to_dict("records")}
    lately = known["looked_up_at"] > day - RETRY_MISSES
    missed = known[~known["found"] & lately].to_dict("records")
    return hits, {(row["address_key"], row["provider"]): row for row in missed}


def _found(row):
    return row is not None and bool(row["found"])


@lru_cache(maxsize=4)
def _geocoder(url, contact, pause):
    """Give one geocoder per process, so that its pause and its count hold for all who ask."""
    try:
        seconds = float(pause or 0)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 60:
        raise UserError(f"{PAUSE} is {pause!r:.20}: give seconds from 0 to 60.")
    return Geocoder(url, contact, pause=seconds)


def _nominatim(url: str, agent: str):
    """Give geopy's client for a host; its questions go through `fti.http`, and to no other host."""
    try:
        from geopy.adapters import BaseSyncAdapter
        from geopy.geocoders import Nominatim
    except ImportError as error:
        message = f"{URL} is set, but geopy is missing: pip install -r requirements/housing.txt."
        raise UserError(message) from error
    parts = urlsplit(url)

    class Adapter(BaseSyncAdapter):
        def get_text(self, url, *, timeout, headers):
            return http.get(
                url,
                timeout=timeout,
                total_timeout=3 * timeout,
                max_bytes=http.MEGABYTE,
                retries=0,
                headers=headers,
                redirects=0,
            )

        def get_json(self, url, *, timeout, headers):
            data = self.get_text(url, timeout=timeout, headers=headers)
            return documents.read_json(data, http.without_secrets(url))

    class Client(Nominatim):
        def _construct_url(self, base_api, params):  # geopy offers this for further parameters
            return super()._construct_url(base_api, {**params, **dict(parse_qsl(parts.query))})

    return Client(
        domain=f"{parts.netloc}{parts.path}",
        scheme=parts.scheme,
        user_agent=agent,
        adapter_factory=Adapter,
    )


def _host(url):
    """Give the host of an http(s) address, with its port if it is not the usual one."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https"):
        said = http.without_secrets(url)
        raise UserError(f"{URL} is {said}: give an address like https://geocoder.example.org.")
    host = host.rstrip(".")
    return host if port in (None, 80, 443) else f"{host}:{port}"


def _digits(number):
    return "".join(each for each in number.partition("-")[0] if each.isdigit())


def _utc(when):
    time = pd.Timestamp(when)
    time = time.tz_localize("UTC") if time.tz is None else time.tz_convert("UTC")
    return time.floor("D").as_unit("us")
