"""The models of the four student projects that this use case grew out of, as baselines.

They see all rows: they impute inside the fold where the seeds dropped rows or imputed over the
whole table. Two forests have fewer trees than in the seeds, to save time: `SEED_TREES` for A's
model and `AGE_TREES` for C's ages, instead of 1,000.
"""

import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from xgboost import XGBClassifier

from titanic.features import UNKNOWN

SEED_TREES = 300
AGE_TREES = 100


def seed_models() -> dict:
    """Name -> unfitted estimator: the seeds' models and always saying the majority's outcome."""
    return {
        "seed_a_random_forest": _seed_a(),
        "seed_b_xgboost": _seed_b(),
        "seed_c_nearest_neighbours": _seed_c(),
        "seed_d_gradient_boosting": _seed_d(),
        "majority": DummyClassifier(strategy="prior"),
    }


def seed_a_columns(table: pd.DataFrame) -> pd.DataFrame:
    """A's eight columns; unlike ours, its fare per customer divides by the family."""
    columns = table[["pclass", "age", "sibsp", "parch", "cabin_known"]].astype("float64")
    columns["sex"] = (table["sex"] == "female").astype("float64")
    columns["embarked"] = table["embarked"].map({"C": 1, "S": 2, "Q": 3}).fillna(0)
    columns["fare_per_customer"] = (table["fare"] / table["family_size"]).round(2)
    return columns


def seven_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The seven columns of B and C as numbers; an unknown age, fare or port is NaN."""
    columns = table[["pclass", "age", "sibsp", "parch", "fare"]].astype("float64")
    columns["sex"] = (table["sex"] == "female").astype("float64")
    columns["embarked"] = table["embarked"].map({"S": 0.0, "C": 1.0, "Q": 2.0}).astype("float64")
    return columns


class AgeByForest(TransformerMixin, BaseEstimator):
    """C's way with unknown ages: a forest's guess from the other columns, in whole years.

    Takes the table of `seven_columns` with everything but age known.
    """

    def __init__(self, trees: int = AGE_TREES):
        self.trees = trees

    def fit(self, X, y=None):
        known = X["age"].notna()
        forest = RandomForestRegressor(self.trees, random_state=42, n_jobs=1)
        self.forest_ = forest.fit(X[known].drop(columns="age"), X.loc[known, "age"])
        return self

    def transform(self, X):
        guessed = self.forest_.predict(X.drop(columns="age")).round()
        return X.assign(age=X["age"].fillna(pd.Series(guessed, index=X.index)))


def _seed_a():
    trees = RandomForestClassifier(
        SEED_TREES, max_depth=7, min_weight_fraction_leaf=1e-5, n_jobs=1, random_state=0
    )
    return make_pipeline(FunctionTransformer(seed_a_columns), SimpleImputer(), trees)


def _seed_b():
    model = XGBClassifier(n_jobs=1, random_state=0)
    return make_pipeline(FunctionTransformer(seven_columns), _imputer(["age", "fare"]), model)


def _seed_c():
    known = _imputer(["fare"]).set_output(transform="pandas")
    model = KNeighborsClassifier(5)
    return make_pipeline(FunctionTransformer(seven_columns), known, AgeByForest(), model)


def _imputer(means: list[str]):
    """Mean of the numbers `means` and the most frequent port; other columns pass."""
    return make_column_transformer(
        (SimpleImputer(), means),
        (SimpleImputer(strategy="most_frequent"), ["embarked"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )


def _seed_d():
    port = SimpleImputer(missing_values=UNKNOWN, strategy="most_frequent")
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["sex"]),
        (make_pipeline(port, OneHotEncoder(handle_unknown="ignore")), ["embarked"]),
        (SimpleImputer(), ["age", "fare"]),
        ("passthrough", ["pclass", "sibsp", "parch"]),
    )
    return make_pipeline(columns, GradientBoostingClassifier(random_state=0))
