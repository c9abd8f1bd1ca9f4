"""Score passengers with the registered model, and say what moved each probability.

The model is registered twice: as the scikit-learn estimator that training fits and compares, and
as the arrays of numbers in it, `scorer.npz`. Scoring takes the arrays, since importing
scikit-learn and XGBoost costs a daily run more time and memory than all its work. Training
registers no model whose two forms disagree.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd

SCORER = "scorer.npz"  # files beside the model
TICKET_GROUPS = "ticket_groups.json"
CHUNK = 2048  # rows that go through a forest together: rows x trees fit into the cache

# Ranks, so that one split parts men from women and children
TITLE_RANKS = {"Mr": 0, "officer": 1, "noble": 2, "Master": 3, "Miss": 4, "Mrs": 5}
PORT_RANKS = {"S": 0, "Q": 1, "C": 2}

# Inputs that a person would name -> the columns of the feature table that say them
INPUTS = {
    "sex": ("sex", "title"),
    "pclass": ("pclass",),
    "age": ("age",),
    "family": ("sibsp", "parch", "family_size", "ticket_group"),
    "fare": ("fare",),
    "embarked": ("embarked",),
    "cabin": ("cabin_known", "deck"),
}


def linear_terms(table: pd.DataFrame) -> pd.DataFrame:
    """The terms of the logistic regression, centred on a man of 30 in second class.

    Fixed centres and scales instead of fitted ones: an unknown age or fare is the centre, and the
    coefficient of `age_unknown`, learned in the fold, is its correction.
    """
    female, boy = _is(table, "sex", "female"), _is(table, "title", "Master")
    man = 1 - female
    first, third = (_is(table, "pclass", c) for c in (1, 3))
    age, group = (table["age"] - 30) / 15, table["ticket_group"]
    large_family = (table["family_size"] - 4).clip(0, 3)
    large_group = (group - 4).clip(0, 3)
    cherbourg = _is(table, "embarked", "C")
    terms = {
        "female": female,
        "boy": 2 * boy,
        "miss": _is(table, "title", "Miss"),
        "officer_or_noble": 2 * _is(table, "title", "officer", "noble"),
        "first": first,
        "third": third,
        "age": age,
        "age_unknown": table["age"].isna(),
        "fare": np.log1p(table["fare"]) - 3,
        "fare_per_person": 1.5 * (np.log1p(table["fare_per_person"]) - 2.5),
        "family": table["family_size"].clip(upper=5) - 2,
        "large_family": large_family,
        "large_group": large_group,
        "alone": group == 1,
        "cabin_known": table["cabin_known"],
        "deck_b_d_e": _is(table, "deck", "B", "D", "E"),
        "cherbourg": cherbourg,
        "queenstown": _is(table, "embarked", "Q"),
        "woman_first": female * first,
        "woman_third": female * third,
        "woman_third_southampton": female * third * _is(table, "embarked", "S"),
        "woman_third_group": female * third * group.clip(upper=6) / 2,
        "woman_large_family": female * large_family,
        "woman_large_group": female * large_group,
        "boy_third": 2 * boy * third,
        "man_age": man * (1 - boy) * age,
        "man_first_age": man * first * age,
        "man_first_cabin": man * first * table["cabin_known"],
        "man_cherbourg": man * cherbourg,
    }
    return pd.DataFrame(terms, index=table.index).astype("float64").fillna(0.0)


def tree_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of the trees as numbers: the title says the sex; splits learn where NaN goes."""
    as_they_are = [
        "pclass",
        "age",
        "family_size",
        "ticket_group",
        "fare_per_person",
        "cabin_known",
    ]
    columns = table[as_they_are].astype("float64")
    columns["title"] = table["title"].map(TITLE_RANKS).astype("float64")
    columns["port"] = table["embarked"].map(PORT_RANKS).astype("float64")
    return columns


@dataclass(frozen=True)
class Linear:
    """A logistic regression on `linear_terms`: their weights, and what their sum starts from."""

    weights: np.ndarray
    intercept: np.ndarray

    def probability(self, table: pd.DataFrame) -> np.ndarray:
        """Give the probability of each row."""
        return _sigmoid(linear_terms(table).to_numpy() @ self.weights + self.intercept)


@dataclass(frozen=True)
class Trees:
    """XGBoost's trees on `tree_columns`, as arrays over the nodes of all trees.

    A row goes left where its value is below the threshold, and as `missing_left` says where it has
    none; a leaf is its own child. The prediction is `base` plus the sum of the reached leaves'
    values, put through the logistic function if `logistic`. `ages`, if there are any, guess
    unknown ages first, from the other columns.
    """

    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray
    column: np.ndarray
    threshold: np.ndarray  # float32, as XGBoost compares
    missing_left: np.ndarray
    value: np.ndarray
    base: np.ndarray
    logistic: np.ndarray
    ages: "Trees | None" = None

    def probability(self, table: pd.DataFrame) -> np.ndarray:
        """Give the probability of each row."""
        columns = tree_columns(table)
        X = columns.to_numpy(dtype=np.float32)
        if self.ages is not None:
            age = columns.columns.get_loc("age")
            unknown = np.isnan(X[:, age])
            X[unknown, age] = self.ages.total(X[unknown]).round()
        total = self.total(X)
        return _sigmoid(total) if self.logistic else total

    def total(self, X: np.ndarray) -> np.ndarray:
        """Give the sum of each row's leaves, for values in the order of `tree_columns`."""
        parts = [self._sum(X[k : k + CHUNK]) for k in range(0, len(X), CHUNK)]
        return self.base + np.concatenate([*parts, np.empty(0)])

    def _sum(self, X: np.ndarray) -> np.ndarray:
        rows = np.arange(len(X))[:, None]
        node = np.broadcast_to(self.roots, (len(X), len(self.roots)))
        while True:
            x = X[rows, self.column[node]]
            goes_left = np.where(np.isnan(x), self.missing_left[node], x < self.threshold[node])
            below = np.where(goes_left, self.left[node], self.right[node])
            if np.array_equal(below, node):
                return self.value[node].sum(axis=1)
            node = below


