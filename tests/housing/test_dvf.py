"""Sales of single flats, and no others, are read from geo-DVF, shard by shard."""

import csv
import gzip
import io
import logging
import os
from datetime import date, datetime

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fti.errors import SourceError, SourceUnreachable
from housing import table
from housing.feeds import dvf

FAST = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
TODAY = date(2026, 11, 21)
LOTS = [f"lot{n}_{what}" for n in range(1, 6) for what in ("numero", "surface_carrez")]
# The header as the publisher writes it.
HEADER = (
    "id_mutation,date_mutation,numero_disposition,nature_mutation,valeur_fonciere,adresse_numero,"
    "adresse_suffixe,adresse_nom_voie,adresse_code_voie,code_postal,code_commune,nom_commune,"
    "code_departement,ancien_code_commune,ancien_nom_commune,id_parcelle,ancien_id_parcelle,"
    f"numero_volume,{','.join(LOTS)},nombre_lots,code_type_local,type_local,surface_reelle_bati,"
    "nombre_pieces_principales,code_nature_culture,nature_culture,code_nature_culture_speciale,"
    "nature_culture_speciale,surface_terrain,longitude,latitude"
)
COLUMNS = HEADER.split(",")


def flat(number=1, **changes):
    """Give a row of a flat sold by itself, as the publisher writes it."""
    row = dict.fromkeys(COLUMNS, "")
    row |= {
        "id_mutation": f"2023-{number}",
        "date_mutation": f"2023-03-{number % 28 + 1:02}",
        "numero_disposition": "000001",
        "nature_mutation": "Vente",
        "valeur_fonciere": "512000",
        "adresse_numero": "12",
        "adresse_suffixe": "B",
        "adresse_nom_voie": "RUE OBERKAMPF",
        "code_postal": "75011",
        "nom_commune": "Paris 11e Arrondissement",
        "id_parcelle": f"75111000AB{number:04}",
        "lot1_numero": "7",
        "nombre_lots": "1",
        "code_type_local": "2",
        "type_local": "Appartement",
        "surface_reelle_bati": "48",
        "nombre_pieces_principales": "2",
        "longitude": "2.3691",
        "latitude": "48.8655",
    }
    return row | changes


def cellar(number=1, **changes):
    """Give a row of a dependency sold with it."""
    row = flat(number, type_local="Dépendance", code_type_local="3", lot1_numero="31")
    return row | {"surface_reelle_bati": "", "nombre_pieces_principales": "0"} | changes


