"""Transformation functions of feature views: built in and one's own."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from fti.embedded.exceptions import FeatureStoreException, TransformationFunctionException
from fti.embedded.project import Project
from fti.embedded.transformations import (
    label_encoder,
    min_max_scaler,
    one_hot_encoder,
    standard_scaler,
    udf,
)

JANUARY = datetime(2026, 1, 1)


@udf(float, drop=["width", "height"])
def area(width, height):
    """Give the area of a rectangle."""
    return width * height


@udf(float)
def width(width):
    """Replace the width by itself in millimetres."""
    return width * 1000


@udf([int, int], mode="python")
def halves(width):
    """Give whole part and rest in hundredths."""
    return int(width), round(width % 1 * 100)


@udf([float, float], drop="width")
def both_sides(width, statistics=None):
    """Give the distance to the smallest and to the largest training value."""
    return width - statistics.width.min, statistics.width.max - width


@udf(float, drop="width", mode="python")
def shifted(width, context):
    """Move by what the caller says."""
    return width + context.get("by", 0.0)


@udf(int, drop="colour")
def known_colours(colour, statistics=None):
    """Count the rows that the statistics were made of."""
    return pd.Series(statistics.colour.count, index=colour.index)


@pytest.fixture
def group(store):
    """Ten windows, one a day; the last two are larger than any before."""
    group = store.get_or_create_feature_group("windows", 1, primary_key=["n"], event_time="seen")
    rows = {
        "n": range(10),
        "seen": [JANUARY + timedelta(days=n) for n in range(10)],
        "width": [float(n) for n in range(8)] + [80.0, 90.0],
        "height": [2.0] * 10,
        "colour": [*list("rgbrgbrg"), "x", None],
        "floor": [1, 2] * 5,
        "sold": ["no", "yes"] * 5,
    }
    group.insert(pd.DataFrame(rows))
    return group


@pytest.fixture
def view_with(store, group):
    """Make a view of some columns with transformation functions."""

    def make(columns, functions, labels=None):
        return store.create_feature_view(
            "windows", group.select(columns), labels=labels, transformation_functions=functions
        )

    return make


def by_day(view, **arguments):
    """Give training data of the first eight days and test data of the last two."""
    return view.train_test_split(train_end="2026-01-09", test_end="2026-02-01", **arguments)


def test_a_scaler_uses_statistics_of_the_training_part_only(view_with):
    view = view_with(["width"], [min_max_scaler("width")])
    X_train, X_test, _, _ = by_day(view)
    assert X_train.to_dict("list") == {"min_max_scaler_width_": [n / 7 for n in range(8)]}
    assert X_test.to_dict("list") == {"min_max_scaler_width_": [80 / 7, 90 / 7]}


def test_statistics_come_from_the_train_part_of_a_random_split_too(view_with):
    view = view_with(["n", "width"], [min_max_scaler("width")])
    X_train, _, _, _ = view.train_test_split(0.3)
    assert X_train["min_max_scaler_width_"].min() == 0
    assert X_train["min_max_scaler_width_"].max() == 1


def test_the_standard_scaler_uses_the_deviation_of_the_population(view_with):
    view = view_with(["width"], [standard_scaler("width")])
    X_train, _, _, _ = by_day(view)
    values = np.arange(8.0)
    expected = (values - values.mean()) / values.std()
    assert np.allclose(X_train["standard_scaler_width_"], expected)


def test_the_scalers_leave_a_constant_at_zero(view_with):
    view = view_with(["height", "floor"], [min_max_scaler("height")])
    assert by_day(view)[0]["min_max_scaler_height_"].tolist() == [0.0] * 8
    frame = pd.DataFrame({"height": [2.0, 2.0]})
    function = standard_scaler("height")
    assert function.apply(frame, function.fit(frame)).iloc[:, 0].tolist() == [0.0, 0.0]


def test_the_label_encoder_numbers_training_categories_in_order(view_with):
    view = view_with(["colour"], [label_encoder("colour")])
    X_train, X_test, _, _ = by_day(view)
    assert X_train["label_encoder_colour_"].tolist() == [2, 1, 0, 2, 1, 0, 2, 1]
    assert X_test["label_encoder_colour_"].tolist() == [-1, pd.NA]


@pytest.mark.parametrize(
    ("column", "categories"), [("floor", [1, 2]), ("colour", ["b", "g", "r"])], ids=str
)
def test_the_one_hot_encoder_gives_a_column_per_training_category(view_with, column, categories):
    view = view_with([column, "height"], [one_hot_encoder(column)])
    X_train, X_test, _, _ = by_day(view)
    names = [f"one_hot_encoder_{column}_{i}" for i in range(len(categories))]
    assert list(X_train) == list(X_test) == ["height", *names]
    assert X_train[names].sum(axis=1).tolist() == [1] * 8
    if column == "colour":
        assert not X_test[names].any(axis=None)


def test_a_function_replaces_the_columns_it_drops(view_with):
    view = view_with(["n", "width", "height"], [area("width", "height")])
    X, _ = view.training_data(end_time="2026-01-03")
    assert X.to_dict("list") == {"n": [0, 1], "area_width_height_": [0.0, 2.0]}


def test_a_function_named_like_its_feature_overwrites_it(view_with):
    view = view_with(["width", "n"], [width])
    X, _ = view.training_data(end_time="2026-01-03")
    assert X.to_dict("list") == {"n": [0, 1], "width": [0.0, 1000.0]}


def test_a_function_may_give_several_columns(view_with):
    view = view_with(["width"], [halves("width"), both_sides("width")])
    X, _ = view.training_data(end_time="2026-01-04")
    assert X.to_dict("list") == {
        "halves_width_0": [0, 1, 2],
        "halves_width_1": [0, 0, 0],
        "both_sides_width_0": [0.0, 1.0, 2.0],
        "both_sides_width_1": [2.0, 1.0, 0.0],
    }


def test_outputs_can_be_named(view_with, home):
    view_with(["width"], [both_sides("width").alias("left", "right")])
    again = Project(home).get_feature_store().get_feature_view("windows", 1)
    assert list(again.training_data()[0]) == ["left", "right"]


def test_a_function_takes_any_feature_in_the_place_of_its_argument(view_with):
    view = view_with(["height", "floor"], [area("height", "floor")])
    X, _ = view.training_data(end_time="2026-01-03")
    assert X.to_dict("list") == {"area_height_floor_": [2.0, 4.0]}


def test_long_names_of_outputs_are_cut_as_hopsworks_cuts_them():
    name = "a_very_long_name_of_a_feature_that_hopsworks_still_allows_here"
    frame = pd.DataFrame({name: [1.25]})
    one = min_max_scaler(name)
    assert list(one.apply(frame, one.fit(frame))) == [f"min_max_scaler_{name}"[:63]]
    two = halves(name)
    assert list(two.apply(frame, {})) == [
        name, f"halves_{name}"[:60] + "_0", f"halves_{name}"[:60] + "_1",
    ]  # fmt: skip


def test_a_function_gets_the_context_of_the_call(view_with):
    view = view_with(["width"], [shifted("width")])
    X, _ = view.training_data(end_time="2026-01-03", transformation_context={"by": 5.0})
    assert X["shifted_width_"].tolist() == [5.0, 6.0]
    assert view.get_batch_data(end_time="2026-01-03")["shifted_width_"].tolist() == [0.0, 1.0]


def test_a_transformed_label_stays_a_label(view_with):
    view = view_with(["width", "sold"], [label_encoder("sold")], labels=["sold"])
    X_train, X_test, y_train, y_test = by_day(view)
    assert list(X_train) == list(X_test) == ["width"]
    assert y_train.to_dict("list") == {"label_encoder_sold_": [0, 1] * 4}
    assert y_test.to_dict("list") == {"label_encoder_sold_": [0, 1]}
    assert list(view.get_batch_data()) == ["width"]


def test_batch_data_are_scaled_as_the_training_data_were(view_with, group, home):
    view = view_with(["width"], [min_max_scaler("width")])
    by_day(view)
    view.training_data()
    group.insert(pd.DataFrame(group.read()).assign(width=-1.0))
    again = Project(home).get_feature_store().get_feature_view("windows", 1)
    for version, expected in ((1, -1 / 7), (2, -1 / 90)):
        again.init_batch_scoring(version)
        assert again.get_batch_data()["min_max_scaler_width_"].unique().tolist() == [expected]
    assert again.get_batch_data(transformed=False)["width"].unique().tolist() == [-1.0]


def test_batch_data_need_statistics_first(view_with, home):
    view = view_with(["width"], [min_max_scaler("width")])
    with pytest.raises(FeatureStoreException, match="init_batch_scoring"):
        view.get_batch_data()
    assert len(view.get_batch_data(transformed=False)) == 10
    with pytest.raises(FeatureStoreException, match="no training dataset version 1"):
        view.init_batch_scoring(1)
    by_day(view)
    view.init_batch_scoring()
    assert len(view.get_batch_data()) == 10


def test_functions_without_statistics_need_no_training_data(view_with):
    view = view_with(["width", "height"], [area])
    assert view.get_batch_data()["area_width_height_"].tolist()[:2] == [0.0, 2.0]


def test_a_version_keeps_its_statistics(view_with, group, home):
    view = view_with(["width", "colour"], [min_max_scaler("width"), known_colours("colour")])
    first = by_day(view)
    again = Project(home).get_feature_store().get_feature_view("windows", 1)
    for one, two in zip(first, again.get_train_test_split(1), strict=True):
        assert (one is None) == (two is None)
        assert one is None or one.equals(two)
    assert first[1]["known_colours_colour_"].tolist() == [8, 8]


@pytest.mark.parametrize("column", ["seen", "height", "colour", "floor"])
def test_statistics_of_every_type_are_kept(view_with, column):
    view = view_with([column, "n"], [known_colours(column)])
    assert by_day(view)[0][f"known_colours_{column}_"].tolist() == [8] * 8


def test_a_function_must_stay_importable(view_with):
    @udf(float)
    def local(width):
        return width

    with pytest.raises(FeatureStoreException, match="top level of an importable module"):
        view_with(["width"], [local])


def test_a_function_needs_its_features(view_with):
    with pytest.raises(FeatureStoreException, match="takes the features width, height: 2, not 1"):
        area("width")
    view = view_with(["width"], [area])
    with pytest.raises(TransformationFunctionException, match="feature height"):
        view.training_data()


def test_an_unknown_mode_is_refused():
    with pytest.raises(FeatureStoreException, match="'rust' is not known"):
        udf(float, mode="rust")(lambda width: width)


def test_functions_are_found_by_name(store, view_with):
    scaler = store.get_transformation_function("min_max_scaler")
    assert list(by_day(view_with(["width"], [scaler("width")]))[0]) == ["min_max_scaler_width_"]
    with pytest.raises(FeatureStoreException, match="no transformation function area"):
        store.get_transformation_function("area")
    assert store.create_transformation_function(area).hopsworks_udf is area
    assert store.get_transformation_function("area").hopsworks_udf is area
    names = [f.hopsworks_udf.function_name for f in store.get_transformation_functions()]
    assert names == [
        "area", "label_encoder", "min_max_scaler", "one_hot_encoder", "standard_scaler",
    ]  # fmt: skip
