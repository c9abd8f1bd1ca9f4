"""Sales of flats in France: geo-DVF, from the tax office's register, with coordinates.

    python -m housing.feeds.dvf --departements 75,92     bring the shards, and say what they hold
    dvf.read()                                           the sales of HOUSING_DEPARTEMENT (75)
    dvf.sales(["75", "13"], years)                       the same for others, as one table
    dvf.relation(connection, paths)                      for more rows than memory holds

`https://files.data.gouv.fr/geo-dvf/latest/csv/{year}/departements/{dep}.csv.gz`: the last five
years and the running one, renewed each April and October; Licence Ouverte 2.0 (documented; not yet
seen live). Bas-Rhin, Haut-Rhin, Moselle and Mayotte have another register and are not in it.

A shard is one year of one département as a Parquet file in `FTI_HOME/cache/housing/dvf`. A row of
the CSV is a flat, house, dependency or plot of a mutation, its price that of the whole mutation:
only those with exactly one flat and, beside it, nothing but dependencies are kept. `id_mutation` is
not stable from one edition to the next (documented), and sales are kept for years: so a sale is
known by its day, parcel, lot, area and price.
"""

import csv
import gzip
import json
import logging
import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from fti import console, documents, http, projects, raw
from fti.errors import SourceError, SourceUnreachable
from fti.http import GIGABYTE
from housing import table
from housing.table import Problems

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

URL = "https://files.data.gouv.fr/geo-dvf/latest/csv/{year}/departements/{departement}.csv.gz"
ATTRIBUTION = "DVF géolocalisées, Etalab and DGFiP, Licence Ouverte 2.0"
SETTING, DEFAULT = "HOUSING_DEPARTEMENT", "75"  # Paris
DEPARTEMENT = re.compile(r"0[1-9]|[1-8]\d|9[0-5]|2[AB]|97[1-46]", re.ASCII)
WITHOUT = frozenset({"20", "57", "67", "68", "976"})  # 20 is 2A and 2B; the others have no DVF
YEARS_KEPT = 5  # whole years, beside the running one
RENEWED = 2  # editions still change the running year and the one before
MAX_BYTES = 2 * GIGABYTE  # compressed; Paris has about 3 MB a year
MEMORY_LIMIT = "1GB"
BATCH = 100_000  # rows checked at a time
MAX_LINE = 100_000  # characters of a header
GZIP = b"\x1f\x8b"
COUNTS = b"housing.dvf.lost"  # in the metadata of a shard: what was left out and why
NEEDED = (
    "id_mutation",
    "date_mutation",
    "nature_mutation",
    "valeur_fonciere",
    "adresse_numero",
    "adresse_suffixe",
    "adresse_nom_voie",
    "code_postal",
    "nom_commune",
    "id_parcelle",
    "lot1_numero",
    "type_local",
    "surface_reelle_bati",
    "nombre_pieces_principales",
    "longitude",
    "latitude",
)

