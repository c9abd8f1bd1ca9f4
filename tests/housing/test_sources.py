"""A source is recognised by its header, and every cell of it is read or reported."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fti import quality
from fti.errors import SourceError
from housing import sources, table

ROOT = Path(__file__).parents[2]
COURSE = (
    "adress,fee,features,sale_price,sold_date,value_dev,ppsqm,district,size,rooms,floor,"
    "Latitude,Longitude,NearbyPOIs\n"
)
LISTINGS = "adress,location,size:rooms,fee,features,sale_price,sold_date,value_dev,ppsqm,district\n"
SEED = (
    "link;area;streetName;number;sqm;rooms;Slutpris;Utropspris;Prisutveckling;"
    "Såld eller borttagen;Slutpris/m²;Dagar på Booli;Avgift;Bostadstyp;Driftskostnad;Våning;"
    "Byggår;BRF;brfLink;Energiklass;agency\n"
)


@pytest.fixture(scope="module")
def course(shared):
    """The table of the course."""
    return sources.read(str(shared / "stockholm_sales.csv"))


@pytest.fixture(scope="module")
def texts(shared):
    """The course's listing texts."""
    return sources.read(str(shared / "stockholm_sales_raw.csv"))


def parse(text, name="sales.csv"):
    return sources.parse(text.encode(), name)


def told(sales):
    return {(p["row"], p["column"], p["dropped"]) for p in table.problems(sales)}


# The course's table -------------------------------------------------------------------------------


def test_the_table_of_the_course_is_read():
    sales = parse(
        COURSE
        + "sveavägen 4 b,2961,3.0,6200000, 13 oktober 2021,±0,108772,norrmalm,57,2,4.0,59.339,"
        + "18.062,9.0\nparkvägen 23,2152,,3100000, 12 oktober 2021,12,68889,solna,45,2,,,,\n"
    )
    second, first = sales.to_dict("records")
    assert (first["street"], first["number"], first["floor"]) == ("sveavägen", "4b", 4.0)
    assert (first["balcony"], first["elevator"], first["pois_nearby"]) == (1.0, 1.0, 9.0)
    assert (first["municipality"], second["municipality"]) == ("stockholm", "solna")
    assert (second["balcony"], second["elevator"]) == (0.0, 0.0)
    assert np.isnan(second["latitude"])
    assert (first["price"], first["fee"], first["source"]) == (6.2e6, 2961.0, "csv")
    assert not told(sales)
    quality.check(sales, table.schema(), "sales")


def test_damage_in_the_table_of_the_course_is_told():
    sales = parse(
        COURSE
        + "a-gatan 1,1000,2,4500000, 4 augusti 2021,1,115385,vasastan,39,1,1702.0,59.3,18.0,9.0\n"
        + "b-gatan 65a 1,1000,2,4500000, 4 augusti 2021,1,115385,vasastan,39,1,5.0,59.3,18.0,9.0\n"
        + "c-gatan 3,1000,9,4500000, 4 augusti 2021,1,115385,vasastan,39,1,,55.6,13.0,9.0\n"
        + "d-gatan 3,1000,2,4500000,i går,1,115385,vasastan,39,1,,59.3,18.0,9.0\n"
        + "e-gatan 3,1000,2,4500000, 4 augusti 2021,1,99999,vasastan,39,1,,59.3,18.0,9.0\n"
        + "f-gatan 3,1000,2,, 4 augusti 2021,1,99999,vasastan,39,1,,59.3,18.0,9.0\n"
        + "g-gatan 3,1000,2\n"
    )
    assert told(sales) == {
        (1, "floor", False), (2, "floor", False), (3, "balcony", False), (3, "elevator", False),
        (3, "latitude", False), (4, "sold_on", True),
        (5, "price_per_m2", True), (6, "price", True), (7, "row", True),
    }  # fmt: skip
    assert len(sales) == 3
    assert sales["longitude"].isna().sum() == 1


def test_a_later_table_may_have_halves_extras_and_fewer_columns():
    sales = parse(
        "adress,sale_price,sold_date,size,rooms\n"
        'sveavägen 4,6200000, 13 oktober 2026,57.5,"2,5"\n'
        "sveavägen 5,6200000, 14 oktober 2026,103 + 15 m²,2\n"
    )
    assert sales[["living_area_m2", "extra_area_m2", "rooms"]].to_numpy().tolist() == [
        [57.5, 0.0, 2.5], [103.0, 15.0, 2.0],
    ]  # fmt: skip


def test_all_of_the_courses_table_is_read(course):
    quality.check(course, table.schema(), "sales")
    assert len(course) == 8_639
    lost = [problem for problem in table.problems(course) if problem["dropped"]]
    assert {problem["reason"] for problem in lost} == {"the same row is there already"}
    assert len(lost) == 18
    assert course["latitude"].between(59.22, 59.45).sum() == 8_552
    assert course["balcony"].notna().all()
    assert course["floor"].max() == 31


