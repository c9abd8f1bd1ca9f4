"""How well classifiers do: repeated cross-validation of ours, of the seeds' and of a coin.

Whatever an estimator fits is fitted anew in each fold, so it is never scored on rows it has seen.
Models are chosen by other folds than those that score them; the rows are the same, though, so with
many variants compared, expect new rows to score a little worse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import RepeatedStratifiedKFold

from fti import console, quality
from fti.classification import Task

REPORT_SEED = 1912  # of the folds that score what is reported
SCORES = ("accuracy", "auc", "log_loss", "brier")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a use case makes its model, from unfitted scikit-learn estimators.

    `members` and `baselines` give them by name, for a seed of whatever is random in them. Each of
    the `candidates` is the mean of the probabilities of some members; without them each member is
    one. `scorer`, if there is one, gives the form of a fitted candidate that scores without
    scikit-learn, and its file; `files` gives others to keep beside the model, from the rows it is
    fitted on. `trusted` are the types that skops has to trust in a file of such a model.
    """

    task: Task
    members: Callable[[int], dict[str, Any]]
    baselines: Callable[[], dict[str, Any]]
    scorer: Callable[[Any], tuple[Any, dict[str, bytes]]] | None = None
    files: Callable[[pd.DataFrame], dict[str, bytes]] = lambda X: {}
    candidates: Mapping[str, tuple[str, ...]] | None = None
    trusted: Iterable[str] = ()
    description: str = ""

    @property
    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """The members of each candidate."""
        return self.candidates or {name: (name,) for name in self.members(0)}

    def candidate(self, name: str, seed: int = 0) -> Any:
        """Give a candidate, unfitted."""
        of = self.members(seed)
        parts = [of[part] for part in self.parts[name]]
        return parts[0] if len(parts) == 1 else vote(*parts)


def vote(*members: Any) -> VotingClassifier:
    """The mean of the members' probabilities."""
    return VotingClassifier([(str(k), member) for k, member in enumerate(members)], voting="soft")


@dataclass(frozen=True)
class Scored:
    """What cross-validation says of an estimator.

    `folds` has a row for each fold: its `repeat` and each of `SCORES`. `probabilities` is an array
    (repeats, rows, labels) of what each row was given while it was out of the fold.
    """

    folds: pd.DataFrame
    probabilities: np.ndarray

    @property
    def scores(self) -> dict[str, float]:
        """The mean of each score over folds."""
        return self.folds[list(SCORES)].mean().to_dict()

    @property
    def spreads(self) -> dict[str, float]:
        """The standard deviation of each score over folds."""
        return self.folds[list(SCORES)].std().to_dict()

    @cached_property
    def repeats(self) -> pd.DataFrame:
        """The mean of each score in each repeat."""
        return self.folds.groupby("repeat").mean()

    def out_of_fold(self) -> np.ndarray:
        """The mean probabilities (rows, labels) that each row was given out of the fold."""
        return self.probabilities.mean(axis=0)


