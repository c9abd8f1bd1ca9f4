"""Where sales come from: open data on the web, a sample, files and saved pages, or a daily fetch.

    read()                   HOUSING_SOURCE when set, otherwise "web": France's open geo-DVF
    read("sample")           three years of a market that never was, without any network
    read("sales.csv")        a CSV or Parquet file; its names are known or said by a mapping file
    read("folder")           all tables and saved pages (.html, .json) of Booli in it
    read("dvf:75,92")        geo-DVF of these départements, whatever HOUSING_DEPARTEMENT says
    read("booli:1,2")        the newest sales of these areas, fetched politely: `feeds.booli_fetch`

    python -m housing.sources --source sales.csv     what it holds, and what of it cannot be used

All become the table of `housing.table`. Known without a mapping are the two files of the course
(`stockholm_sales.csv` and the listing texts it was made of), the raw columns of the housing seed,
and our own.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date as Date
from datetime import timedelta
from pathlib import Path

import pandas as pd

from fti import console, raw
from fti.errors import SourceError
from fti.http import MEGABYTE
from fti.raw import SAMPLE, WEB
from housing import listing, mapping, sample, table
from housing.mapping import TableMapping
from housing.table import Problems

log = logging.getLogger(__name__)

BOOLI, DVF = "booli:", "dvf:"
TABLES, PAGES = (".csv", ".parquet"), (".html", ".htm", ".json")
MACRO = "historical"  # tables of macro series beside the sales, which `housing.macro` reads
MAX_BYTES = 1000 * MEGABYTE
SAMPLE_YEARS = 3
NAMED = 12  # columns that an error message names


def chosen(source: str | None = None) -> str:
    """Say which source counts: the argument, else HOUSING_SOURCE, else "web"."""
    return raw.chosen(source, "housing")


def read(
    source: str | None = None, *, date: Date | None = None, known: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Give the sales of a source, and its flats not sold yet (price NaN): see `housing.table`.

    `date` is the day of the run (default: today, UTC), on which the sample depends. `known` are
    the sales that are stored already, so that a daily fetch can stop at them. What cannot be used
    is in `attrs["problems"]`, row by row, and counted in the log. Raises SourceError.
    """
    source = chosen(source)
    log.info("sales come from %s", raw.shown(source))
    if source == SAMPLE:
        sales = _sample(console.day(date))
    elif source == WEB:
        from housing.feeds import dvf

        sales = dvf.read(console.day(date))
    elif source.startswith(DVF):
        from housing.feeds import dvf

        day, codes = console.day(date), dvf.departements(source.removeprefix(DVF))
        sales = dvf.sales(codes, dvf.years(day), day)
    elif source.startswith(BOOLI):
        from housing.feeds import booli_fetch

        sales = booli_fetch.read(source.removeprefix(BOOLI), known=known)
    elif "://" not in source and Path(source).expanduser().is_dir():
        sales = _folder(Path(source).expanduser())
    else:
        sales = _file(source)
    _tell(sales)
    return sales


def parse(data: bytes, name: str, with_mapping: TableMapping | None = None) -> pd.DataFrame:
    """Turn the bytes of a CSV or Parquet file into the table; `name` tells which it is."""
    noted = Problems()
    cells = _parquet(data, name) if _is_parquet(data) else _csv(data, name, noted)
    if cells.empty:
        raise SourceError(f"{name}: it has no rows; {raw.OR_SAMPLE}.")
    if with_mapping:
        rows = mapping.rows(cells, with_mapping, name, noted)
    else:
        rows = _known(cells.columns, name).rows(cells, name, noted)
    sales = table.finish(rows if "source" in rows else rows.assign(source="csv"), noted)
    if sales.empty:
        first = noted[0]
        reason = f"{first['column']} of row {first['row']} is '{first['value']}', {first['reason']}"
        raise SourceError(f"{name}: none of its rows can be used; {reason}.")
    return sales


def _sample(date):
    """Give the sales of some years up to the end of a day, and what is for sale then."""
    end = date + timedelta(days=1)
    sold = sample.sales(end - timedelta(days=365 * SAMPLE_YEARS), end)
    return table.together([sold, sample.listings(date)])


def _folder(folder: Path) -> pd.DataFrame:
    """Read all tables and pages of a folder; a sale that several have counts once."""
    from housing.feeds import booli_pages

    files = sorted(path for path in folder.iterdir() if path.is_file())
    tables = [path for path in files if path.suffix.lower() in TABLES]
    tables = [path for path in tables if not path.name.startswith(MACRO)]
    pages = [path for path in files if path.suffix.lower() in PAGES]
    if not tables and not pages:
        kinds = ", ".join((*TABLES, *PAGES))
        raise SourceError(f"{folder}: this folder has none of {kinds}; {raw.OR_SAMPLE}.")
    found = {path.name: _file(str(path)) for path in tables}
    if pages:
        found[""] = booli_pages.read(pages)  # its problems name the page
    return table.together(list(found.values()), list(found))