# The course's listing texts -----------------------------------------------------------------------


def test_cells_that_slid_are_found_by_what_they_say():
    sales = parse(
        LISTINGS + '"a-gatan 29, 5 tr","vasastan, stockholms kommun",27 m²   2 rum,1 696 kr/mån,'
        "balkong&hiss,hiss,slutpris 4 430 000 kr,såld 8 december 2021,+20 %,vasastan\n"
        '"b-gatan 3","östermalm, stockholms kommun",36 m²   1 rum,slutpris 5 850 000 kr,null,'
        "såld 9 september 2021,+77 %,null,162 500 kr/m²,ostermalm\n"
        '"c-gatan 12","vasastan, stockholms kommun",76 + 11 m²   2 rum,balkong,hiss,'
        "slutpris 11 000 000 kr,såld 1 februari 2021,±0 %,144 737 kr/m²,vasastan\n"
        '"d-gatan 4","råsunda, solna kommun",41 m²  ,nyproduktion,balkong,sista bud 3 600 000 kr,'
        "såld 12 juli 2021,±0 %,87 805 kr/m²,solna\n"
    )
    found = sales.sort_values("street").set_index("street")
    assert found["price"].tolist() == [4.43e6, 5.85e6, 11e6, 3.6e6]
    assert found["fee"].fillna(-1).tolist() == [1696.0, -1.0, -1.0, -1.0]
    assert found["elevator"].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert found["balcony"].tolist() == [1.0, 0.0, 1.0, 1.0]
    assert found["extra_area_m2"].tolist() == [0.0, 0.0, 11.0, 0.0]
    assert found["municipality"].tolist() == ["stockholm"] * 3 + ["solna"]
    assert not told(sales)


def test_listings_that_are_no_flats_or_say_too_little_are_told():
    sales = parse(
        LISTINGS + '"a-gatan 1","solna, solna kommun",123 m²   4 rum,115 m² tomt,balkong,uteplats,'
        "slutpris 8 030 000 kr,såld 3 december 2021,+1 %,solna\n"
        '"b-gatan 1","norrmalm, stockholms kommun",  10 rum,1 000 kr/mån,null,'
        "slutpris 3 000 000 kr,såld 3 februari 2014,null,±0 %,norrmalm\n"
        ",,,,,,,,,solna\n"
        '"c-gatan 1, 1 / 2 tr","norrmalm, stockholms kommun",30 m²   1 rum,1 000 kr/mån,bastu,'
        "slutpris 3 000 000 kr,såld 3 februari 2014,null,±0 %,norrmalm\n"
        '"d-gatan 1","norrmalm, stockholms kommun",30 m²   1 rum,1 000 kr/mån,hiss,'
        "slutpris 3 000 000 kr,såld 3 februari 2014,slutpris 4 000 000 kr,±0 %,norrmalm\n"
    )
    assert told(sales) == {
        (1, "kind", True), (2, "living_area_m2", True), (3, "row", True), (4, "floor", False),
        (4, "features", False), (5, "price", True),
    }  # fmt: skip
    assert len(sales) == 1


def test_all_of_the_courses_listing_texts_are_read_or_told(texts):
    quality.check(texts, table.schema(), "sales")
    lost = [problem for problem in table.problems(texts) if problem["dropped"]]
    assert len(texts) == 11_309
    assert len({problem["row"] for problem in lost}) == 11_351 - len(texts)
    assert {problem["column"] for problem in lost} == {"kind", "living_area_m2", "row"}


def test_the_two_tables_of_the_course_agree(course, texts):
    both = course.merge(texts, on="sale_id")
    assert len(both) > 8_500
    for column in ("price", "living_area_m2", "rooms", "fee", "balcony", "elevator"):
        same = both[f"{column}_x"] == both[f"{column}_y"]
        assert same.mean() > 0.985, column
    assert (both["municipality_x"] == both["municipality_y"]).all()


# Other tables -------------------------------------------------------------------------------------


