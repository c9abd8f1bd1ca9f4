import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titanic import features, sources

NAN = float("nan")


@pytest.fixture
def raw():
    rows = [
        (1, 0, 3, "Braund, Mr. Owen Harris", "male", 22.0, 1, 0, "A/5 1", 7.25, None, "S"),
        (2, 1, 1, "Cumings, Mrs. John (Florence)", "female", 38.0, 1, 0, "PC 2", 80.0, "C85", "C"),
        (3, 0, 1, "Cumings, Mr. John", "male", NAN, 1, 0, "PC 2", 80.0, "T1", "C"),
        (4, 0, 3, "Leonard, Mr. Lionel", "male", 36.0, 0, 0, "LINE", 0.0, None, None),
        (5, 0, 3, "Tornquist, Mr. William", "male", 25.0, 0, 0, "LINE", NAN, None, "Q"),
    ]
    columns = ["passenger_id", "survived", "pclass", "name", "sex", "age"]
    columns += ["sibsp", "parch", "ticket", "fare", "cabin", "embarked"]
    return pd.DataFrame(rows, columns=columns)


def test_table_has_the_promised_columns_and_passes_its_schema(raw):
    table = features.build_features(raw)

    assert tuple(table) == features.COLUMNS
    features.schema().validate(table, lazy=True)


def test_row_without_outcome_passes_the_unlabelled_schema(raw):
    table = features.build_features(raw.drop(columns="survived"))

    assert "survived" not in table
    features.schema(labelled=False).validate(table, lazy=True)


def test_fare_is_shared_by_the_people_on_the_ticket(raw):
    table = features.build_features(raw)

    assert table["ticket_group"].tolist() == [1, 2, 2, 1, 1]
    assert table["fare_per_person"].iloc[:4].tolist() == [7.25, 40.0, 40.0, 0.0]


def test_person_without_ticket_travels_with_the_family(raw):
    lonely = raw.assign(ticket=None)

    assert features.build_features(lonely)["ticket_group"].tolist() == [2, 2, 2, 1, 1]


def test_unknown_numbers_stay_missing_and_unknown_words_are_a_word(raw):
    table = features.build_features(raw)

    assert table["age"].isna().tolist() == [False, False, True, False, False]
    assert table["fare_per_person"].isna().tolist() == [False] * 4 + [True]
    assert table["embarked"].tolist() == ["S", "C", "C", "unknown", "Q"]
    assert table["deck"].tolist() == ["unknown", "C", "unknown", "unknown", "unknown"]
    assert table["cabin_known"].tolist() == [0, 1, 1, 0, 0]


def test_column_of_nothing_but_missing_words_is_still_text(raw):
    table = features.build_features(raw.assign(embarked=None, cabin=None))

    assert set(table["embarked"]) == set(table["deck"]) == {"unknown"}


def test_features_do_not_depend_on_outcomes(raw):
    flipped = raw.assign(survived=1 - raw["survived"])

    pd.testing.assert_frame_equal(
        features.build_features(raw).drop(columns="survived"),
        features.build_features(flipped).drop(columns="survived"),
    )


def test_ticket_sizes_survive_a_file_and_give_a_lone_row_its_features(raw):
    sizes = json.loads(json.dumps(features.ticket_group_sizes(raw)))

    assert sizes == {"A/5 1": 1, "PC 2": 2}
    alone = features.build_features(raw.iloc[[1]], sizes)
    pd.testing.assert_frame_equal(alone, features.build_features(raw).iloc[[1]])


def test_raw_table_is_left_as_it_was(raw):
    before = raw.copy()

    features.build_features(raw)

    pd.testing.assert_frame_equal(raw, before)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Rothes, the Countess. of (Lucy)", "noble"),
        ("Sagesser, Mlle. Emma", "Miss"),
        ("Aubart, Mme. Leontine", "Mrs"),
        ("Byles, Rev. Thomas", "officer"),
        ("Rice, Master. Eugene", "Master"),
        ("van Billiard, Mr. Austin", "Mr"),
    ],
)
def test_title_is_read_from_the_name(raw, name, title):
    assert features.titles(raw.assign(name=name)).tolist() == [title] * len(raw)


@pytest.mark.parametrize(
    ("sex", "age", "sibsp", "title"),
    [
        ("male", 40, 0, "Mr"),
        ("male", NAN, 0, "Mr"),
        ("male", 6, 2, "Master"),
        ("female", 6, 2, "Miss"),
        ("female", 30, 0, "Miss"),
        ("female", 30, 1, "Mrs"),
        ("female", NAN, 1, "Mrs"),
    ],
)
def test_title_of_a_nameless_person_follows_sex_age_and_family(sex, age, sibsp, title):
    row = features.person(3, sex, age, sibsp=sibsp)

    assert features.titles(row).tolist() == [title]


def test_typed_person_gets_the_features_of_a_known_one(raw):
    typed = features.person(
        1, "female", 38, sibsp=1, fare=80, embarked="C", cabin="C85", title="Mrs", passenger_id=2
    )
    known = features.build_features(raw).iloc[[1]].reset_index(drop=True)

    built = features.build_features(typed)

    differing = ["name", "ticket", "survived"]
    pd.testing.assert_frame_equal(
        built.drop(columns=["name", "ticket"]), known.drop(columns=differing), check_dtype=True
    )


def test_typed_person_may_leave_almost_everything_open():
    table = features.build_features(features.person(2, "male", None, fare=None, cabin=True))

    features.schema(labelled=False).validate(table, lazy=True)
    assert table["cabin_known"].item() == 1
    assert table["title"].item() == "Mr"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("pclass", 4),
        ("sex", "F"),
        ("age", 101.0),
        ("age", -1.0),
        ("fare", -0.01),
        ("sibsp", -1),
        ("embarked", "Stockholm"),
        ("survived", 2),
        ("passenger_id", 1),
    ],
)
def test_schema_refuses(raw, column, value):
    from pandera.errors import SchemaErrors

    table = features.build_features(raw)
    table.loc[1, column] = value

    with pytest.raises(SchemaErrors, match=column):
        features.schema().validate(table, lazy=True)


def test_synthetic_date_is_kept(raw):
    day = pd.Timestamp("2026-11-20", tz="UTC")

    assert features.build_features(raw, recorded_at=day)["recorded_at"].eq(day).all()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 3),
    st.sampled_from(features.SEXES),
    st.floats(0, 100) | st.none(),
    st.integers(0, 8),
    st.integers(0, 8),
    st.floats(0, 1000) | st.none(),
    st.sampled_from([*features.PORTS, None]),
)
def test_any_valid_person_passes_the_schema(pclass, sex, age, sibsp, parch, fare, port):
    typed = features.person(pclass, sex, age, sibsp, parch, fare, port)

    built = features.build_features(typed)
    assert features.schema(labelled=False).validate(built, lazy=True).equals(built)


def test_the_sample_and_the_course_table_pass_the_schema():
    course = Path(__file__).parents[3] / "shared" / "data" / "titanic" / "titanic.csv"
    tables = [sources.sample()] + ([sources.read(str(course))] if course.exists() else [])

    for raw in tables:
        table = features.schema().validate(features.build_features(raw), lazy=True)
        assert len(table) == len(raw)
