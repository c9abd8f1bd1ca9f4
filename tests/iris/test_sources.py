"""Raw flowers come from scikit-learn or a CSV, and a bad file is one sentence."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris

from fti.errors import SourceError
from iris import sources

GOOD = "sepal.length,sepal.width,petal.length,petal.width,variety\n5.1,3.5,1.4,.2,Setosa\n"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    monkeypatch.delenv("IRIS_SOURCE", raising=False)


def test_the_real_flowers_need_no_network_and_two_of_them_measure_the_same():
    table = sources.read()
    assert sources.chosen() == "scikit-learn"
    assert table["variety"].value_counts().to_dict() == dict.fromkeys(sources.VARIETIES, 50)
    assert table.duplicated().sum() == 1
    pd.testing.assert_frame_equal(table, sources.read("sample"))


def test_the_built_in_flowers_are_those_that_scikit_learn_gives():
    given = load_iris()
    table = sources.built_in()
    assert (table[sources.MEASUREMENTS].to_numpy() == given.data).all()
    assert list(table["variety"]) == list(given.target_names[given.target])


@pytest.mark.parametrize(
    "header",
    [
        "sepal.length,sepal.width,petal.length,petal.width,variety",
        "Sepal Length (cm),Sepal Width (cm),Petal Length (cm),Petal Width (cm),Species",
        "extra,sepal_length,sepal_width,petal_length,petal_width,class",
    ],
)
def test_a_csv_may_have_any_usual_header(tmp_path, header):
    path = tmp_path / "flowers.csv"
    first = "9," if header.startswith("extra") else ""
    path.write_text(f"{header}\n{first}5.1,3.5,1.4,0.2,Iris-setosa\n")
    assert sources.read(str(path)).to_dict("records") == [
        {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
        | {"variety": "setosa"}
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("Setosa", "rose"), "line 2: a flower has four measurements"),
        (GOOD.replace("3.5", "wide") + GOOD.splitlines()[1], "line 2: .*1 such line"),
        (GOOD.replace("petal.width", "weight"), "has no column petal_width"),
        (GOOD.splitlines()[0], "holds no flower"),
        ("", "is not a CSV"),
        ("\x89PNG\x00", "has no column|is not a CSV"),
    ],
)
def test_a_bad_csv_is_named_with_what_is_wrong(text, said):
    with pytest.raises(SourceError, match=f"^my.csv.*{said}"):
        sources.parse(text.encode("latin-1"), "my.csv")


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: (GOOD + t).encode()))
def test_whatever_a_file_holds_is_a_table_of_flowers_or_one_sentence(data):
    try:
        table = sources.parse(data, "my.csv")
    except SourceError as error:
        assert str(error).startswith("my.csv")
    else:
        assert table[sources.MEASUREMENTS].notna().all(axis=None)
        assert set(table["variety"]) <= set(sources.VARIETIES)