# The numbers of DVF, "1234.5" or "1234,5"; what is none, or no finite one, is not known.
NUMBER = """
CREATE TEMP MACRO numeral(said) AS
    CASE WHEN isfinite(try_cast(replace(said, ',', '.') AS DOUBLE))
         THEN try_cast(replace(said, ',', '.') AS DOUBLE) END
"""
ROWS = "CREATE TEMP TABLE lines AS SELECT {fields} FROM {file}"
MUTATIONS = """
CREATE TEMP TABLE mutations AS
SELECT id_mutation,
    CASE WHEN count(*) FILTER (nature_mutation IS DISTINCT FROM 'Vente') > 0 THEN 'nature_mutation'
         WHEN min(valeur_fonciere) IS NULL
              OR min(valeur_fonciere) <> max(valeur_fonciere) THEN 'valeur_fonciere'
         WHEN count(*) FILTER (type_local = 'Appartement') > 1
              OR count(*) FILTER (type_local IS NULL
                                  OR type_local NOT IN ('Appartement', 'Dépendance')) > 0
              THEN 'type_local'
         ELSE 'kept' END AS state
FROM lines
WHERE id_mutation IS NOT NULL
GROUP BY id_mutation
HAVING count(*) FILTER (type_local = 'Appartement') > 0
"""
REASONS = {
    "nature_mutation": "the flat was not simply sold",
    "valeur_fonciere": "the sale has no price, or several",
    "type_local": "more than the flat and its dependencies was sold",
}
SALES = r"""
WITH flats AS (
    SELECT lines.*,
        numeral(surface_reelle_bati) AS area,
        numeral(valeur_fonciere) AS price,
        numeral(nombre_pieces_principales) AS rooms,
        try_cast(numeral(adresse_numero) AS BIGINT)::VARCHAR AS house
    FROM lines JOIN mutations USING (id_mutation)
    WHERE state = 'kept' AND type_local = 'Appartement'
),
named AS (
    SELECT *, concat_ws('|', date_mutation, id_parcelle, coalesce(lot1_numero, ''), area, price)
        AS key
    FROM flats
)
SELECT
    'dvf:' || md5(key || '|' || row_number() OVER (
        PARTITION BY key ORDER BY house, rooms, id_mutation))[:16] AS sale_id,
    try_strptime(date_mutation, '%Y-%m-%d') AS sold_on,
    price,
    'EUR' AS currency,
    concat_ws(' ', house, upper(adresse_suffixe), adresse_nom_voie) AS address,
    lower(adresse_nom_voie) AS street,
    house || lower(coalesce(adresse_suffixe, '')) AS number,
    regexp_replace(nom_commune, ' +\d+er? +Arrondissement$', '') AS municipality,
    CASE WHEN nom_commune LIKE '% Arrondissement' THEN nom_commune ELSE code_postal END AS district,
    area AS living_area_m2,
    nullif(rooms, 0) AS rooms,
    numeral(latitude) AS latitude,
    numeral(longitude) AS longitude,
    'dvf' AS source
FROM named
ORDER BY sold_on, sale_id
"""


def read(day: date | None = None) -> pd.DataFrame:
    """Give the sales of HOUSING_DEPARTEMENT (default 75; several with commas) of all years.

    `day` is the day of the run (default: today, UTC). Out: the table of `housing.table`, with what
    was left out by reason in `attrs["problems"]`. Raises SourceError, and SourceUnreachable where
    the network is the reason.
    """
    return sales(chosen(), years(day), day)


def chosen() -> list[str]:
    """Give the départements that HOUSING_DEPARTEMENT names."""
    return departements(os.environ.get(SETTING, "").strip() or DEFAULT)


def departements(text: str) -> list[str]:
    """Give the codes in a text like "75" or "2a, 13", once each; SourceError for others."""
    found = [_departement(code) for code in re.split(r"[,;\s]+", text.strip()) if code]
    if not found:
        raise SourceError(f"{SETTING} is empty: give a code like {DEFAULT}, or 75,92.")
    return list(dict.fromkeys(found))


def years(day: date | None = None) -> list[int]:
    """Give the years that may be there on a day, the running one last."""
    this = _today(day).year
    return list(range(this - YEARS_KEPT, this + 1))


def shards(departements: Iterable[str], years: Iterable[int]) -> list[tuple[str, int]]:
    """Give (département, year) of each shard: what `.map()` hands to `shard` on many machines."""
    return [(_departement(code), int(year)) for code, year in product(departements, years)]


def shard(departement: str, year: int, day: date | None = None, *, retries: int = 3) -> Path:
    """Give the Parquet file of one year of one département, and make it where it is not there.

    Years before the last are not asked for again; of the others a newer edition is taken if the
    server has one, and what is there is used when it does not answer. Raises SourceError.
    """
    departement = _departement(departement)
    path = folder() / str(int(year)) / f"{departement}.parquet"
    if path.exists() and year <= _today(day).year - RENEWED:
        return path
    made = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None
    url = URL.format(year=int(year), departement=departement)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as scratch:
        file = Path(scratch) / "sales.csv.gz"
        try:
            newer = http.download(url, file, newer_than=made, max_bytes=MAX_BYTES, retries=retries)
        except http.HttpError as error:
            if made is None:
                raise SourceUnreachable(f"{str(error).rstrip('.')}; {raw.OR_SAMPLE}.") from error
            log.warning("%s Using the shard of %s.", error, f"{made:%Y-%m-%d}")
            newer = False
        if newer:
            convert(file, path, http.without_secrets(url))
    return path


