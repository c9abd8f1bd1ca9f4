"""Turn raw flowers into the feature table, and say what a good one looks like.

Pure functions, called by training, batch inference and the app.
"""

import pandas as pd

from fti.classification import Task

VARIETIES = ("setosa", "versicolor", "virginica")
TASK = Task(
    use_case="iris",
    entity="flower",
    entities="flowers",
    label="variety",
    outcomes={variety: variety for variety in VARIETIES},
    recipe="discriminant-1",
)
MEASUREMENTS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]  # cm
INPUTS = [*MEASUREMENTS, "petal_to_sepal"]  # what the model looks at

# What the seeds expected of each measurement (cm). Some real flowers are smaller.
EXPECTED = {
    "sepal_length": (4.5, 8.0),
    "sepal_width": (2.1, 4.5),
    "petal_length": (1.2, 7.0),
    "petal_width": (0.2, 2.5),
}
# The same, widened to hold every real flower: what apps offer and synthetic flowers stay inside.
LIMITS = {
    "sepal_length": (4.3, 8.0),
    "sepal_width": (2.0, 4.5),
    "petal_length": (1.0, 7.0),
    "petal_width": (0.1, 2.5),
}
# The table came to the UCI repository in July 1988. Not Fisher's 1936: Hopsworks leaves rows from
# before 1970 out of training data.
RECORDED_AT = pd.Timestamp("1988-07-01", tz="UTC")
TYPICAL_SEPAL = 6.0  # cm


def build_features(raw: pd.DataFrame, recorded_at: pd.Timestamp = RECORDED_AT) -> pd.DataFrame:
    """The feature table of raw flowers, numbered from 1 in their order: see `schema`.

    Two real flowers measure the same, so measurements are no key.
    """
    numbered = with_ratio(raw[MEASUREMENTS].astype("float64").reset_index(drop=True))
    numbered.insert(0, "flower_id", range(1, len(raw) + 1))
    times = pd.Series(recorded_at, index=numbered.index).astype("datetime64[us, UTC]")
    numbered.insert(1, "recorded_at", times)
    return numbered.assign(variety=raw["variety"].to_numpy(dtype=object))


def with_ratio(flowers: pd.DataFrame) -> pd.DataFrame:
    """Add `petal_to_sepal`: how long the petal would be (cm) if the sepal had a typical length."""
    ratio = TYPICAL_SEPAL * flowers["petal_length"] / flowers["sepal_length"]
    return flowers.assign(petal_to_sepal=ratio)


def flower(
    sepal_length: float, sepal_width: float, petal_length: float, petal_width: float
) -> pd.DataFrame:
    """The feature row of one flower typed into an app, in cm."""
    values = (sepal_length, sepal_width, petal_length, petal_width)
    return with_ratio(pd.DataFrame([values], columns=MEASUREMENTS, dtype="float64"))


def inputs(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that the model looks at."""
    return table[INPUTS]


def schema():
    """The pandera schema of the feature table; measurements nobody expected only warn."""
    from pandera.pandas import Check, Column, DataFrameSchema

    measured = {
        name: Column(
            "float64",
            [Check.in_range(0.05, 30), Check.in_range(*EXPECTED[name], raise_warning=True)],
        )
        for name in MEASUREMENTS
    }
    columns = {
        "flower_id": Column("int64", unique=True),
        "recorded_at": Column("datetime64[us, UTC]"),
        **measured,
        "petal_to_sepal": Column("float64", Check.gt(0)),
        "variety": Column(object, Check.isin(VARIETIES)),
    }
    return DataFrameSchema(columns, strict=True, ordered=True, name="iris features")
