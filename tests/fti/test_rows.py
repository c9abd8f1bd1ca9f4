"""Only rows that are new or different are written again."""

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from fti.errors import UserError
from fti.rows import new_or_changed, refuse_others, stored


def people(**columns):
    table = {"id": [1, 2, 3], "age": [30.0, None, 5.0], "name": ["a", "b", None]}
    return pd.DataFrame(table | columns)


def test_the_same_rows_are_neither_new_nor_changed():
    assert new_or_changed(people(), people().sample(frac=1, random_state=0), ["id"]).empty


def test_a_changed_value_a_missing_value_and_a_new_key_are_found():
    rows = people(age=[31.0, 2.0, 5.0])
    assert list(new_or_changed(rows, people(), ["id"])["id"]) == [1, 2]
    assert list(new_or_changed(people(), people().head(2), ["id"])["id"]) == [3]
    assert_frame_equal(new_or_changed(people(), pd.DataFrame(), ["id"]), people())


def test_a_row_of_missing_values_is_new_when_its_key_is():
    rows = pd.DataFrame({"id": [1, 4], "age": [1.0, None]})
    known = pd.DataFrame({"id": [1], "age": [1.0]})
    assert list(new_or_changed(rows, known, ["id"])["id"]) == [4]


def test_a_moment_with_a_zone_equals_the_stored_one(store):
    moments = pd.date_range("2026-03-29", periods=3, freq="h", tz="Europe/Stockholm")
    rows = people(seen=moments)
    group = store.get_or_create_feature_group("people", 1, primary_key=["id"], event_time="seen")
    assert stored(store, "people").empty
    group.insert(rows)
    assert new_or_changed(rows, stored(store, "people"), ["id"]).empty
    later = rows.assign(seen=moments + pd.Timedelta(minutes=1))
    assert len(new_or_changed(later, stored(store, "people"), ["id"])) == 3


def test_a_column_that_is_new_makes_every_row_differ():
    assert len(new_or_changed(people(deck="A"), people(), ["id"])) == 3


def test_rows_of_others_under_the_same_keys_are_refused():
    known = pd.DataFrame({"id": [1, 2, 3], "name": ["Ann", "Bo", "Cy"]})
    refuse_others(known.assign(name=["Ann", "Bo", "Di"]), known, "id", ["name"], "people")
    refuse_others(known.assign(id=[7, 8, 9]), known, "id", ["name"], "people")
    refuse_others(known, pd.DataFrame(), "id", ["name"], "people")
    with pytest.raises(UserError, match=r"other people.*2 of 3 with the same id differ in name"):
        refuse_others(known.assign(name=["Ann", "X", "Y"]), known, "id", ["name"], "people")