def fetch(
    shards: Sequence[tuple[str, int]], day: date | None = None, *, retries: int = 3
) -> list[Path]:
    """Give the files of the shards, in order, without those of years that are not published.

    The oldest year may be gone and the running one not there yet: for them the server says 404.
    Raises SourceError when there is none at all, or another year lacks.
    """
    this, paths, missing = _today(day).year, [], []
    for departement, year in console.progress(shards, len(shards), "geo-DVF"):
        try:
            paths.append(shard(departement, year, day, retries=retries))
        except SourceUnreachable as error:
            gone = getattr(error.__cause__, "status", None) == 404
            if not gone or this - YEARS_KEPT < year < this - 1:
                raise
            log.info("%s of %s is not published.", year, departement)
            missing.append(error)
    if not paths:
        raise missing[0] if missing else SourceError("No year of geo-DVF was asked for.")
    return paths


def sales(
    departements: Iterable[str], years: Iterable[int], day: date | None = None, *, retries: int = 3
) -> pd.DataFrame:
    """Give the sales of some départements and years as one table, by day; see `read`."""
    paths = fetch(shards(departements, years), day, retries=retries)
    with connect() as connection:
        rows = relation(connection, paths).order("sold_on, sale_id").to_arrow_table().to_pandas()
    rows = rows[list(table.COLUMNS)].astype(table.COLUMNS)
    rows.attrs = {"problems": _problems(paths)}
    return rows


def relation(
    connection: "duckdb.DuckDBPyConnection", paths: Sequence[Path]
) -> "duckdb.DuckDBPyRelation":
    """Give the sales of the shards as a DuckDB relation, read only as far as it is used."""
    return connection.read_parquet([str(path) for path in paths])


