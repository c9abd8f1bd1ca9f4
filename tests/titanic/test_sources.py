import math
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti.errors import SourceError, UserError
from titanic import features, sources

HEADER = "PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked"
JOHN = '1,0,3,"Doe, Mr. John",male,22,1,0,A/5 21171,7.25,,S'
JANE = '2,1,1,"Doe, Mrs. John (Jane ""J"" Roe)",female,,1,0,PC 17599,,C85,'
DTYPES = {
    **dict.fromkeys(("passenger_id", "survived", "pclass"), "int64"),
    **dict.fromkeys(("name", "sex"), "object"),
    "age": "float64",
    **dict.fromkeys(("sibsp", "parch"), "int64"),
    "ticket": "object",
    "fare": "float64",
    **dict.fromkeys(("cabin", "embarked"), "object"),
}
COURSE_CSV = Path(__file__).parents[3] / "shared" / "data" / "titanic" / "titanic.csv"


def csv(*rows, header=HEADER, end="\n"):
    return (end.join((header, *rows)) + end).encode()


def refusal(data):
    with pytest.raises(SourceError) as caught:
        sources.parse(data, "people.csv")
    message = str(caught.value)
    assert message.startswith("people.csv: ")
    assert message.endswith("; correct the file or use the built-in sample with --source sample.")
    return message


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The address of a web server that shows the files of `tmp_path`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_csv_becomes_the_raw_table():
    table = sources.parse(csv(JOHN, JANE), "people.csv")
    expected = pd.DataFrame(
        {
            "passenger_id": [1, 2],
            "survived": [0, 1],
            "pclass": [3, 1],
            "name": ["Doe, Mr. John", 'Doe, Mrs. John (Jane "J" Roe)'],
            "sex": ["male", "female"],
            "age": [22.0, math.nan],
            "sibsp": [1, 1],
            "parch": [0, 0],
            "ticket": ["A/5 21171", "PC 17599"],
            "fare": [7.25, math.nan],
            "cabin": [None, "C85"],
            "embarked": ["S", None],
        }
    )
    pd.testing.assert_frame_equal(table, expected)
    assert table.dtypes.astype(str).to_dict() == DTYPES


@pytest.mark.parametrize(
    "data",
    [
        csv(JOHN, JANE, end="\r\n"),
        csv(JOHN, JANE, end="\r"),
        b"\xef\xbb\xbf" + csv(JOHN, JANE),
        csv(JOHN, JANE).rstrip(),
        csv(JOHN, "", JANE, ""),
        csv(JOHN, JANE, header=HEADER.upper()),
        csv(JOHN, JANE, header=HEADER.replace(",", " , ")),
        csv(f"{JOHN},x", f"{JANE},y", header=f"{HEADER},Boat"),
        csv(JOHN.replace("male", "Male").replace("22", "22.0"), JANE.replace(",,C85", ",NaN,C85")),
    ],
    ids=["crlf", "cr", "bom", "no-last-newline", "blank", "case", "spaces", "extra", "dialect"],
)
def test_the_same_table_in_another_dress_is_read_alike(data):
    pd.testing.assert_frame_equal(
        sources.parse(data, "dressed"), sources.parse(csv(JOHN, JANE), "plain")
    )


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("22", "abc", "line 2: Age is 'abc', expected 0 to 100 (years) or nothing"),
        ("22", "-1", "line 2: Age is '-1'"),
        ("22", "inf", "line 2: Age is 'inf'"),
        ("1,0,3", "1,2,3", "line 2: Survived is '2', expected 0 or 1"),
        ("1,0,3", "1,,3", "line 2: Survived is ''"),
        ("1,0,3", "1,0,4", "line 2: Pclass is '4', expected 1, 2 or 3"),
        ("1,0,3", "1,0,2.5", "line 2: Pclass is '2.5'"),
        ("1,0,3", "99999999999999999999,0,3", "line 2: PassengerId is '99999999999999999999'"),
        ("1,0,3", f"{'9' * 5000},0,3", f"line 2: PassengerId is '{'9' * 40}...'"),
        ("male", "man", "line 2: Sex is 'man', expected male or female"),
        ("7.25", "-7.25", "line 2: Fare is '-7.25'"),
        (",S", ",X", "line 2: Embarked is 'X', expected S, C, Q or nothing"),
        ('"Doe, Mr. John"', "", "line 2: Name is '', expected a name"),
        ("1,0,3", "2,0,3", "line 3: PassengerId is '2', expected another one, as line 2 has it"),
    ],
)
def test_a_bad_value_is_named_with_its_line_and_column(old, new, fault):
    assert fault in refusal(csv(JOHN.replace(old, new, 1), JANE))


