"""Score passengers with the registered model, and say what moved each probability.

The model is registered twice: as the scikit-learn estimator that training fits and compares, and
as the arrays of numbers in it, `scorer.npz`. Scoring takes the arrays, since importing
scikit-learn and XGBoost costs a daily run more time and memory than all its work. Training
registers no model whose two forms disagree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd

from fti import trees
from fti.linear import Logistic
from fti.trees import Trees

SCORER = "scorer.npz"  # files beside the model
TICKET_GROUPS = "ticket_groups.json"
# So many that contributions are mostly within 2 points of those with all 200 reference rows
REFERENCE_PEOPLE = 16

NUMBERS = ("pclass", "age", "family_size", "ticket_group", "fare_per_person", "cabin_known")
AGE = NUMBERS.index("age")  # its place among `tree_columns`
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
    columns = table[list(NUMBERS)].astype("float64")
    columns["title"] = table["title"].map(TITLE_RANKS).astype("float64")
    columns["port"] = table["embarked"].map(PORT_RANKS).astype("float64")
    return columns


@dataclass(frozen=True)
class Forest:
    """Trees on `tree_columns`; `ages`, if there are any, guess unknown ages first, from the others.

    A guess is in whole years.
    """

    trees: Trees
    ages: Trees | None = None

    def probability(self, X: np.ndarray) -> np.ndarray:
        """Give the probability of each row of `tree_columns`, as float32."""
        if self.ages is not None:
            X = X.copy()
            unknown = np.isnan(X[:, AGE])
            X[unknown, AGE] = self.ages.total(X[unknown]).round()
        return self.trees.probability(X)


# Member -> what it makes of a feature table to score it
INPUT_OF: dict[type, Callable[[pd.DataFrame], np.ndarray]] = {
    Logistic: lambda table: linear_terms(table).to_numpy(),
    Forest: lambda table: tree_columns(table).to_numpy(dtype=np.float32),
}


@dataclass(frozen=True)
class Scorer:
    """The mean of its members' probabilities: a logistic regression on `linear_terms`, forests."""

    members: tuple[Logistic | Forest, ...]

    def predict_proba(self, table: pd.DataFrame) -> np.ndarray:
        """Give the probabilities of death and survival of each row of a feature table."""
        inputs = {kind: INPUT_OF[kind](table) for kind in {type(one) for one in self.members}}
        p = np.mean([one.probability(inputs[type(one)]) for one in self.members], axis=0)
        return np.column_stack([1 - p, p])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Give what `scorer.npz` holds: <number>.<kind>.<name> -> array."""
        parts: dict[str, Logistic | Trees] = {}
        for k, member in enumerate(self.members):
            if isinstance(member, Logistic):
                parts[f"{k}.linear"] = member
            else:
                ages = {} if member.ages is None else {f"{k}.trees.ages": member.ages}
                parts |= {f"{k}.trees": member.trees, **ages}
        return trees.pack(parts)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Scorer":
        """Give the scorer that `to_arrays` described."""
        parts = trees.unpack(arrays)
        members = tuple(_member(name, parts) for name in sorted(parts) if ".trees." not in name)
        if not members:
            raise ValueError("no members")
        return cls(members)


def _member(name: str, parts: Mapping[str, Mapping[str, np.ndarray]]) -> Logistic | Forest:
    kind = name.partition(".")[2]
    if kind == "linear":
        return Logistic(**parts[name])
    if kind != "trees":
        raise ValueError(f"no member is called {name}")
    ages = parts.get(f"{name}.ages")
    return Forest(Trees(**parts[name]), None if ages is None else Trees(**ages))


def save_scorer(scorer: Scorer) -> bytes:
    """Give the content of `scorer.npz`."""
    return trees.save(scorer.to_arrays())


def load_scorer(folder: Path) -> Scorer:
    """Read the scorer from a folder of model files. Raises ModelError."""
    return trees.read(folder / SCORER, Scorer.from_arrays)


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