@contextmanager
def connect(memory_limit: str = MEMORY_LIMIT) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Open a DuckDB that keeps within some memory, and uses the disk beyond it."""
    import duckdb

    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder(), prefix="scratch-") as scratch:
        settings = {
            "memory_limit": memory_limit,
            "temp_directory": scratch,
            "preserve_insertion_order": False,
        }
        with duckdb.connect(config=settings) as connection:
            yield connection


def folder() -> Path:
    """Give the folder of the shards."""
    return projects.home() / "cache" / "housing" / "dvf"


def convert(file: Path, path: Path, name: str, *, memory_limit: str = MEMORY_LIMIT) -> None:
    """Turn a CSV, compressed or not, into a shard, in one step once it is whole.

    In: the file, and its name for error messages. Out: at `path` the sales in the columns of
    `housing.table`, by day, and in the metadata of the Parquet file what was left out and why.
    Columns may be in any order, and more than needed. Raises SourceError for what is not geo-DVF,
    or not whole.
    """
    import duckdb

    header = _header(file, name)
    with connect(memory_limit) as connection:
        try:
            _load(connection, file, header)
            lost = _lost(connection)
            _write(connection.sql(SALES).to_arrow_reader(BATCH), path, lost)
        except duckdb.OutOfMemoryException as error:
            reason = f"it takes more than {memory_limit} of memory to read"
            raise documents.refusal(name, f"{reason}; raise MEMORY_LIMIT in {__name__}") from error
        except duckdb.Error as error:
            reason = documents.short(" ".join(str(error).split()), 160)
            reason = f"this is no CSV, or is cut off ({reason})"
            raise documents.refusal(name, reason) from None


def _load(connection, file, header):
    """Bring the columns that are needed into the database, and tell what each mutation is."""
    columns = ", ".join(f"{_text(column)}: 'VARCHAR'" for column in header)
    packed = "gzip" if _begins(file, len(GZIP)) == GZIP else "none"
    source = (
        f"read_csv({_text(str(file))}, columns = {{{columns}}}, header = true, delim = ',', "
        f"quote = '\"', escape = '\"', auto_detect = false, compression = '{packed}')"
    )
    fields = ", ".join(f"nullif(trim({column}), '') AS {column}" for column in NEEDED)
    connection.execute(NUMBER)
    connection.execute(ROWS.format(fields=fields, file=source))
    connection.execute(MUTATIONS)


def _lost(connection) -> dict[tuple[str, str, bool], int]:
    """Count the mutations with a flat that are left out, by column, reason and dropped."""
    states = connection.execute("SELECT state, count(*) FROM mutations GROUP BY state").fetchall()
    return {(state, REASONS[state], True): count for state, count in states if state != "kept"}


def _write(batches, path, lost):
    """Check the sales batch by batch and write the shard; `lost` grows by what they lose."""
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {table.TEXT: pa.string(), table.NUMBER: pa.float64()}
    time = pa.timestamp("us", "UTC")
    schema = pa.schema({name: kinds.get(kind, time) for name, kind in table.COLUMNS.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:
        with parquet.ParquetWriter(part, schema, compression="zstd") as writer:
            for batch in batches:
                rows = table.finish(batch.to_pandas())
                for problem in table.problems(rows):
                    key = (problem["column"], problem["reason"], problem["dropped"])
                    lost[key] = lost.get(key, 0) + 1
                writer.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))
            counts = [[*key, count] for key, count in sorted(lost.items())]
            writer.add_key_value_metadata({COUNTS: json.dumps(counts)})
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _problems(paths) -> Problems:
    """Give what the shards lack, one entry per column and reason."""
    from pyarrow import parquet

    lost: dict[tuple[str, str, bool], int] = {}
    for path in paths:
        for column, reason, dropped, count in json.loads(
            parquet.read_metadata(path).metadata[COUNTS]
        ):
            key = (column, reason, dropped)
            lost[key] = lost.get(key, 0) + count
    problems = Problems()
    for (column, reason, dropped), count in lost.items():
        problems.add("geo-DVF", column, f"{count:,} times", reason, dropped=dropped)
        problems[-1]["count"] = count
    return problems


def _header(file, name):
    """Give the names of the columns, from the first line."""
    if documents.is_web_page(_begins(file, 200)):
        raise documents.refusal(name, "this is a web page, not CSV")
    unpack = gzip.open if _begins(file, len(GZIP)) == GZIP else open
    try:
        with unpack(file, "rb") as stream:
            text = stream.readline(MAX_LINE).decode("utf-8-sig")
        header = next(csv.reader([text], strict=True), [])
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise documents.refusal(name, f"this is no CSV, or is cut off ({error!s:.80})") from None
    if len({column.casefold() for column in header}) < len(header):
        raise documents.refusal(name, "two of its columns have the same name")
    missing = [column for column in NEEDED if column not in header]
    if missing:
        raise documents.refusal(name, f"this is not geo-DVF, it lacks {', '.join(missing)}")
    return header


def _begins(file, count):
    with file.open("rb") as stream:
        return stream.read(count)


def _text(value):
    """Give a text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def _departement(code):
    code = code.strip().upper()
    code = code.zfill(2) if code.isdecimal() else code
    if code in WITHOUT:
        raise SourceError(f"Département {code} is not in DVF: choose others.")
    if not DEPARTEMENT.fullmatch(code):
        raise SourceError(f"{code!r:.20} is no département: give a code like 75, 2A or 971.")
    return code


def _today(day):
    return day or datetime.now(UTC).date()


def main(
    departements_: Annotated[
        str | None, typer.Option("--departements", help=f"Codes like 75,92; default: {SETTING}.")
    ] = None,
    first: Annotated[int | None, typer.Option(help="First year; default: all there are.")] = None,
) -> None:
    """Bring the shards of some départements, and say what they hold."""
    codes = departements(departements_) if departements_ else chosen()
    wanted = [year for year in years() if first is None or year >= first]
    for path in fetch(shards(codes, wanted)):
        with connect() as connection:
            held = relation(connection, [path]).aggregate("count(*), min(sold_on), max(sold_on)")
            ((count, first_day, last_day),) = held.to_arrow_table().to_pandas().to_numpy()
        console.say(f"{path}: {count:,} sales from {first_day:%Y-%m-%d} to {last_day:%Y-%m-%d}")


if __name__ == "__main__":
    console.run(main)
