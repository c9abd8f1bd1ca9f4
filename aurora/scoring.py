"""Score hours with the registered model and with what it is compared with, as plain arrays.

    load_scorer(folder).predict_proba(table)        what `aurora.model.Aurora` says, (rows, 2)
    baselines = load_baselines(folder)
    baselines.seed_tree(table), baselines.climatology(table), baselines.persistence(states)

`folder` holds the files of a model, `table` is a feature table of `aurora.features`. The model is
registered twice: as the scikit-learn estimator that training fits and compares, and as the numbers
in it, `scorer.npz`. Scoring takes the numbers, since importing scikit-learn and XGBoost costs a
daily run more time and memory than all its work. `aurora.model` makes both from fitted estimators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from aurora.features import (
    KP_MEMORY,
    STATES,
    UNKNOWN,
    WATCHED_SUN,
    linear_terms,
    tree_columns,
    without_kp,
)
from aurora.feeds.tables import ICONS
from fti import trees
from fti.linear import Logistic, sigmoid
from fti.trees import Trees

SCORER, BASELINES = "scorer.npz", "baselines.npz"  # files beside the model
FURTHEST = 0.005  # probabilities nearer to 0 or 1 than this are taken as this, to have log-odds
DAY = pd.Timedelta(days=1)

# Member -> what it makes of a feature table to score it
INPUT_OF: dict[type, Callable[[pd.DataFrame], np.ndarray]] = {
    Logistic: lambda table: linear_terms(table).to_numpy(),
    Trees: lambda table: tree_columns(table).to_numpy(dtype=np.float32),
}
KINDS = {"linear": Logistic, "trees": Trees}  # as files call them

# From a feature table to the probability of aurora in each row
Says = Callable[[pd.DataFrame], np.ndarray]


@dataclass(frozen=True)
class Vote:
    """The mean of its members: logistic regressions on `linear_terms`, trees on `tree_columns`."""

    members: tuple[Logistic | Trees, ...]

    def probability(self, table: pd.DataFrame) -> np.ndarray:
        """Give the probability of each row, not calibrated and whether it is dark or not."""
        inputs = {kind: INPUT_OF[kind](table) for kind in {type(one) for one in self.members}}
        given = [one.probability(inputs[type(one)]) for one in self.members]
        # a forest's sum of leaves may lie a little outside: the mean is clipped, not its members
        return np.clip(np.mean(given, axis=0), 0.0, 1.0)


@dataclass(frozen=True)
class Scorer:
    """`aurora.model.Aurora` in numbers: two votes, and the curve that calibrates what they say."""

    informed: Vote
    blind: Vote
    slope: float
    intercept: float

    def predict_proba(self, table: pd.DataFrame) -> np.ndarray:
        """Give the probabilities (rows, 2) that none is seen and that some is."""
        votes = self.informed.probability, self.blind.probability
        p = probability_seen(table, *votes, self.slope, self.intercept)
        return np.column_stack([1 - p, p])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Give what `scorer.npz` holds: curve, <vote>.<number>.<kind>.<name> -> array."""
        kinds = {kind: name for name, kind in KINDS.items()}
        parts = {
            f"{name}.{k}.{kinds[type(member)]}": member
            for name, vote in (("informed", self.informed), ("blind", self.blind))
            for k, member in enumerate(vote.members)
        }
        return {"curve": np.array([self.slope, self.intercept]), **trees.pack(parts)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Scorer:
        """Give the scorer that `to_arrays` described. Raises KeyError or ValueError otherwise."""
        slope, intercept = (float(number) for number in arrays["curve"])
        votes: dict[str, dict[int, Logistic | Trees]] = {"informed": {}, "blind": {}}
        for path, part in trees.unpack(arrays).items():
            if path:
                name, number, kind = path.split(".")
                votes[name][int(number)] = KINDS[kind](**part)
        if not all(votes.values()):
            raise ValueError("a vote without members")
        informed, blind = (Vote(tuple(of[k] for k in sorted(of))) for of in votes.values())
        return cls(informed, blind, slope, intercept)


def probability_seen(
    table: pd.DataFrame, informed: Says, blind: Says, slope: float, intercept: float
) -> np.ndarray:
    """Give the probability that aurora is seen, from two votes and the curve that calibrates them.

    As the last known index ages, the forecast passes from the informed vote to the blind one,
    which is given rows without the index. By day the probability is 0.
    """
    p, dark = np.zeros(len(table)), is_dark(table)
    if dark.any():
        rows = table[dark]
        trust = trust_in_kp(rows)
        raw = trust * informed(rows) + (1 - trust) * blind(without_kp(rows))
        p[dark] = sigmoid(slope * log_odds(raw) + intercept)
    return p


def is_dark(table: pd.DataFrame) -> np.ndarray:
    """Where the sun is low enough for aurora to have been seen at all."""
    return (table["sun_altitude"] < WATCHED_SUN).to_numpy()


def trust_in_kp(table: pd.DataFrame) -> np.ndarray:
    """How much of the index's last known value is left in the hour: 1 where it was known, to 0."""
    return np.exp(-table["kp_age_h"] / KP_MEMORY).fillna(0.0).to_numpy()


def log_odds(p: np.ndarray) -> np.ndarray:
    """Give the logarithm of the odds, of probabilities `FURTHEST` from 0 and 1 or nearer."""
    p = np.clip(p, FURTHEST, 1 - FURTHEST)
    return np.log(p / (1 - p))


def save_scorer(scorer: Scorer) -> bytes:
    """Give the content of `scorer.npz`."""
    return trees.save(scorer.to_arrays())


def load_scorer(folder: Path) -> Scorer:
    """Read the scorer from a folder of model files. Raises ModelError."""
    return trees.read(folder / SCORER, Scorer.from_arrays)


# What the model is compared with


@dataclass(frozen=True)
class Baselines:
    """The seed's decision tree, and shares of hours with aurora.

    `by_hour` has a row for each month and a column for each hour, in UTC; `by_state` one share
    for each of `STATES`, what was seen at the same hour a day before.
    """

    tree: Trees
    by_hour: np.ndarray
    by_state: np.ndarray

    def __post_init__(self):
        if self.by_hour.shape != (12, 24) or self.by_state.shape != (len(STATES),):
            raise ValueError("shares that are not those of 12 months, 24 hours and 3 states")

    def seed_tree(self, table: pd.DataFrame) -> np.ndarray:
        """Give what the seed's tree says of each row, night and day alike."""
        return self.tree.probability(seed_columns(table).to_numpy(dtype=np.float32))

    def climatology(self, table: pd.DataFrame) -> np.ndarray:
        """Give the share of the hour in the month of each row's `valid_hour`."""
        time = table["valid_hour"].dt
        return self.by_hour[time.month - 1, time.hour]

    def persistence(self, states: Sequence[str] | np.ndarray) -> np.ndarray:
        """Give the share of each state a day before the hour: "yes", "no" or "unknown"."""
        places = pd.Index(STATES).get_indexer(states)
        if (places < 0).any():
            strange = sorted({str(state) for state in states} - set(STATES))
            raise ValueError(f"states are {', '.join(STATES)}, not {', '.join(strange)}")
        return self.by_state[places]


def seed_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The seed's inputs: Kp, visibility in km, and 1 in the column of the hour's icon."""
    columns = table[["kp", "visibility_km"]].astype("float64")
    return columns.assign(**{icon: (table["icon"] == icon).astype("float64") for icon in ICONS})


def states_a_day_before(table: pd.DataFrame) -> np.ndarray:
    """Give what was seen at each row's site 24 hours before it, as far as the table tells.

    In: site, valid_hour, aurora; a row for each hour. Out: one of `STATES` for each row.
    """
    there = pd.MultiIndex.from_frame(table[["site", "valid_hour"]])
    before = pd.MultiIndex.from_arrays([table["site"], table["valid_hour"] - DAY])
    place = there.get_indexer(before)
    return np.where(place < 0, UNKNOWN, table["aurora"].to_numpy(dtype=object)[place])


def shares_by_state(states: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Give the share of hours with aurora after each of `STATES`; of all hours after one not met.

    In: what was seen a day before each hour, and whether aurora was in it. No hours: ValueError.
    """
    if not len(seen):
        raise ValueError("there are no hours to learn shares from")
    after = pd.Series(np.asarray(seen, dtype="float64")).groupby(np.asarray(states)).mean()
    return after.reindex(list(STATES), fill_value=np.mean(seen)).to_numpy()


def save_baselines(baselines: Baselines) -> bytes:
    """Give the content of `baselines.npz`."""
    shares = {"by_hour": baselines.by_hour, "by_state": baselines.by_state}
    return trees.save({**shares, **trees.pack({"tree": baselines.tree})})


def load_baselines(folder: Path) -> Baselines:
    """Read the baselines from a folder of model files. Raises ModelError."""
    return trees.read(folder / BASELINES, _baselines)


def _baselines(arrays: Mapping[str, np.ndarray]) -> Baselines:
    parts = trees.unpack(arrays)
    return Baselines(Trees(**parts["tree"]), **parts[""])