def written(rows, columns=COLUMNS, pack=True):
    """Give the file as it is sent."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    data = text.getvalue().encode()
    return gzip.compress(data, mtime=0) if pack else data


@pytest.fixture
def read(tmp_path):
    """Give what a file becomes: the table, with what it lacks in words."""

    def read(data):
        path, shard = tmp_path / "sales.csv.gz", tmp_path / "shard.parquet"
        path.write_bytes(data)
        shard.unlink(missing_ok=True)
        try:
            dvf.convert(path, shard, "75.csv.gz", memory_limit="200MB")
        except SourceError as error:
            assert not shard.exists()
            return str(error)
        rows = pd.read_parquet(shard)
        assert list(rows) == list(table.COLUMNS)
        table.schema().validate(rows.astype(table.COLUMNS))
        rows.attrs["lost"] = {p["reason"]: p["value"] for p in dvf._problems([shard])}
        return rows

    return read


def test_a_flat_becomes_a_sale(read):
    (row,) = read(written([flat()])).to_dict("records")
    assert row.pop("sale_id").startswith("dvf:")
    expected = {
        "sold_on": pd.Timestamp("2023-03-02", tz="UTC"),
        "price": 512_000.0,
        "currency": "EUR",
        "address": "12 B RUE OBERKAMPF",
        "street": "rue oberkampf",
        "number": "12b",
        "municipality": "paris",
        "district": "paris 11e arrondissement",
        "living_area_m2": 48.0,
        "extra_area_m2": 0.0,
        "rooms": 2.0,
        "association": "unknown",
        "agency": "unknown",
        "latitude": 48.8655,
        "longitude": 2.3691,
        "source": "dvf",
    }
    assert {name: value for name, value in row.items() if value == value} == expected


def test_elsewhere_the_postcode_is_the_district(read):
    (row,) = read(written([flat(nom_commune="Saint-Ouen-sur-Seine", code_postal="93400")])).to_dict(
        "records"
    )
    assert (row["municipality"], row["district"]) == ("saint-ouen-sur-seine", "93400")


def test_dependencies_may_be_sold_with_the_flat_and_nothing_else(read):
    rows = [
        *(flat(1), cellar(1), cellar(1, lot1_numero="32")),
        *(flat(2), flat(2, surface_reelle_bati="20")),
        *(flat(3), cellar(3, type_local="Local industriel. commercial ou assimilé")),
        *(flat(4), flat(4, type_local="")),  # a plot
        *(cellar(5), flat(6, type_local="Maison")),
        flat(7, nature_mutation="Vente en l'état futur d'achèvement"),
        *(flat(8), cellar(8, nature_mutation="Echange")),
        flat(9, valeur_fonciere=""),
        *(flat(10), cellar(10, valeur_fonciere="9000")),
        *(flat(11), cellar(11, valeur_fonciere="")),
        flat(12, surface_reelle_bati="0"),
        flat(13, surface_reelle_bati=""),
        flat(14, valeur_fonciere="1"),
    ]
    kept = read(written(rows))
    assert kept["sold_on"].dt.day.tolist() == [2, 12]
    assert kept.attrs["lost"] == {
        "more than the flat and its dependencies was sold": "3 times",
        "the flat was not simply sold": "2 times",
        "the sale has no price, or several": "2 times",
        table.RANGES["living_area_m2"].why: "1 times",
        "it is missing": "1 times",
        table.PRICES["EUR"].why: "1 times",
    }


def test_a_sale_keeps_its_identity_in_the_next_edition(read):
    """`id_mutation` is counted anew for each edition."""
    first = read(written([flat(1), flat(2), flat(3)]))
    rows = [flat(9, date_mutation="2023-03-01"), flat(3), flat(2), flat(1)]
    later = read(written([row | {"id_mutation": f"2023-{n}"} for n, row in enumerate(rows)]))
    assert set(first["sale_id"]) < set(later["sale_id"])


def test_two_flats_alike_are_two_sales(read):
    kept = read(
        written([flat(1), flat(2, id_parcelle=flat(1)["id_parcelle"], date_mutation="2023-03-02")])
    )
    assert kept["sale_id"].nunique() == 2


def whole():
    return [flat(1), cellar(1), flat(2), flat(3, latitude="", longitude=""), flat(4)]


@FAST
@given(data=st.data())
def test_columns_may_be_in_any_order_and_more(read, data):
    more = data.draw(st.lists(st.sampled_from(["x y", "l'été", "Zone", "select"]), unique=True))
    columns = data.draw(st.permutations([*COLUMNS, *more]))
    kept = read(written([row | dict.fromkeys(more, 'a, "b"') for row in whole()], columns))
    pd.testing.assert_frame_equal(kept, read(written(whole())))


@FAST
@given(order=st.permutations(whole()))
def test_rows_may_be_in_any_order(read, order):
    pd.testing.assert_frame_equal(read(written(order)), read(written(whole())))


def test_a_file_that_came_unpacked_is_read_as_well(read):
    pd.testing.assert_frame_equal(read(written(whole(), pack=False)), read(written(whole())))


@FAST
@given(data=st.data())
def test_any_value_may_be_missing_or_odd(read, data):
    rows = whole()
    for _ in range(data.draw(st.integers(1, 3))):
        row, column = data.draw(st.sampled_from(rows)), data.draw(st.sampled_from(dvf.NEEDED))
        odd = st.sampled_from(
            ["", " ", "nan", "inf", "-1", "1e400", "0", "NULL", "2023-02-30", "é"]
        )
        row[column] = data.draw(odd | st.text(max_size=8).filter(lambda text: "\0" not in text))
    kept = read(written(rows)) if encodable(rows) else None
    assert kept is None or isinstance(kept, pd.DataFrame | str)
    if isinstance(kept, str):
        assert kept.startswith("75.csv.gz: ") and "\n" not in kept


def encodable(rows):
    try:
        written(rows)
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


@pytest.mark.parametrize(
    ("column", "text", "ours", "value"),
    [
        ("valeur_fonciere", "512000,50", "price", 512_000.5),
        ("surface_reelle_bati", "48,5", "living_area_m2", 48.5),
        ("latitude", "48,8655", "latitude", 48.8655),
        ("adresse_numero", "12.0", "number", "12b"),
        ("adresse_numero", "", "number", "unknown"),
        ("adresse_nom_voie", "", "street", "unknown"),
    ],
)
def test_numbers_may_have_a_comma_and_texts_be_missing(read, column, text, ours, value):
    assert read(written([flat(**{column: text})]))[ours].tolist() == [value]


@pytest.mark.parametrize("column", ["nombre_pieces_principales", "latitude", "longitude"])
def test_an_unknown_number_is_nan(read, column):
    ours = {"nombre_pieces_principales": "rooms"}.get(column, column)
    assert read(written([flat(**{column: "nan"})]))[ours].isna().all()


@FAST
@given(data=st.data())
def test_a_file_that_was_cut_off_is_refused(read, data):
    packed = written(whole())
    cut = data.draw(st.integers(0, len(packed) - 1))
    said = read(packed[:cut])
    assert isinstance(said, str) and said.startswith("75.csv.gz: ")


@FAST
@given(junk=st.binary(max_size=300))
def test_random_bytes_are_refused(read, junk):
    assert read(junk).startswith("75.csv.gz: ")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<!DOCTYPE html><html>Not found</html>", "this is a web page, not CSV"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "this is not geo-DVF, it lacks id_mutation"),
        (written(whole(), [*COLUMNS, "LATITUDE"]), "two of its columns have the same name"),
        (written(whole(), pack=False) + b"2023-9,2023-01-01\n", "cut off"),
        (written(whole(), pack=False).replace(b"RUE", b"\xff\xfe"), "cut off"),
    ],
    ids=["web page", "other columns", "a column twice", "cut off", "no text"],
)
def test_what_is_not_geo_dvf_is_said(read, data, said):
    assert said in read(data)


def test_a_file_without_flats_is_an_empty_shard(read):
    assert read(written([])).empty
    assert read(written([cellar()])).empty


@pytest.fixture
def etalab(service, monkeypatch):
    """The publisher's server, with the years 2022 and 2025 of Paris."""
    monkeypatch.setattr(dvf, "URL", service.address + "/{year}/{departement}.csv.gz")
    for year in (2022, 2025):
        rows = [row | {"date_mutation": f"{year}{row['date_mutation'][4:]}"} for row in whole()]
        service.answer(f"/{year}/75.csv.gz", written(rows))
    return service