def test_the_raw_columns_of_the_seed_are_read():
    sales = parse(
        SEED + "0-https://www.booli.se/annons/1;Vasastan;Tranbärsgatan;12;42;2;4 430 000 kr;"
        "4 200 000 kr;+5 %;2021-10-13;105 476 kr/m²;12;2 391 kr/mån;Lägenhet;6 000 kr/år;½ tr;1929;"
        "Brf Tranan;/brf/1;D;Notar\n"
        "1-https://www.booli.se/annons/1;Vasastan;Adresssaknas;;42;2;;;;2012-10-13;;;;Lägenhet;;BV;;"
        ";;;\n"
        "0-https://www.booli.se/annons/2;Solna;Parken;3;150;5;9 430 000 kr;;;2021-10-13;;;;Villa;"
        ";;;;;;\n"
    )
    (sale,) = sales.to_dict("records")
    assert (sale["street"], sale["number"], sale["address"]) == (
        "tranbärsgatan", "12", "Tranbärsgatan 12",
    )  # fmt: skip
    assert (sale["floor"], sale["running_cost"], sale["year_built"]) == (0.5, 500.0, 1929.0)
    assert (sale["association"], sale["agency"]) == ("Brf Tranan", "Notar")
    assert told(sales) == {(2, "price", True), (3, "kind", True)}


def test_a_table_of_ours_comes_back_as_it_was(tmp_path):
    sales = sources.read("sample", date=date(2024, 5, 7)).tail(300).reset_index(drop=True)
    sales.attrs = {}
    sales.to_csv(tmp_path / "sales.csv", index=False)
    sales.to_parquet(tmp_path / "sales.parquet", index=False)
    for name in ("sales.csv", "sales.parquet"):
        back = sources.read(str(tmp_path / name))
        back.attrs = {}
        pd.testing.assert_frame_equal(back, sales)


def test_a_folder_has_each_sale_once_and_the_macro_series_are_not_sales(tmp_path):
    row = "sveavägen 4 b,6200000, 13 oktober 2021,57\n"
    header = "adress,sale_price,sold_date,size\n"
    (tmp_path / "a.csv").write_text(header + row, encoding="utf-8")
    (tmp_path / "b.csv").write_text(
        header + row + "x-gatan 5,6200000, 13 oktober 2021,0\n", encoding="utf-8"
    )
    (tmp_path / "historicalGDP.csv").write_text("date;value\n2021-01-01;5\n")
    sales = sources.read(str(tmp_path))
    assert len(sales) == 1
    assert {problem["row"] for problem in table.problems(sales)} == {"b.csv:2"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("Bostad;Pris\nx;1\n", r"no known table has its columns 'Bostad', 'Pris'; .* sales\.toml"),
        ("<html></html>", "web page"),
        ("adress,sale_price,sold_date,size\n", "no rows"),
        ("", "no rows"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ('adress,sale_price\n"x', "line 2 is not CSV"),
        ("adress,sale_price,sold_date,size\nx 1,mycket,i går,0\n", "none of its rows can be used"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_in_a_sentence(data, said):
    with pytest.raises(SourceError, match=said) as caught:
        parse(data)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_utf8_names_the_line():
    data = (COURSE + "sveavägen 4").encode("latin-1")
    with pytest.raises(SourceError, match="line 2 is not UTF-8"):
        sources.parse(data, "sales.csv")


def test_a_parquet_file_that_is_none_is_refused():
    with pytest.raises(SourceError, match="not a Parquet file"):
        sources.parse(b"PAR1 and more", "sales.parquet")


def test_a_folder_without_sales_and_a_file_that_is_not_there_are_told(tmp_path):
    with pytest.raises(SourceError, match=r"none of \.csv"):
        sources.read(str(tmp_path))
    with pytest.raises(SourceError, match="no such file"):
        sources.read(str(tmp_path / "sales.csv"))


def test_the_sample_has_sales_up_to_the_day_and_flats_for_sale():
    sales = sources.read("sample", date=date(2024, 5, 7))
    quality.check(sales, table.schema(), "sales")
    assert table.sold(sales)["sold_on"].max() == pd.Timestamp("2024-05-07", tz="UTC")
    assert 100 < len(table.for_sale(sales)) < 500
    assert 12_000 < len(sales) < 15_000


def test_the_setting_names_the_source_and_the_web_is_the_default(monkeypatch):
    assert sources.chosen() == "web"
    monkeypatch.setenv("HOUSING_SOURCE", "sample")
    assert sources.chosen() == "sample"
    assert sources.chosen("a.csv") == "a.csv"


def test_the_command_shows_what_a_source_holds(tmp_path):
    (tmp_path / "sales.csv").write_text(
        COURSE
        + "a-gatan 1,1000,2,4500000, 4 augusti 2021,1,115385,vasastan,39,1,1702,59.3,18.0,9\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "housing.sources", "--source", str(tmp_path / "sales.csv")],
        capture_output=True, text=True, check=True, cwd=ROOT, encoding="utf-8",
    )  # fmt: skip
    assert "1 sales and 0 listings, 2021-08-04 to 2021-08-04" in done.stdout
    assert "1702" in done.stdout


def test_departements_can_be_named_by_the_source():
    with pytest.raises(SourceError, match="99"):
        sources.read("dvf:75,99")
