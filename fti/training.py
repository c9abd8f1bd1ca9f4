"""Train a classifier when that is due, and register it unless the current version is better.

    view = feature_view(project.get_feature_store())
    said = training.train(run, project, view, TASK, recipe, when, repeats)

Reads the training data of a feature view; writes a model version of the task's name with scores,
training record, out-of-fold probabilities and reference rows beside it. scikit-learn is imported
only when there is something to fit.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
import typer

import fti
from fti import models, quality, runs
from fti.classification import Task

if TYPE_CHECKING:
    from fti.evaluation import Recipe

RECORD = "training.json"  # files beside the model
OUT_OF_FOLD = "out_of_fold.json"
REFERENCE = "reference.parquet"
REFERENCE_ROWS = 200
LOOK_BACK = 1000  # runs: most of a year of days
GATE_SEED = 1  # of the folds on which a candidate meets the current version
TOLERANCE = 1e-4  # between the probabilities of a model's two forms


class Train(StrEnum):
    """When to train."""

    due = "due"
    always = "always"
    never = "never"


TrainOption = Annotated[
    Train, typer.Option(help="`due`: only when the rows or the recipe changed.")
]
EvaluateOnlyOption = Annotated[
    bool, typer.Option("--evaluate-only", help="Score on the raw --source, register nothing.")
]
RepeatsOption = Annotated[
    int, typer.Option(min=1, help="How often the cross-validation that scores is repeated.")
]


def train(
    run: runs.Run,
    project: Any,
    view: Any,
    task: Task,
    recipe: Callable[[], Recipe],
    when: Train,
    repeats: int,
) -> str:
    """Train if `when` and the rows say so; set the run's record and give the line to say of it."""
    data = fingerprint(view.query.read())
    latest = models.latest_model(project, task.use_case)
    due = is_due(when, task.recipe, data, latest)
    if not due or (when == Train.due and was_refused(project, task, data)):
        run.message = f"not due (--train {when.value})"
        run.model_version = latest and latest.version
        return run.message
    X, labels = view.training_data(training_helper_columns=True)
    run.rows_in = len(X)
    record = {
        "recipe": task.recipe,
        "data": data,
        "rows": len(X),
        "date": run.date,
        "training_dataset_version": view.get_last_accessed_training_dataset(),
        "repeats": repeats,
    }
    version, verdict = fit_and_register(project, view, recipe(), X, labels[task.label], record)
    run.message = verdict.reason
    run.model_version = version or (latest and latest.version)
    run.details = {"data": data, "recipe": task.recipe, "accepted": verdict.accepted}
    return f"model version {version}: {run.message}" if version else run.message


def fingerprint(rows: pd.DataFrame) -> str:
    """Give a hash of the rows, whatever their order."""
    hashes = pd.util.hash_pandas_object(rows[sorted(rows)], index=False)
    return hashlib.sha256(hashes.sort_values().to_numpy().tobytes()).hexdigest()


def is_due(when: Train, recipe: str, data: str, latest: Any) -> bool:
    """Tell whether to train: as asked, or as rows or recipe differ from the current model's."""
    if when != Train.due or latest is None:
        return when != Train.never
    made_of = read_record(Path(latest.download()))
    return (made_of["data"], made_of["recipe"]) != (data, recipe)


def was_refused(project: Any, task: Task, data: str) -> bool:
    """Tell whether the gate refused a model of these rows and this recipe: it would do so again."""
    decisions = runs.recent(project, LOOK_BACK)["details"].map(json.loads)
    refused = {"data": data, "recipe": task.recipe, "accepted": False}
    return any(refused.items() <= decision.items() for decision in decisions)


def fit_and_register(
    project: Any, view: Any, recipe: Recipe, X: pd.DataFrame, y: pd.Series, record: dict[str, Any]
) -> tuple[int | None, quality.Verdict]:
    """Choose a model and register it if the gate lets it pass.

    Gives the new version (None when refused) and the verdict.
    """
    from fti import evaluation

    task = recipe.task
    name, estimator, losses = evaluation.choose(recipe, X, y, n_jobs=-1, progress=True)
    champion = models.current_model(project, task.use_case, trusted=recipe.trusted)
    current = champion and champion.model
    verdict = evaluation.meet(task, estimator, current, X, y, GATE_SEED, n_jobs=-1)
    if not verdict.accepted:
        return None, verdict
    record = record | {"model": name, "candidates": losses, "verdict": verdict.reason}
    return register(project, view, recipe, X, y, estimator, record), verdict


def register(
    project: Any,
    view: Any,
    recipe: Recipe,
    X: pd.DataFrame,
    y: pd.Series,
    estimator: Any,
    record: dict[str, Any],
) -> int:
    """Score a model, fit it on all rows and save it with what travels beside it."""
    from fti import evaluation

    task = recipe.task
    title = f"scoring {record['model']}"
    scored = evaluation.cross_validate(
        task, estimator, X, y, record["repeats"], n_jobs=-1, progress=title
    )
    baselines = evaluation.baselines(recipe, X, y, repeats=1, n_jobs=-1, progress=True)
    estimator.fit(X, y)
    scorer, scorer_files = recipe.scorer(estimator) if recipe.scorer else (estimator, {})
    check_equal(evaluation.probabilities(task, estimator, X), scorer.predict_proba(X))
    inputs = X.drop(columns=view.training_helper_columns)
    return fti.save_model(
        project,
        task.use_case,
        estimator,
        scored.scores | {f"{name}_sd": spread for name, spread in scored.spreads.items()},
        feature_view=view,
        training_dataset_version=record["training_dataset_version"],
        input_example=inputs.head(3),
        model_schema={"input": inputs.dtypes.astype(str).to_dict(), "output": "probability"},
        description=recipe.description,
        files={
            RECORD: json.dumps(record | {"baselines": baselines}).encode(),
            OUT_OF_FOLD: _out_of_fold(X[task.key], scored.out_of_fold()),
            REFERENCE: _reference(X.assign(**{task.label: y})),
            **scorer_files,
            **recipe.files(X),
        },
    )


def check_equal(given: np.ndarray, scored: np.ndarray, tolerance: float = TOLERANCE) -> None:
    """Raise when the two forms of a model disagree: neither may then be registered."""
    gap = float(np.abs(given - scored).max())
    if not gap <= tolerance:
        raise ValueError(f"the model and its scorer differ by {gap:.2g} in a probability")


def read_record(folder: Path) -> dict[str, Any]:
    """Read what training stored beside the model: recipe, rows, scores of baselines, verdict."""
    return json.loads((folder / RECORD).read_text(encoding="utf-8"))


def read_out_of_fold(folder: Path) -> dict[int, list[float]]:
    """Row's key -> the probabilities given while its outcome was held back in training."""
    found = json.loads((folder / OUT_OF_FOLD).read_text(encoding="utf-8"))
    return {int(key): given for key, given in found.items()}


def read_reference(folder: Path) -> pd.DataFrame:
    """Read some of the rows that a model was trained on, with their label: at most 200."""
    return pd.read_parquet(folder / REFERENCE)


def _out_of_fold(keys: pd.Series, given: np.ndarray) -> bytes:
    rows = dict(zip(keys.astype(str), given.tolist(), strict=True))
    return json.dumps(rows).encode()


def _reference(rows: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    chosen = rows.sample(min(len(rows), REFERENCE_ROWS), random_state=0)
    chosen.to_parquet(content, index=False)
    return content.getvalue()
