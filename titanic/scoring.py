"""Score passengers with the registered model, and say what moved each probability.

The model is registered twice: as the scikit-learn estimator that training fits and compares, and
as the arrays of numbers in it, `scorer.npz`. Scoring takes the arrays, since importing
scikit-learn and XGBoost costs a daily run more time and memory than all its work. Training
registers no model whose two forms disagree.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd

SCORER = "scorer.npz"  # files beside the model
TICKET_GROUPS = "ticket_groups.json"
CHUNK = 256  # rows that go through a forest together: rows x trees fit into the cache
# So many that contributions are mostly within 2 points of those with all 200 reference rows
REFERENCE_PEOPLE = 16
LEVELS = 3  # of trees between two looks for arrivals: a look costs as much as a level

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
        place, child = self._steps
        unknown = np.isnan(X)
        low, high = np.where(unknown, -np.inf, X), np.where(unknown, np.inf, X)
        values = np.stack([low, high], axis=2).ravel()
        node = np.tile(self.roots.astype(np.intp), len(X))
        row = np.repeat(np.arange(len(X)) * 2 * X.shape[1], len(self.roots))
        pair, leaf = np.arange(len(node)), np.empty_like(node)
        while len(pair):
            for _ in range(LEVELS):
                goes_right = values.take(row + place.take(node)) >= self.threshold.take(node)
                node = child.take(2 * node + goes_right)
            there = self.left.take(node) == node
            leaf[pair[there]] = node[there]
            pair, node, row = pair[~there], node[~there], row[~there]
        return self.value.take(leaf).reshape(len(X), -1).sum(axis=1)

    @cached_property
    def _steps(self) -> tuple[np.ndarray, np.ndarray]:
        """Where each node finds its value in a row, and the nodes below, left and right in turn.

        A row has each value twice: an unknown one is -inf, going left, and inf, which does not.
        """
        place = 2 * self.column.astype(np.intp) + ~self.missing_left
        return place, np.column_stack([self.left, self.right]).ravel().astype(np.intp)


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
    own = [field.name for field in fields(member) if field.name != "ages"]
    found = {name: np.asarray(getattr(member, name)) for name in own}
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


def reference_people(model, table: pd.DataFrame, people: int = REFERENCE_PEOPLE) -> pd.DataFrame:
    """Rows to compare one person with, without outcomes: the `background` of `contributions`.

    They are evenly spread over the probabilities that the model gives to the table, so that their
    mean is close to everybody's, which that of a few people drawn at random is not.
    """
    order = np.argsort(probabilities(model, table), kind="stable")
    places = ((np.arange(people) + 0.5) * len(table) / people).astype("int64")
    return table.iloc[order[places]].drop(columns="survived", errors="ignore")


def contributions(model, row: pd.DataFrame, background: pd.DataFrame) -> dict:
    """What moved the probability of the person in `row` away from that of the background's people.

    Out: "base", the background's mean probability; "probability", the person's; "changes", by
    input of `INPUTS`. Base and changes add up to the probability: they are exact Shapley values,
    over all 2^7 ways to take some inputs from the person and the others from the background.
    """
    mixes = np.array(list(product((False, True), repeat=len(INPUTS))))
    people, place = _mixed(row, background, mixes)
    value = probabilities(model, people)[place].mean(axis=1)
    return {
        "base": float(value[0]),
        "probability": float(value[-1]),
        "changes": {name: _shapley(value, mixes, k) for k, name in enumerate(INPUTS)},
    }


def _mixed(
    row: pd.DataFrame, background: pd.DataFrame, mixes: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """All ways to give people of the background some inputs of `row`, each different one once.

    Out: the inputs of those people, and where each (mix, person of the background) is among them.
    To take what is the same in both makes nobody new, and most people share most inputs.
    """
    own = {name: row[name].iloc[0] for names in INPUTS.values() for name in names}
    others = {name: background[name].to_numpy() for name in own}
    same = {name: _same(others[name], own[name]) for name in own}
    differs = [~np.all([same[name] for name in names], axis=0) for names in INPUTS.values()]
    taken = mixes[:, None, :] & np.column_stack(differs)
    codes = taken @ (1 << np.arange(len(INPUTS))) + (np.arange(len(background)) << len(INPUTS))
    _, first, place = np.unique(codes, return_index=True, return_inverse=True)
    taken, other = taken.reshape(-1, len(INPUTS))[first], first % len(background)
    people = pd.DataFrame(
        {
            name: np.where(taken[:, k], own[name], others[name][other])
            for k, names in enumerate(INPUTS.values())
            for name in names
        }
    )
    people["fare_per_person"] = people["fare"] / people["ticket_group"]
    return people, place.reshape(codes.shape)


def _same(values: np.ndarray, value) -> np.ndarray:
    return pd.isna(values) if pd.isna(value) else values == value


def _shapley(value: np.ndarray, mixes: np.ndarray, k: int) -> float:
    """The mean change when input `k` joins the others, over all orders in which they can join."""
    n = mixes.shape[1]
    joined = np.flatnonzero(mixes[:, k])
    before = joined - (1 << (n - 1 - k))  # mixes come in the order of binary numbers
    weights = [1 / (n * comb(n - 1, int(size))) for size in mixes[before].sum(axis=1)]
    return float(np.dot(weights, value[joined] - value[before]))


def _is(table: pd.DataFrame, column: str, *values) -> pd.Series:
    return table[column].isin(values).astype("float64")
