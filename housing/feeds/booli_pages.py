"""Pages of Booli that you saved: result pages and pages of single flats, as .html or as JSON.

    booli_pages.read([Path("slutpriser_1.html"), Path("annons_123.html")])

A saved page holds its data in `<script id="__NEXT_DATA__">`, under `props.pageProps` in
`__APOLLO_STATE__`: objects by key, `SoldProperty:<id>` for sales and `Listing:<id>` for flats for
sale, and what was searched for in `ROOT_QUERY` (as recorded in July 2026; size, rooms and floor are
only in the texts of `displayAttributes`). That object or the whole JSON may also be saved alone.
A page of a single flat adds `rent`, `constructionYear`, `operatingCost` and `agency`, if it has
them. What objects lack that they had in July 2026 is counted in `attrs["drift"]` and logged.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd

from fti import raw
from fti.errors import SourceError
from fti.http import MEGABYTE
from housing import listing, mapping, table
from housing.table import Problems

log = logging.getLogger(__name__)

SOURCE = "booli_pages"
MAX_BYTES = 50 * MEGABYTE
SCRIPT, STATE = "__NEXT_DATA__", "__APOLLO_STATE__"
KINDS = ("SoldProperty", "Listing")
SEARCHES = ("searchSold", "searchForSale")
HUGE = 1e15  # no number that a flat has
SWEDEN = "77104"  # the area that Booli searches when it does not know the one asked for
CHALLENGES = (  # what Cloudflare's page says instead of Booli's
    b"_cf_chl_opt", b"challenge-platform", b"cf-chl-", b"<title>Just a moment", b"cf-error-details",
    b"<title>Attention Required",
)  # fmt: skip
# What was there in July 2026: a kind that lacks one of these has changed.
FIELDS = {
    "SoldProperty": (
        "booliId", "streetAddress", "descriptiveAreaName", "objectType", "soldDate", "soldPrice",
        "soldPriceType", "latitude", "longitude", "location", "displayAttributes",
    ),
    "Listing": (
        "booliId", "streetAddress", "descriptiveAreaName", "objectType", "latitude", "longitude",
        "location", "displayAttributes",
    ),
}  # fmt: skip
NEEDED = {"SoldProperty": ("booliId", "soldDate", "soldPrice"), "Listing": ("booliId",)}
BOUNDS = {"latitude": (55.0, 69.1), "longitude": (10.5, 24.2)}  # Sweden
WORDS = {"balcony": {"balcony", "balkong"}, "elevator": {"elevator", "hiss", "lift"}}
DETAILS = {"livingArea": "living_area_m2", "rooms": "rooms", "floor": "floor", "rent": "fee"}


def read(files: Sequence[Path]) -> pd.DataFrame:
    """Give what saved pages say, as `housing.table`. Raises SourceError, naming the page.

    A flat that several pages have is one row, made of what each of them knows. A flat for sale that
    does not say since when counts as listed on the day on which its page was saved.
    """
    noted, drift, found = Problems(), Counter(), []
    for path in files:
        data, _ = raw.fetch(str(path), max_bytes=MAX_BYTES)
        seen = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
        found += page_rows(data, path.name, seen, noted, drift)
    return collected(found, noted, drift, SOURCE)


def page_rows(
    data: bytes, name: str, seen: date, noted: Problems, drift: Counter
) -> list[dict[str, Any]]:
    """Give the flats of one page as rows of `housing.table`, none for a search without results.

    Notes what of them cannot be read, and counts what has changed. Raises SourceError for a page
    that has no flats because it is no such page: a challenge, another format, a search of Sweden.
    """
    state = apollo_state(data, name)
    flats = list(_flats(state, name, drift))
    _check_format(flats, name, drift)
    rows = [_row(flat, state, f"{name} {flat.get('booliId')}", seen, noted) for flat in flats]
    return [row for row in rows if row]


def collected(
    rows: Iterable[dict[str, Any]], noted: Problems, drift: Counter, source: str
) -> pd.DataFrame:
    """Put the rows of pages into the table: one for each flat, what is known of it combined."""
    found = pd.DataFrame(list(rows), columns=["row", "sold", *table.COLUMNS])
    found = found.sort_values("sold", ascending=False, kind="stable")
    found = found.groupby("sale_id", sort=False, as_index=False).first().set_index("row")
    found = mapping.inside(found.infer_objects(), BOUNDS, noted)
    sales = table.finish(found.assign(currency="SEK", source=source), noted)
    sales.attrs["drift"] = dict(drift)
    if drift:
        said = ", ".join(f"{count} x {what}" for what, count in drift.most_common(8))
        log.warning("Booli's pages differ from those of July 2026: %s", said)
    return sales


# The page -----------------------------------------------------------------------------------------


def is_challenge(data: bytes) -> bool:
    """Tell whether the page asks for proof that a person is there, instead of showing flats."""
    return any(mark in data for mark in CHALLENGES) and SCRIPT.encode() not in data


def apollo_state(data: bytes, name: str) -> dict[str, Any]:
    """Give the objects of a page by their keys."""
    if is_challenge(data):
        raise SourceError(
            f"{name}: this is a page that asks whether you are a person, not one of Booli's; save "
            "it again from a browser that shows the flats."
        )
    document = _json(_script(data, name) if data.lstrip()[:1] == b"<" else data, name)
    if "props" in document:
        document = _inside(document, ("props", "pageProps", STATE), name)
    elif "data" in document:
        document = {"ROOT_QUERY": document["data"]}
    if not isinstance(document.get("ROOT_QUERY"), dict):
        raise SourceError(f"{name}: there is no ROOT_QUERY in it, so it is no page of Booli's.")
    return document


def _script(data: bytes, name: str) -> bytes:
    finder = _ScriptFinder()
    finder.feed(data.decode("utf-8", "replace"))
    if not finder.text:
        reason = f"there is no {SCRIPT} in it; save the whole page of a search or of a flat"
        raise SourceError(f"{name}: {reason}, or its format has changed.")
    return "".join(finder.text).encode()


class _ScriptFinder(HTMLParser):
    """Keeps the text of the script that holds the data."""

    def __init__(self):
        super().__init__()
        self.inside, self.text = False, []

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "script" and dict(attrs).get("id") == SCRIPT

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.text.append(data)


def _json(data, name):
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{name}: its data are not JSON, or cut off ({error!s:.60}).") from None
    if not isinstance(document, dict):
        raise SourceError(f"{name}: its data are no JSON object, so it is no page of Booli's.")
    return document


def _inside(document, keys, name):
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    if not isinstance(document, dict):
        raise SourceError(f"{name}: there is no {'.'.join(keys)} in it; its format has changed.")
    return document


def _flats(state: dict, name: str, drift: Counter) -> Iterator[dict]:
    """Give the objects that are flats: those a search found, or all of a page without a search."""
    root = state["ROOT_QUERY"]
    searches = [key for key in root if key.partition("(")[0] in SEARCHES]
    for key in searches:
        if re.search(rf"\b{SWEDEN}\b", key):
            raise SourceError(
                f"{name}: this search is of all Sweden (area {SWEDEN}), which Booli takes when it "
                "does not know the area asked for; search for the area again."
            )
    if searches:
        found = [_list(_object(root[key], state).get("result")) for key in searches]
        objects = [_resolved(flat, state) for flats in found for flat in flats]
    else:
        objects = [value for key, value in state.items() if key.partition(":")[0] in KINDS]
        if not objects:
            reason = "it has neither a search nor a flat; its format has changed"
            raise SourceError(f"{name}: {reason}, or it is another page.")
    for flat in objects:
        kind = flat.get("__typename") if isinstance(flat, dict) else None
        if kind in KINDS:
            yield flat
        elif kind != "Project":  # new buildings stand between the flats
            drift[f"a result that is {kind!r:.30}"] += 1


def _check_format(flats, name, drift):
    """Count what flats lack; refuse a page on which all lack what is needed."""
    lacking = Counter(
        (flat["__typename"], field)
        for flat in flats
        for field in FIELDS[flat["__typename"]]
        if _field(flat, field) is None
    )
    for (kind, field), count in lacking.items():
        if field in NEEDED[kind] and count == sum(flat["__typename"] == kind for flat in flats):
            raise SourceError(f"{name}: no {kind} has a {field}; Booli's format has changed.")
        drift[f"{kind} without {field}"] += count


# The flat -----------------------------------------------------------------------------------------


def _row(flat: dict, state: dict, label: str, seen: date, noted: Problems) -> dict | None:
    """Give the row of a flat, None when it is none or cannot be used."""
    kind = _text(flat, "objectType", state).lower()
    if kind and kind not in mapping.FLATS:
        noted.add(label, "kind", kind, "it is not a flat", dropped=True)
        return None
    if not isinstance(flat.get("booliId"), int | str):
        noted.add(label, "sale_id", flat.get("booliId"), "it is no identity", dropped=True)
        return None
    sold = flat["__typename"] == "SoldProperty"
    day = _sold_on(flat, state) if sold else _listed_on(flat, state, seen)
    price = _amount(flat, "soldPrice", state, listing.price) if sold else None
    for column, value in (("sold_on", day), ("price", price)):
        if value is None and (sold or column == "sold_on"):
            noted.add(label, column, "", "it is missing or cannot be read", dropped=True)
            return None
    address = listing.address(_text(flat, "streetAddress", state))
    if address.problem:
        noted.add(label, "address", address.text, address.problem)
    told = _told(flat, state, label, noted)
    region = _object(_object(flat.get("location"), state).get("region"), state)
    return {
        "row": label,
        "sold": sold,
        "sale_id": f"booli:{flat['booliId']}",
        "sold_on": pd.Timestamp(day, tz="UTC"),
        "price": price,
        "address": address.text or None,
        "street": address.street,
        "number": address.number,
        "municipality": _text(region, "municipalityName", state) or None,
        "district": _text(flat, "descriptiveAreaName", state) or None,
        "floor": address.floor,
        "year_built": _amount(flat, "constructionYear", state, listing.number),
        "running_cost": _running_cost(flat, state, label, noted),
        "agency": _named(flat.get("agency"), state),
        "latitude": _amount(flat, "latitude", state, listing.number),
        "longitude": _amount(flat, "longitude", state, listing.number),
        **_amenities(flat, state),
        **told,
    }


def _sold_on(flat, state):
    return listing.day(_text(flat, "soldDate", state))


def _listed_on(flat, state, seen):
    """Give the day since which a flat is for sale, or the day on which it was seen."""
    published = listing.day(_text(flat, "published", state))
    days = _amount(flat, "daysActive", state, listing.number)
    return published or seen - timedelta(days=int(days if days and days < 10_000 else 0))


def _told(flat: dict, state: dict, label: str, noted: Problems) -> dict[str, float]:
    """Give what the texts about a flat say, and what fields of their own add."""
    told: dict[str, float] = {}
    for text in _texts(flat, state):
        said = _said(text)
        if said is None:
            noted.add(label, "displayAttributes", text, "it says nothing that a listing says")
        told |= said or {}
    for field, column in DETAILS.items():
        reader = (
            listing.floor
            if field == "floor"
            else listing.fee
            if field == "rent"
            else listing.number
        )
        value = _amount(flat, field, state, reader)
        if value is not None:
            told.setdefault(column, value)
    return told


def _said(text: str) -> dict[str, float] | None:
    """Give what one text says; a plot is no living area. None when it is not understood."""
    area, rooms, fee = listing.area(text), listing.rooms(text), listing.fee(text)
    if area is not None:
        return {"living_area_m2": area.living, "extra_area_m2": area.extra}
    if rooms is not None:
        return {"rooms": rooms}
    if fee is not None:
        return {"fee": fee}
    if listing.plot(text) is not None or listing.price_per_m2(text) is not None:
        return {}
    floor, _ = listing.floor_within(text)
    return None if floor is None else {"floor": floor}


def _texts(flat: dict, state: dict) -> list[str]:
    shown = _object(_field(flat, "displayAttributes"), state)
    points = [_object(point, state) for point in _list(shown.get("dataPoints"))]
    texts = [_object(point.get("value"), state).get("plainText") for point in points]
    return [text for text in texts if isinstance(text, str) and listing.clean(text)]


def _running_cost(flat, state, label, noted):
    """Give kronor a month; a number that does not say of what time is none."""
    value = _resolved(_field(flat, "operatingCost"), state)
    text = value.get("formatted") if isinstance(value, dict) else value
    cost = listing.running_cost(text) if isinstance(text, str) else None
    if cost is None and value is not None:
        noted.add(label, "running_cost", text, "it does not say kr/mån or kr/år")
    return cost


def _amenities(flat: dict, state: dict) -> dict[str, float]:
    """Give whether there are a balcony and a lift, when a list says what there is."""
    listed = _field(flat, "amenities")
    if not isinstance(listed, list):
        return {}
    words = set()
    for one in listed:
        known = _resolved(one, state)
        texts = known.values() if isinstance(known, dict) else (known,)
        words |= {text.lower() for text in texts if isinstance(text, str)}
        words |= {one["__ref"].rpartition(":")[2].lower()} if _is_reference(one) else set()
    return {column: float(bool(words & meant)) for column, meant in WORDS.items()}


# Values of objects --------------------------------------------------------------------------------


def _field(flat: dict, name: str) -> Any:
    """Give a field, which may have arguments after its name: `displayAttributes({...})`."""
    if name in flat:
        return flat[name]
    return next((value for key, value in flat.items() if key.startswith(f"{name}(")), None)


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("__ref"), str)


def _resolved(value: Any, state: dict) -> Any:
    """Give the object that a reference means, anything else as it is."""
    return state.get(value["__ref"]) if _is_reference(value) else value


def _object(value: Any, state: dict) -> dict:
    """Give the object that a value is or refers to, an empty one when it is none."""
    found = _resolved(value, state)
    return found if isinstance(found, dict) else {}


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


def _text(flat: dict, name: str, state: dict) -> str:
    value = _resolved(_field(flat, name), state)
    return listing.clean(value) if isinstance(value, str) else ""


def _named(value: Any, state: dict) -> str | None:
    """Give the name of an object, or the text that is one."""
    value = _resolved(value, state)
    value = value.get("name") if isinstance(value, dict) else value
    return listing.clean(value) or None if isinstance(value, str) else None


def _amount(flat: dict, name: str, state: dict, reader) -> float | None:
    """Give a number: as it is, as `raw`, or read from the text that is shown."""
    value = _resolved(_field(flat, name), state)
    if isinstance(value, dict):
        value = value.get("raw") if value.get("raw") is not None else value.get("formatted")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < HUGE else None
    return reader(value) if isinstance(value, str) else None