def test_many_bad_values_are_counted_and_the_first_three_named():
    rows = [JOHN.replace("1,0,3", f"{n},0,3").replace(",22,", ",old,") for n in range(1, 1001)]
    message = refusal(csv(*rows))
    assert message.count("Age is 'old'") == 3
    assert "; and 997 more;" in message


def test_line_numbers_count_lines_of_the_file():
    split = JOHN.replace("Mr. John", "Mr.\nJohn")
    assert "line 5: Age is 'x'" in refusal(csv(split, "", JANE.replace("female,", "female,x")))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "it has no passengers"),
        (csv(), "it has no passengers"),
        (csv(JOHN, header=HEADER.replace("Age", "Years")), "line 1 has no column Age"),
        (csv("1;2", header="Survived;Age"), "no column PassengerId, Survived, Pclass"),
        (csv(f"{JOHN},1", header=f"{HEADER},age"), "line 1 has more than one column Age"),
        (csv(JOHN.replace('"', "")), "line 2 has 13 values, the header 12; quote names"),
        (csv(JOHN.replace('John"', "John")), "is not CSV"),
        (csv(JOHN) + b'3,0,3,"' + b"x" * 200_000 + b'"', "is not CSV"),
        (b"\n <!DOCTYPE html><html></html>", "this is a web page"),
        (csv(JOHN, JANE.replace("Roe", "Ro\xe9")).decode().encode("latin-1"), "line 3 is not UTF"),
        (csv(JOHN).decode().encode("utf-16"), "line 1 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_table_of_passengers_is_refused(data, fault):
    assert fault in refusal(data)


def parse_or_refuse(data):
    """Whatever comes in: a table, or the one kind of error."""
    try:
        assert len(sources.parse(data, "any")) > 0
    except SourceError as error:
        assert str(error).startswith("any: ")


@given(st.binary(max_size=300))
def test_any_bytes_give_a_table_or_a_source_error(data):
    parse_or_refuse(data)
    parse_or_refuse(csv() + data)


CELLS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["1", "0", "3", "male", "S", "", '"', '"a,b"', "nan", "1e999", "-0", "1_0"]),
)


@given(st.lists(st.lists(CELLS, min_size=11, max_size=13).map(",".join), max_size=4))
def test_any_rows_give_a_table_or_a_source_error(rows):
    parse_or_refuse("\n".join([HEADER, *rows]).encode(errors="replace"))


def numbers(high):
    return st.one_of(st.just(math.nan), st.floats(0, high))


# Python 3.11 writes a lone carriage return without the quotes that it needs.
WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=12
).filter(lambda text: text.strip().lower() not in sources.MISSING)
PASSENGERS = st.fixed_dictionaries(
    {
        "passenger_id": st.integers(0, sources.LARGEST_ID),
        "survived": st.integers(0, 1),
        "pclass": st.integers(1, 3),
        "name": WORDS,
        "sex": st.sampled_from(["male", "female"]),
        "age": numbers(100),
        "sibsp": st.integers(0, 20),
        "parch": st.integers(0, 20),
        "ticket": WORDS,
        "fare": numbers(10_000),
        "cabin": st.none() | WORDS,
        "embarked": st.sampled_from([None, "S", "C", "Q"]),
    }
)


@settings(deadline=None, max_examples=50)
@given(st.lists(PASSENGERS, min_size=1, max_size=6, unique_by=lambda row: row["passenger_id"]))
def test_a_valid_table_survives_being_written_and_read(rows):
    table = pd.DataFrame(rows, columns=list(sources.COLUMNS)).astype(DTYPES)
    table[["cabin", "embarked"]] = table[["cabin", "embarked"]].replace({math.nan: None})
    headers = {name: column.header for name, column in sources.COLUMNS.items()}
    written = table.rename(columns=headers).to_csv(index=False).encode()
    pd.testing.assert_frame_equal(sources.parse(written, "again"), table)


def test_the_argument_wins_over_the_environment_and_that_over_the_web(monkeypatch):
    monkeypatch.setenv("TITANIC_SOURCE", "mine.csv")
    assert sources.chosen("sample") == "sample"
    assert sources.chosen() == "mine.csv"
    monkeypatch.delenv("TITANIC_SOURCE")
    assert sources.chosen() == "web"