def _file(source: str) -> pd.DataFrame:
    if "://" not in source and Path(source).suffix.lower() in PAGES:
        from housing.feeds import booli_pages

        return booli_pages.read([Path(source).expanduser()])
    data, name = raw.fetch(source, max_bytes=MAX_BYTES)
    said = None if "://" in source else mapping.beside(Path(source).expanduser())
    return parse(data, name, said and mapping.load(said))


def _is_parquet(data):
    return data[:4] == b"PAR1"


def _parquet(data: bytes, name: str) -> pd.DataFrame:
    try:
        cells = pd.read_parquet(io.BytesIO(data))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:80]
        raise SourceError(f"{name}: this is not a Parquet file ({reason}).") from None
    cells = cells.reset_index(drop=True)
    return cells.set_axis(range(1, len(cells) + 1))


def _csv(data: bytes, name: str, noted: Problems) -> pd.DataFrame:
    """Give the cells as text, with row numbers from 1; rows of another length are noted."""
    if data.lstrip()[:1] == b"<":
        raise SourceError(f"{name}: this is a web page, not a CSV; take the address of the file.")
    text = io.StringIO(_text(data, name), newline="")
    lines = csv.reader(text, delimiter=_separator(data), strict=True)
    try:
        header = [column.strip() for column in next(lines, [])]
        records = {row: line for row, line in enumerate(filter(None, lines), start=1)}
    except csv.Error as error:
        raise SourceError(f"{name}: line {lines.line_num} is not CSV ({error}).") from None
    twice = [column for column in header if header.count(column) > 1]
    if twice:
        raise SourceError(f"{name}: two columns are called '{twice[0]}'; rename one.")
    for row in [row for row, line in records.items() if len(line) != len(header)]:
        why = f"the header has {len(header)} columns"
        noted.add(row, "row", f"{len(records.pop(row))} values", why, dropped=True)
    return pd.DataFrame.from_dict(records, orient="index", columns=header)


def _text(data, name):
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"line {line} is not UTF-8 text; save the file as CSV UTF-8"
        raise SourceError(f"{name}: {reason}.") from None


def _separator(data):
    header = data.partition(b"\n")[0].decode("utf-8", "replace")
    return max(",;\t", key=header.count)


# Known tables -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """A table that is known by its header, and how its cells are put under their own columns."""

    needs: frozenset[str]
    mapping: TableMapping
    sold: bool = True  # it has sales only: a row without a price is damage
    prepare: Callable[[pd.DataFrame, Problems], pd.DataFrame] | None = None

    def rows(self, cells: pd.DataFrame, name: str, noted: Problems) -> pd.DataFrame:
        """Give what the cells say, as `table.finish` wants it."""
        cells = self.prepare(cells, noted) if self.prepare else cells
        there = {theirs: ours for theirs, ours in self.mapping.columns.items() if theirs in cells}
        rows = mapping.rows(cells, replace(self.mapping, columns=there), name, noted)
        if self.sold:
            for row in rows.index[rows["price"].isna()]:
                noted.add(row, "price", "", "it is missing", dropped=True)
            rows = rows[rows["price"].notna()]
        return rows


def _unshifted(cells: pd.DataFrame, noted: Problems) -> pd.DataFrame:
    """Put the course's listing texts under their own columns.

    Where a listing had no fee or no amenity the later columns moved one to the left, where it had
    more amenities to the right; so each cell is known by what it says. A page that names neither
    balcony nor lift has "null" for them: there is none.
    """
    told = cells.columns.difference(["adress", "location", "district"], sort=False)
    whole = (cells[told] != "").any(axis=1)
    for row in cells.index[~whole]:
        noted.add(row, "row", "", "it is empty", dropped=True)
    cells = cells[whole]
    records = [
        _by_kind(row, record, noted)
        for row, record in zip(cells.index, cells[told].to_dict("records"), strict=True)
    ]
    found = pd.DataFrame(records, index=cells.index, columns=[*SAID, *AMENITIES.values()])
    return cells[["adress", "location", "district"]].join(found.fillna(""))


def _by_kind(row, record, noted):
    """Give the texts of one listing by what they are about; "0" and "1" for amenities."""
    said, words = {}, set()
    for column, text in record.items():
        kind, value = listing.cell(text) or ("", None)
        if kind == "amenities":
            words |= value
        elif kind == "plot":
            noted.add(row, "kind", text, "it is a house with a plot, not a flat", dropped=True)
        elif not kind:
            noted.add(row, column, text, "it says nothing that a listing says")
        elif kind in said and listing.cell(said[kind]) != (kind, value):
            noted.add(row, kind, text, f"it also says '{said[kind]}'", dropped=True)
        else:
            said[kind] = text
    return said | {ours: str(int(word in words)) for word, ours in AMENITIES.items()}