def asked(etalab):
    return [request.path for request in etalab.asked]


def test_a_shard_of_an_earlier_year_is_fetched_once(etalab):
    paths = [dvf.shard("75", 2022, TODAY, retries=0) for _ in range(2)]
    assert paths[0] == dvf.folder() / "2022" / "75.parquet" and paths[0].exists()
    assert asked(etalab) == ["/2022/75.csv.gz"]
    assert sorted(path.name for path in dvf.folder().rglob("*") if path.is_file()) == ["75.parquet"]


def test_a_shard_of_the_last_years_is_fetched_again_when_a_newer_edition_is_there(etalab):
    path = dvf.shard("75", 2025, TODAY, retries=0)
    before = path.read_bytes()
    os.utime(path, (moment := datetime(2026, 10, 1).timestamp(), moment))
    etalab.answer("/2025/75.csv.gz", status=304)
    dvf.shard("75", 2025, TODAY, retries=0)
    assert etalab.asked[-1].headers["If-Modified-Since"]
    assert path.read_bytes() == before
    etalab.answer("/2025/75.csv.gz", written([flat(date_mutation="2025-05-05")]))
    dvf.shard("75", 2025, TODAY, retries=0)
    assert len(pd.read_parquet(path)) == 1


def test_a_shard_that_is_there_is_used_when_the_server_is_down(etalab, caplog):
    path = dvf.shard("75", 2025, TODAY, retries=0)
    etalab.answer("/2025/75.csv.gz", status=503)
    with caplog.at_level(logging.WARNING):
        assert dvf.shard("75", 2025, TODAY, retries=0) == path
    assert "out of service for now (status 503): try again later. Using the shard of" in caplog.text


