"""What the monitor of the survival model shows of passengers; `fti.monitor` does the rest."""

from __future__ import annotations

import pandas as pd

from fti.monitor import Shown

AGE_BANDS = {"child (0-14)": 15, "young (15-29)": 30, "middle (30-49)": 50, "older (50+)": 200}
CLASSES = {1: "first", 2: "second", 3: "third"}


def groups(joined: pd.DataFrame) -> dict[str, pd.Series]:
    """Give the sex, class and age band of each passenger."""
    bands = pd.cut(joined["age"], [-1, *AGE_BANDS.values()], right=False, labels=list(AGE_BANDS))
    return {
        "sex": joined["sex"],
        "class": joined["pclass"].map(CLASSES),
        "age": bands.cat.add_categories("unknown").fillna("unknown"),
    }


def describe(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Give the columns that say who each passenger is."""
    return {
        "passenger": rows["name"],
        "class": rows["pclass"],
        "sex": rows["sex"],
        "age": rows["age"].map("{:g}".format, na_action="ignore"),
    }


SHOWN = Shown(
    title="Titanic: who survives",
    drift_columns=(
        "pclass", "sex", "age", "sibsp", "parch", "fare", "embarked", "title", "deck",
        "ticket_group",
    ),
    describe=describe,
    groups=groups,
    models={
        "seed_a_random_forest": "A: random forest",
        "seed_b_xgboost": "B: XGBoost",
        "seed_c_nearest_neighbours": "C: nearest neighbours",
        "seed_d_gradient_boosting": "D: gradient boosting",
        "majority": "always the same guess",
    },
    note="A to D are the student projects that this one grew out of.",
)  # fmt: skip