SAID = ("size", "fee", "price", "sold_on", "price_per_m2")
AMENITIES = {"balkong": "balcony", "hiss": "elevator"}
# The course numbers what its listings name: 1 balcony, 2 lift, 3 both, 4 a patio ("uteplats"), and
# nothing; found by joining the two files.
NUMBERED = {"1.0": (1, 0), "2.0": (0, 1), "3.0": (1, 1), "4.0": (0, 0), "": (0, 0)}
NUMBERED |= {code.removesuffix(".0"): both for code, both in NUMBERED.items()}
COURSE = TableMapping(
    columns={
        "adress": "address",
        "fee": "fee",
        "features": ["balcony", "elevator"],
        "sale_price": "price",
        "sold_date": "sold_on",
        "ppsqm": "price_per_m2",
        "district": ["district", "municipality"],
        "size": "living_area_m2",
        "rooms": "rooms",
        "floor": "floor",
        "Latitude": "latitude",
        "Longitude": "longitude",
        "NearbyPOIs": "pois_nearby",
    },
    words={
        "balcony": {code: float(both[0]) for code, both in NUMBERED.items()},
        "elevator": {code: float(both[1]) for code, both in NUMBERED.items()},
        "municipality": {"solna": "solna", "*": "stockholm"},
    },
    # Stockholm and Solna. About 70 streets were found in other towns that have them as well.
    bounds={"latitude": (59.22, 59.45), "longitude": (17.75, 18.25)},
    constants={"currency": "SEK"},
)
LISTINGS = TableMapping(
    columns={"adress": "address", "location": "municipality", "district": "district"}
    | {name: name for name in (*SAID, *AMENITIES.values())},
    constants={"currency": "SEK"},
)
SEED = TableMapping(
    columns={
        "area": "district",
        "streetName": "street",
        "number": "number",
        "sqm": "living_area_m2",
        "rooms": "rooms",
        "Slutpris": "price",
        "Såld eller borttagen": "sold_on",
        "Slutpris/m²": "price_per_m2",
        "Avgift": "fee",
        "Bostadstyp": "kind",
        "Driftskostnad": "running_cost",
        "Våning": "floor",
        "Byggår": "year_built",
        "BRF": "association",
        "agency": "agency",
    },
    constants={"currency": "SEK"},
)
OURS = TableMapping(
    columns={name: name for name in table.COLUMNS},
    formats=dict.fromkeys(table.NUMBERS, "decimal point") | {"address": mapping.TEXT},
)
LAYOUTS = (
    Layout(frozenset({"adress", "location", "size:rooms"}), LISTINGS, prepare=_unshifted),
    Layout(frozenset({"adress", "sale_price", "sold_date", "size"}), COURSE),
    Layout(frozenset({"streetName", "sqm", "Slutpris", "Såld eller borttagen"}), SEED),
    Layout(frozenset({"sold_on", "living_area_m2", "price", "currency"}), OURS, sold=False),
)


def _known(columns: pd.Index, name: str) -> Layout:
    """Tell which of the known tables has these columns."""
    layout = next((layout for layout in LAYOUTS if layout.needs <= set(columns)), None)
    if layout is None:
        found = ", ".join(f"'{column}'" for column in columns[:NAMED])
        raise SourceError(
            f"{name}: no known table has its columns {found}; say which is which in "
            f"{Path(name).with_suffix('.toml').name} beside it, with lines like {mapping.EXAMPLE}; "
            "housing/mapping.py explains it."
        )
    return layout


# The command -------------------------------------------------------------------------------------


def _tell(sales: pd.DataFrame) -> None:
    """Say in the log how much there is, and how much of it cannot be used."""
    found = table.problems(sales)
    lost = len({problem["row"] for problem in found if problem["dropped"]})
    emptied = sum(not problem["dropped"] for problem in found)
    what = f"{len(sales):,} sales and listings"
    log.info("%s; %s rows left out, %s values unknown", what, f"{lost:,}", f"{emptied:,}")


def main(source: console.SourceOption = None) -> None:
    """Show what the source holds, and what of it cannot be used and why."""
    from rich.console import Console
    from rich.table import Table

    sales = read(source)
    if sales.empty:
        console.say("no sales and no listings")
    else:
        days = f"{sales['sold_on'].min():%Y-%m-%d} to {sales['sold_on'].max():%Y-%m-%d}"
        sold = len(table.sold(sales))
        console.say(f"{sold:,} sales and {len(sales) - sold:,} listings, {days}")
    shown = Table("column", "known", "from", "to")
    for name in table.COLUMNS:
        shown.add_row(name, *_summary(sales[name]))
    Console().print(shown)
    shown = Table("count", "rows left out", "column", "why", "for example")
    for line in table.problems(sales).by_reason().itertuples():
        example = f"row {line.row}: {line.value}"
        shown.add_row(f"{line.count:,}", f"{line.dropped:,}", line.column, line.reason, example)
    Console().print(shown)


def _summary(values: pd.Series) -> tuple[str, str, str]:
    """Give the share that is known, and the lowest and highest value, or how many there are."""
    known = values[values != table.UNKNOWN].dropna()
    share = f"{len(known) / len(values):.0%}" if len(values) else ""
    if known.empty or known.dtype == object:
        return share, f"{known.nunique():,} different", ""
    return share, *(_shown(end) for end in (known.min(), known.max()))


def _shown(value):
    return f"{value:%Y-%m-%d}" if isinstance(value, pd.Timestamp) else f"{value:,.10g}"


if __name__ == "__main__":
    console.run(main)
