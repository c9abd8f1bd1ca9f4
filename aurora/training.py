"""Fit the model on stored hours, score it on the last quarter, and register it if that is no worse.

The model and the current version are both trained on the same past and scored on the same later
hours; what is registered is then trained on all of them. This needs scikit-learn and XGBoost; when
it is due says `aurora.training_pipeline`, which does not.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from sklearn.base import clone

import fti
from aurora import evaluation, model, scoring
from fti import console, models, quality, training

SCORES = (  # that are registered, the headline first
    *("auc", "average_precision", "brier"),
    *("dark_auc", "dark_brier_skill", "dark_brier"),
)
DESCRIPTION = "How probable it is that aurora is seen from a site in an hour"


def lacking(table: pd.DataFrame) -> str:
    """Say what the watched hours of a table lack to make a model of; "" if nothing."""
    parts = dict(zip(("train on", "score"), evaluation.split(table), strict=True))
    found = {what: evaluation.lacking(table, rows) for what, rows in parts.items()}
    short = [f"{said} to {what}" for what, said in found.items() if said]
    if not short:
        return ""
    hours, seen = evaluation.LEAST["hours"], evaluation.LEAST["seen"]
    need = f"it takes {hours} each, {seen} with aurora and {seen} without"
    return f"No model is made of {' and '.join(short)} ({need})"


def train(
    project: Any, view: Any, table: pd.DataFrame, record: dict[str, Any]
) -> tuple[int | None, quality.Verdict]:
    """Fit, score and register a model; give its version, None if the current one is better.

    In: the labelled rows of `aurora_hours`, times in UTC, and what to keep in the model's record.
    """
    table = table.sort_values(["site", "valid_hour"], ignore_index=True)
    given, report = evaluation.held_out(table, progress=True)
    current = models.current_model(project, "aurora", trusted=model.TRUSTED)
    verdict = meet(current and current.model, table, given)
    if not verdict.accepted:
        return None, verdict
    record = record | {"model": model.OURS, "verdict": verdict.reason, "held_out": report}
    return register(project, view, table, record), verdict


def meet(champion: Any, table: pd.DataFrame, given: pd.DataFrame) -> quality.Verdict:
    """Let ours meet the current model, trained on the same past, on the hours of `given`.

    `given` has the probabilities of ours. `champion` is None where there is no current model.
    """
    ours = {"brier": evaluation.scores(given, "ours")["brier"], "n": len(given)}
    theirs = None
    if champion is not None:
        train, test = evaluation.split(table)
        y = (table["aurora"] == "yes").astype(int)
        fitted = clone(champion).fit(table[train], y[train])
        said = given.assign(champion=model.probability(fitted, table[test]))
        theirs = ours | {"brier": evaluation.scores(said, "champion")["brier"]}
    return quality.champion_gate(ours, theirs, metric="brier", higher_is_better=False, guard={})


def register(project: Any, view: Any, table: pd.DataFrame, record: dict[str, Any]) -> int:
    """Fit ours and the baselines on all watched hours and save them with what travels beside."""
    watched = table[evaluation.is_watched(table)]
    seen = (watched["aurora"] == "yes").astype(int)
    X = watched.drop(columns="aurora")
    fits = [lambda: model.candidate().fit(X, seen), lambda: model.fit_baselines(table)]
    steps = console.progress(fits, len(fits), "training on all hours")
    fitted, baselines = (fit() for fit in steps)
    scorer = model.scorer_of(fitted)
    training.check_equal(fitted.predict_proba(X), scorer.predict_proba(X))
    inputs = X.drop(columns=view.training_helper_columns)
    return fti.save_model(
        project,
        "aurora",
        fitted,
        {name: record["held_out"][name] for name in SCORES},
        feature_view=view,
        training_dataset_version=record["training_dataset_version"],
        input_example=inputs.head(3),
        model_schema={"input": inputs.dtypes.astype(str).to_dict(), "output": "probability"},
        description=DESCRIPTION,
        files={
            training.RECORD: json.dumps(record, allow_nan=False).encode(),
            scoring.SCORER: scoring.save_scorer(scorer),
            scoring.BASELINES: scoring.save_baselines(baselines),
        },
    )