MEMBERS: dict[str, Callable] = {"linear": Linear, "trees": Trees}


@dataclass(frozen=True)
class Scorer:
    """The mean of its members' probabilities."""

    members: tuple[Linear | Trees, ...]

    def predict_proba(self, table: pd.DataFrame) -> np.ndarray:
        """Give the probabilities of death and survival of each row of a feature table."""
        p = np.mean([member.probability(table) for member in self.members], axis=0)
        return np.column_stack([1 - p, p])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Give what `numpy.savez` writes: <number>.<kind>.<name> -> array."""
        kinds = {kind: name for name, kind in MEMBERS.items()}
        return {
            f"{k}.{kinds[type(member)]}.{name}": values
            for k, member in enumerate(self.members)
            for name, values in _flat(member).items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Scorer":
        """Give the scorer that `to_arrays` described."""
        parts: dict[tuple[str, str], dict[str, np.ndarray]] = {}
        for path, values in arrays.items():
            number, kind, name = path.split(".", 2)
            parts.setdefault((number, kind), {})[name] = values
        return cls(tuple(_member(kind, parts[number, kind]) for number, kind in sorted(parts)))


def _flat(member: Linear | Trees) -> dict[str, np.ndarray]:
    found = {name: np.asarray(v) for name, v in vars(member).items() if name != "ages"}
    ages = getattr(member, "ages", None)
    return found | ({f"ages.{name}": v for name, v in _flat(ages).items()} if ages else {})


def _member(kind: str, arrays: dict[str, np.ndarray]) -> Linear | Trees:
    own = {name: values for name, values in arrays.items() if "." not in name}
    ages = {name.removeprefix("ages."): v for name, v in arrays.items() if "." in name}
    return MEMBERS[kind](**own, **({"ages": Trees(**ages)} if ages else {}))


def save_scorer(scorer: Scorer) -> bytes:
    """Give the content of `scorer.npz`."""
    content = io.BytesIO()
    np.savez_compressed(content, **scorer.to_arrays())
    return content.getvalue()


def load_scorer(folder: Path) -> Scorer:
    """Read the scorer from a folder of model files."""
    with np.load(folder / SCORER, allow_pickle=False) as arrays:
        return Scorer.from_arrays(arrays)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def probabilities(model, table: pd.DataFrame) -> np.ndarray:
    """How likely each row of a feature table is to survive, 0 to 1."""
    return model.predict_proba(table)[:, 1] if len(table) else np.empty(0)


def reference_people(table: pd.DataFrame, people: int = 64, seed: int = 0) -> pd.DataFrame:
    """Rows to compare one person with: the `background` of `contributions`, without outcomes."""
    sample = table.sample(min(people, len(table)), random_state=seed)
    return sample.drop(columns="survived", errors="ignore")


def contributions(model, row: pd.DataFrame, background: pd.DataFrame) -> dict:
    """What moved the probability of the person in `row` away from that of the background's people.

    Out: "base", the background's mean probability; "probability", the person's; "changes", by
    input of `INPUTS`. Base and changes add up to the probability: they are exact Shapley values,
    over all 2^7 ways to take some inputs from the person and the others from the background.
    """
    names = list(INPUTS)
    mixes = list(product((False, True), repeat=len(names)))
    people = [_mix(row, background, mix) for mix in mixes]
    p = probabilities(model, pd.concat(people, ignore_index=True))
    value = dict(zip(mixes, p.reshape(len(mixes), -1).mean(axis=1), strict=True))
    changes = {name: _shapley(value, k) for k, name in enumerate(names)}
    return {"base": float(value[mixes[0]]), "probability": float(value[mixes[-1]])} | {
        "changes": changes
    }


def _mix(row: pd.DataFrame, background: pd.DataFrame, mix: tuple[bool, ...]) -> pd.DataFrame:
    """The background with the chosen inputs taken from `row`."""
    chosen = zip(INPUTS.values(), mix, strict=True)
    columns = [name for names, from_row in chosen if from_row for name in names]
    mixed = background.assign(**{name: row[name].iloc[0] for name in columns})
    return mixed.assign(fare_per_person=mixed["fare"] / mixed["ticket_group"])


def _shapley(value: dict, k: int) -> float:
    """The mean change when input `k` joins the others, over all orders in which they can join."""
    n = len(INPUTS)
    total = 0.0
    for mix in value:
        if mix[k]:
            without = (*mix[:k], False, *mix[k + 1 :])
            total += (value[mix] - value[without]) / (n * comb(n - 1, sum(without)))
    return float(total)


def _is(table: pd.DataFrame, column: str, *values) -> pd.Series:
    return table[column].isin(values).astype("float64")