def test_the_environment_names_a_file(tmp_path, monkeypatch):
    (tmp_path / "people.csv").write_bytes(csv(JOHN, JANE))
    monkeypatch.setenv("TITANIC_SOURCE", str(tmp_path / "people.csv"))
    assert sources.read()["passenger_id"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("source", "fault"),
    [("none.csv", "there is no such file"), (".", "this is a folder"), ("a\0b", "cannot be read")],
)
def test_a_file_that_cannot_be_read_is_named_with_the_way_out(source, fault):
    with pytest.raises(SourceError, match=f"^{source}: .*{fault}.*--source sample"):
        sources.read(source)


def test_a_csv_is_read_from_the_web_and_kept(site, tmp_path):
    (tmp_path / "people.csv").write_bytes(csv(JOHN, JANE))
    table = sources.read(f"{site}/people.csv?key=1", cache=tmp_path / "cache")
    assert table["ticket"].tolist() == ["A/5 21171", "PC 17599"]
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_course_file_is_looked_for_at_both_its_addresses(site, tmp_path, monkeypatch):
    (tmp_path / "moved.csv").write_bytes(csv(JOHN, JANE))
    monkeypatch.setattr(sources, "COURSE_URLS", (f"{site}/gone.csv", f"{site}/moved.csv"))
    monkeypatch.delenv("TITANIC_SOURCE", raising=False)
    assert len(sources.read()) == 2
    monkeypatch.setattr(sources, "COURSE_URLS", (f"{site}/gone.csv", f"{site}/gone-too.csv"))
    with pytest.raises(SourceError, match=r"gone-too\.csv answers with status 404.*sample"):
        sources.read("web")


def test_a_bad_csv_from_the_web_is_named_without_its_query(site, tmp_path):
    (tmp_path / "people.csv").write_bytes(csv(JOHN.replace("22", "old")))
    with pytest.raises(SourceError, match=r"/people\.csv\?\.\.\.: line 2: Age is 'old'"):
        sources.read(f"{site}/people.csv?key=s3cret")


@pytest.mark.parametrize("source", ["http://127.0.0.1:9/x.csv", "ftp://127.0.0.1/x.csv"])
def test_no_network_leads_to_the_sample(source, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(UserError, match="built-in sample with --source sample"):
        sources.read(source, retries=0)


@pytest.mark.skipif(not COURSE_CSV.exists(), reason="the course's CSV is not beside the repository")
def test_the_course_file_has_its_891_passengers():
    table = sources.read(str(COURSE_CSV))
    assert len(table) == 891
    assert table["survived"].sum() == 342
    assert table[["age", "cabin", "embarked"]].isna().sum().tolist() == [177, 687, 2]


@pytest.fixture(scope="module")
def sample():
    return sources.read("sample")


def test_the_sample_is_the_same_every_time_and_another_with_another_seed(sample):
    pd.testing.assert_frame_equal(sample, sources.sample())
    assert not sample.equals(sources.sample(seed=1))


def test_the_sample_has_the_published_counts(sample):
    group = (sample["age"] < 15).map({True: "child", False: "adult"})
    for (pclass, sex, age), (lost, survived) in sources.COUNTS.items():
        rows = sample[(sample["pclass"] == pclass) & (sample["sex"] == sex) & (group == age)]
        assert rows["survived"].value_counts().reindex([0, 1], fill_value=0).tolist() == [
            lost,
            survived,
        ]
    assert len(sample) == 1316


def test_the_sample_is_a_raw_table_like_any_other(sample):
    assert sample.dtypes.astype(str).to_dict() == DTYPES
    headers = {name: column.header for name, column in sources.COLUMNS.items()}
    written = sample.rename(columns=headers).to_csv(index=False).encode()
    pd.testing.assert_frame_equal(sources.parse(written, "sample"), sample)
    features.schema().validate(features.build_features(sample))


def test_families_of_the_sample_travel_on_one_ticket_from_one_port(sample):
    tickets = sample.groupby("ticket")
    assert (tickets[["fare", "pclass"]].nunique() == 1).all(axis=None)
    assert (tickets[["embarked", "cabin"]].nunique() <= 1).all(axis=None)
    relatives = sample["sibsp"] + sample["parch"]
    assert (tickets["name"].transform("size") > relatives).all()


def test_titles_of_the_sample_agree_with_sex_and_age(sample):
    title = sample["name"].str.extract(r", (\w+)\.", expand=False)
    assert set(title[sample["sex"] == "female"]) == {"Miss", "Mrs"}
    assert ((title == "Master") == ((sample["sex"] == "male") & (sample["age"] < 15))).all()
    assert (sample.loc[title == "Mrs", "age"].dropna() >= 15).all()
