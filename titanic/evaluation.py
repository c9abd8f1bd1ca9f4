"""How well models say who survives: repeated cross-validation of ours and of the seeds'.

How the design was chosen: terms, columns and penalties were compared by 10 x 5 repeated stratified
cross-validation with the seeds of `DEVELOPMENT_SEEDS`; the scores to quote come from `REPORT_SEED`,
whose folds took no part in that. The 891 rows are the same, though: with some hundred variants
compared, expect new passengers to score a little worse.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import RepeatedStratifiedKFold

from fti import console, quality
from titanic.model import CANDIDATES, candidates, members
from titanic.seeds import seed_models

LABEL = "survived"
DEVELOPMENT_SEEDS = (7, 0, 42)
REPORT_SEED = 1912
SCORES = ("accuracy", "auc", "log_loss", "brier")


@dataclass(frozen=True)
class Scored:
    """What cross-validation says of an estimator.

    `scores` are means over folds of each of `SCORES`, `spreads` their standard deviations over
    folds, `repeats` a table of the means of each repeat, and `probabilities` an array (repeats,
    rows) of what each row was given while it was out of the fold.
    """

    scores: dict[str, float]
    spreads: dict[str, float]
    repeats: pd.DataFrame
    probabilities: np.ndarray

    def out_of_fold(self) -> np.ndarray:
        """The mean probability that each row was given while it was out of the fold."""
        return self.probabilities.mean(axis=0)


def cross_validate(
    estimator,
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
        delayed(_out_of_fold)(estimator, X, y, train, test) for train, test in splits
    )
    bar = console.progress(fitted, len(splits), progress)
    probabilities = np.empty((repeats, len(y)))
    for k, p in enumerate(bar):
        probabilities[k // folds, splits[k][1]] = p
    return _scored(y, probabilities, splits)


def _splits(y: np.ndarray, repeats: int, folds: int, seed: int) -> list:
    splitter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
    return list(splitter.split(y, y))


def _scored(y: np.ndarray, probabilities: np.ndarray, splits: list) -> Scored:
    folds = len(splits) // len(probabilities)
    rows = [
        {"repeat": k // folds} | quality.binary_scores(y[test], probabilities[k // folds, test])
        for k, (_, test) in enumerate(splits)
    ]
    table = pd.DataFrame(rows)[["repeat", *SCORES]]
    scores = table[list(SCORES)]
    return Scored(
        scores.mean().to_dict(),
        scores.std().to_dict(),
        table.groupby("repeat").mean(),
        probabilities,
    )


def _out_of_fold(estimator, X, y, train, test) -> np.ndarray:
    return clone(estimator).fit(X.iloc[train], y[train]).predict_proba(X.iloc[test])[:, 1]


def choose(
    X: pd.DataFrame, y, seed: int = 0, repeats: int = 2, n_jobs: int = 1, progress: bool = False
):
    """The candidate with the least log-loss on `X`: its name, itself unfitted, and all log-losses.

    Give it training rows only: it splits them again, into other folds than those of the report.
    """
    y = np.asarray(y)
    given = {  # a candidate's probability is the mean of its members': each is fitted only once
        name: cross_validate(
            member, X, y, repeats, 5, seed, n_jobs, _title(name, progress)
        ).probabilities
        for name, member in members(seed).items()
    }
    splits = _splits(y, repeats, 5, seed)
    losses = {
        name: _scored(y, np.mean([given[part] for part in parts], axis=0), splits).scores[
            "log_loss"
        ]
        for name, parts in CANDIDATES.items()
    }
    name = min(losses, key=losses.__getitem__)
    return name, candidates(seed)[name], losses


def meet(
    candidate, champion, X: pd.DataFrame, y, seed: int, repeats: int = 3, n_jobs: int = 1
) -> quality.Verdict:
    """Let a candidate meet the current model, each trained and scored on the same folds of `X`.

    Both are fitted anew in each fold, so neither is scored on rows it was trained on. `champion`
    is None where there is no current model.
    """
    scored = [
        None
        if model is None
        else cross_validate(model, X, y, repeats, seed=seed, n_jobs=n_jobs).scores | {"n": len(X)}
        for model in (candidate, champion)
    ]
    return quality.champion_gate(*scored, metric="log_loss", higher_is_better=False)


def baselines(
    X: pd.DataFrame,
    y,
    seed: int = REPORT_SEED,
    repeats: int = 10,
    n_jobs: int = 1,
    progress: bool = False,
) -> dict[str, dict[str, float]]:
    """Name -> scores of the seeds' models and of always saying the majority's outcome."""
    return {
        name: cross_validate(model, X, y, repeats, 5, seed, n_jobs, _title(name, progress)).scores
        for name, model in seed_models().items()
    }


def evaluate(
    table: pd.DataFrame,
    seed: int = REPORT_SEED,
    repeats: int = 10,
    n_jobs: int = 2,
    progress: bool = False,
) -> dict:
    """Ours and the seeds' models on the same folds of a labelled feature table.

    Ours is what training would choose, by folds other than these. Out: accuracy, auc, log_loss,
    brier and their "spreads" for ours, with "model" (which it is) and "calibration_error";
    "baselines" holds the same four scores by name.
    """
    y = table[LABEL]
    name, estimator, _ = choose(table, y, n_jobs=n_jobs, progress=progress)
    ours = cross_validate(estimator, table, y, repeats, 5, seed, n_jobs, _title(name, progress))
    errors = [quality.expected_calibration_error(y, p) for p in ours.probabilities]
    return {
        "model": name,
        **ours.scores,
        "spreads": ours.spreads,
        "calibration_error": float(np.mean(errors)),
        "baselines": baselines(table, y, seed, repeats, n_jobs, progress),
    }


def _title(name: str, progress: bool) -> str | None:
    return f"scoring {name.replace('_', ' ')}" if progress else None