def test_a_new_edition_that_is_damaged_leaves_the_shard_that_was_there(etalab):
    path = dvf.shard("75", 2025, TODAY, retries=0)
    etalab.answer("/2025/75.csv.gz", written(whole())[:-20])
    with pytest.raises(SourceError, match=r"/2025/75\.csv\.gz: this is no CSV, or is cut off"):
        dvf.shard("75", 2025, TODAY, retries=0)
    assert len(pd.read_parquet(path)) == 4


def test_sales_of_several_shards_are_one_table_by_day(etalab):
    sales = dvf.sales(["75"], [2025, 2022], TODAY, retries=0)
    assert sales.dtypes.astype(str).to_dict() == table.COLUMNS
    assert sales["sold_on"].is_monotonic_increasing
    assert sales["sold_on"].dt.year.value_counts().to_dict() == {2022: 4, 2025: 4}
    assert sales["sale_id"].is_unique
    assert table.problems(sales) == []


def test_more_than_memory_holds_is_read_as_a_relation(etalab):
    paths = dvf.fetch(dvf.shards(["75"], [2022, 2025]), TODAY, retries=0)
    with dvf.connect("200MB") as connection:
        sales = dvf.relation(connection, paths)
        assert sales.filter("price > 0").aggregate("count(*)").fetchall() == [(8,)]


def test_years_that_are_not_published_are_left_out(etalab, monkeypatch):
    rows = [row | {"date_mutation": "2024-01-01"} for row in whole()]
    for year in (2023, 2024):
        etalab.answer(f"/{year}/75.csv.gz", written(rows[: year - 2020]))
    monkeypatch.setenv("HOUSING_DEPARTEMENT", "75")
    assert dvf.years(TODAY) == [2021, 2022, 2023, 2024, 2025, 2026]
    paths = dvf.fetch(dvf.shards(dvf.chosen(), dvf.years(TODAY)), TODAY, retries=0)
    assert [path.parent.name for path in paths] == ["2022", "2023", "2024", "2025"]


def test_a_year_that_should_be_there_is_missed(etalab):
    with pytest.raises(SourceUnreachable, match=r"2023/75.csv.gz answers with status 404"):
        dvf.sales(["75"], [2022, 2023], TODAY, retries=0)
    with pytest.raises(SourceUnreachable, match="built-in sample"):
        dvf.sales(["75"], [2021, 2026], TODAY, retries=0)


def test_the_chosen_departement_is_read(etalab, monkeypatch):
    monkeypatch.setattr(dvf, "years", lambda day: [2022])
    assert len(dvf.read(TODAY)) == 4
    monkeypatch.setenv("HOUSING_DEPARTEMENT", "2a")
    with pytest.raises(SourceUnreachable, match=r"2022/2A.csv.gz"):
        dvf.read(TODAY)


def test_departements_are_codes():
    assert dvf.departements("75, 2a;1 971,75") == ["75", "2A", "01", "971"]
    assert dvf.shards(["1"], [2022]) == [("01", 2022)]
    for text, said in (("67", "not in DVF"), ("99", "is no département"), ("", "is empty")):
        with pytest.raises(SourceError, match=said):
            dvf.departements(text)
    with pytest.raises(SourceError, match="is no département"):
        dvf.shard("../75", 2022)


def test_the_command_says_what_the_shards_hold(etalab, monkeypatch, capsys):
    monkeypatch.setattr(dvf, "years", lambda: [2021, 2022])
    dvf.main("75", first=2022)
    assert "75.parquet: 4 sales from 2022-03-02 to 2022-03-05" in capsys.readouterr().out