def cross_validate(
    task: Task,
    estimator: Any,
    X: pd.DataFrame,
    y,
    repeats: int = 10,
    folds: int = 5,
    seed: int = REPORT_SEED,
    n_jobs: int = 1,
    progress: str | None = None,
) -> Scored:
    """Score `estimator` by repeated stratified cross-validation; `progress` titles a bar."""
    y = np.asarray(y)
    splits = _splits(y, repeats, folds, seed)
    # XGBoost and forests let other threads run, and starting a process costs as much as 20 fits
    fitted = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(
        delayed(_out_of_fold)(task, estimator, X, y, train, test) for train, test in splits
    )
    bar = console.progress(fitted, len(splits), progress)
    probabilities = np.empty((repeats, len(y), len(task.labels)))
    for k, p in enumerate(bar):
        probabilities[k // folds, splits[k][1]] = p
    return _scored(task, y, probabilities, splits)


def _splits(y: np.ndarray, repeats: int, folds: int, seed: int) -> list:
    splitter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
    return list(splitter.split(y, y))


def _scored(task: Task, y: np.ndarray, probabilities: np.ndarray, splits: list) -> Scored:
    folds = len(splits) // len(probabilities)
    rows = [
        {"repeat": k // folds} | task.scores(y[test], probabilities[k // folds, test])
        for k, (_, test) in enumerate(splits)
    ]
    return Scored(pd.DataFrame(rows)[["repeat", *SCORES]], probabilities)


def _out_of_fold(task: Task, estimator, X, y, train, test) -> np.ndarray:
    fitted = clone(estimator).fit(X.iloc[train], y[train])
    return probabilities(task, fitted, X.iloc[test])


def probabilities(task: Task, fitted: Any, X: pd.DataFrame) -> np.ndarray:
    """Give what a fitted estimator says of each row (rows, labels), in the order of the task."""
    places = [list(fitted.classes_).index(label) for label in task.labels]
    return fitted.predict_proba(X)[:, places]


def choose(
    recipe: Recipe,
    X: pd.DataFrame,
    y,
    seed: int = 0,
    repeats: int = 2,
    n_jobs: int = 1,
    progress: bool = False,
) -> tuple[str, Any, dict[str, float]]:
    """The candidate with the least log-loss on `X`: its name, itself unfitted, and all log-losses.

    Give it training rows only: it splits them again, into other folds than those of the report.
    """
    task, y = recipe.task, np.asarray(y)
    given = {  # a candidate's probability is the mean of its members': each is fitted only once
        name: cross_validate(
            task, member, X, y, repeats, 5, seed, n_jobs, _title(name, progress)
        ).probabilities
        for name, member in recipe.members(seed).items()
    }
    splits = _splits(y, repeats, 5, seed)
    losses = {
        name: _scored(task, y, np.mean([given[part] for part in parts], axis=0), splits).scores[
            "log_loss"
        ]
        for name, parts in recipe.parts.items()
    }
    name = min(losses, key=losses.__getitem__)
    return name, recipe.candidate(name, seed), losses


def meet(
    task: Task,
    candidate: Any,
    champion: Any,
    X: pd.DataFrame,
    y,
    seed: int,
    repeats: int = 3,
    n_jobs: int = 1,
) -> quality.Verdict:
    """Let a candidate meet the current model, each trained and scored on the same folds of `X`.

    Both are fitted anew in each fold, so neither is scored on rows it was trained on. `champion`
    is None where there is no current model.
    """
    scored = [
        None
        if model is None
        else cross_validate(task, model, X, y, repeats, seed=seed, n_jobs=n_jobs).scores
        | {"n": len(X)}
        for model in (candidate, champion)
    ]
    return quality.champion_gate(*scored, metric="log_loss", higher_is_better=False)


def baselines(
    recipe: Recipe,
    X: pd.DataFrame,
    y,
    seed: int = REPORT_SEED,
    repeats: int = 10,
    n_jobs: int = 1,
    progress: bool = False,
) -> dict[str, dict[str, float]]:
    """Name -> scores of the seeds' models and of always saying the most frequent outcome."""
    return {
        name: cross_validate(
            recipe.task, model, X, y, repeats, 5, seed, n_jobs, _title(name, progress)
        ).scores
        for name, model in recipe.baselines().items()
    }


def evaluate(
    recipe: Recipe,
    table: pd.DataFrame,
    seed: int = REPORT_SEED,
    repeats: int = 10,
    n_jobs: int = 2,
    progress: bool = False,
) -> dict[str, Any]:
    """Ours and the seeds' models on the same folds of a labelled feature table.

    Ours is what training would choose, by folds other than these. Out: accuracy, auc, log_loss,
    brier and their "spreads" for ours, with "model" (which it is) and "calibration_error";
    "baselines" holds the same four scores by name.
    """
    task, y = recipe.task, table[recipe.task.label]
    name, estimator, _ = choose(recipe, table, y, n_jobs=n_jobs, progress=progress)
    title = _title(name, progress)
    ours = cross_validate(task, estimator, table, y, repeats, 5, seed, n_jobs, title)
    errors = [quality.expected_calibration_error(*task.claims(y, p)) for p in ours.probabilities]
    return {
        "model": name,
        **ours.scores,
        "spreads": ours.spreads,
        "calibration_error": float(np.mean(errors)),
        "baselines": baselines(recipe, table, y, seed, repeats, n_jobs, progress),
    }


def _title(name: str, progress: bool) -> str | None:
    return f"scoring {name.replace('_', ' ')}" if progress else None
