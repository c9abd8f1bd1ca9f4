"""Fit the model on stored sales, score it on the newest fifth, and register it if it is no worse.

The model and the current version, where its recipe was another, are both fitted on the same earlier
sales and scored on the same later ones; what is registered is then fitted on all. This needs
scikit-learn and XGBoost; when it is due says `housing.training_pipeline`, which does not.
"""

from __future__ import annotations

import datetime as dt
import json
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

import fti
from fti import console, models, quality, training
from housing import automl, evaluation, model, scoring, seed_scoring, seeds, table
from housing.valuing import MODEL, SEED

AUTOML, ARCHIVE = "housing_autogluon", "predictor.tar"
SCORES = ("mape", "mdape", "within_10", "within_20", "coverage_90", "ms_per_valuation")
INPUTS = (  # numbers that somebody can ask a valuation for
    *("living_area_m2", "extra_area_m2", "rooms", "fee", "running_cost", "floor", "year_built"),
    *("latitude", "longitude"),
)
USUAL = (0.01, 0.99)  # quantiles
MOST_NAMES = 200  # agencies and districts that a record names, the most frequent ones
AUTOML_SECONDS = 120
DESCRIPTION = "What a flat is worth on a day, with 80 and 90 % ranges, from comparable sales"
SEED_DESCRIPTION = "The housing seed's XGBoost on raw prices, to compare with"
AUTOML_DESCRIPTION = "AutoGluon on the columns of the sales, to compare with"


def evaluate(
    sales: pd.DataFrame, train_until: dt.date | None = None, preset: str | None = None
) -> dict[str, Any]:
    """Give `evaluation.evaluate`'s report, the scores of AutoGluon as those of its one preset."""
    presets = [preset] if preset else []
    report = evaluation.evaluate(sales, train_until, presets=presets, time_limit=AUTOML_SECONDS)
    if preset:
        report["autogluon"] = {"preset": preset, **report["autogluon"][preset]}
    return report


def train(
    project: Any, view: Any, sales: pd.DataFrame, record: dict[str, Any], preset: str | None
) -> tuple[int | None, quality.Verdict]:
    """Fit, score and register; give the new version, None if the current one is better.

    In: the rows of the feature view with their price, and what to keep in the models' record.
    """
    sales = known(sales)
    fitted = steps(3 + bool(preset))
    report = fitted(lambda: evaluate(sales, preset=preset))
    verdict = meet(project, sales, report, record["recipe"])
    if not verdict.accepted:
        return None, verdict
    record = record | described(sales) | {"verdict": verdict.reason}
    fitted(lambda: register_seed(project, view, sales, record, report["seed_xgboost"]))
    if preset:
        fitted(lambda: register_automl(project, view, sales, record, report["autogluon"]))
    version = fitted(lambda: register(project, view, sales, record | {"held_out": report}))
    return version, verdict


def steps(total: int) -> Callable[[Callable[[], Any]], Any]:
    """Give a function that does a piece of work and moves a progress bar of `total` pieces."""
    bar = console.progress(range(total), total, "training")

    def step(work: Callable[[], Any]) -> Any:
        next(bar)
        return work()

    return step


def known(sales: pd.DataFrame) -> pd.DataFrame:
    """Give stored sales as rows of `housing.table`, in the order of their days."""
    days = pd.to_datetime(sales["sold_on"], utc=True).dt.as_unit("us")
    rows = sales.assign(sold_on=days)[list(table.COLUMNS)].astype(table.COLUMNS)
    return rows.sort_values(["sold_on", "sale_id"], ignore_index=True)


def meet(project: Any, sales: pd.DataFrame, report: dict[str, Any], recipe: str) -> quality.Verdict:
    """Let ours, of which `report` tells, meet the current model on the same held-out sales.

    One of the same recipe would be the same model when fitted on the same sales, so there is
    nothing to compare: knowing newer sales is the gain.
    """
    ours = {"mape": report["mape"], "n": report["rows"]["test"]}
    latest = models.latest_model(project, MODEL)
    if latest is None:
        return gate(ours, None)
    if training.read_record(Path(latest.download()))["recipe"] == recipe:
        return quality.Verdict(True, f"accepted: the recipe of version {latest.version}, refitted")
    champion = models.current_model(project, MODEL, trusted=model.TRUSTED)
    if champion is None:
        return gate(ours, None)
    earlier, later = evaluation.split(sales)
    given = clone(champion.model).fit(earlier).ranges(later, earlier)
    return gate(ours, ours | {"mape": evaluation.scores(later["price"], given)["mape"]})


def gate(ours: dict[str, float], theirs: dict[str, float] | None) -> quality.Verdict:
    """Decide by the mean absolute percentage error."""
    return quality.champion_gate(ours, theirs, metric="mape", higher_is_better=False, guard={})


def described(sales: pd.DataFrame) -> dict[str, Any]:
    """Give what was seen of each input, from which an app tells that a flat is out of range."""
    return {
        "model": model.OURS,
        "currency": str(sales["currency"].iloc[-1]),
        "is_synthetic": bool((sales["source"] == "sample").any()),
        "ranges": {name: seen(sales[name].dropna()) for name in INPUTS if sales[name].any()},
        "agencies": most_frequent(sales["agency"]),
        "districts": most_frequent(sales["district"]),
    }


def seen(values: pd.Series) -> dict[str, float]:
    """Give the extremes of values, and between which almost all of them are."""
    low, high = np.quantile(values, USUAL)
    return {
        "low": float(low), "high": float(high),
        "min": float(values.min()), "max": float(values.max()),
    }  # fmt: skip


def most_frequent(names: pd.Series) -> list[str]:
    """Give the known names, the most frequent first."""
    counts = names[names != table.UNKNOWN].value_counts(sort=False).sort_index()
    return list(counts.sort_values(ascending=False, kind="stable").index[:MOST_NAMES])


# What is registered


def register(project: Any, view: Any, sales: pd.DataFrame, record: dict[str, Any]) -> int:
    """Fit ours on all sales and save it with what travels beside."""
    fitted = model.candidate().fit(sales)
    report = record["held_out"]
    return save(
        project,
        MODEL,
        view,
        fitted,
        {name: report[name] for name in SCORES},
        record,
        sales,
        DESCRIPTION,
        {
            scoring.SCORER: scoring.save_scorer(fitted.scorer()),
            scoring.KNOWN_SALES: scoring.save_sales(sales),
        },
    )


def register_seed(
    project: Any,
    view: Any,
    sales: pd.DataFrame,
    record: dict[str, Any],
    report: dict[str, Any],
) -> int:
    """Fit the seed's model on all sales and save it, also as trees that need no XGBoost."""
    fitted = seeds.SeedXGBoost().fit(sales)
    trees = seed_scoring.save(seed_scoring.scorer_of(fitted, sales))
    told = record | {"model": "seed_xgboost", "recipe": "seed-xgboost-1", "held_out": report}
    scores = finite(report, SCORES)
    return save(
        project, SEED, view, fitted.model_, scores, told, sales, SEED_DESCRIPTION,
        {seed_scoring.TREES: trees},
    )  # fmt: skip


def register_automl(
    project: Any,
    view: Any,
    sales: pd.DataFrame,
    record: dict[str, Any],
    report: dict[str, Any],
) -> int:
    """Fit AutoGluon on all sales and save its folder, packed: it has no form but pickles.

    Nothing opens the archive by itself. Whoever unpacks it for `automl.load` trusts those who may
    write to the registry.
    """
    told = record | {
        "model": "autogluon",
        "recipe": f"autogluon-{report['preset']}",
        "autogluon": automl.version(),
        "held_out": report,
    }
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        trained, folder = Path(scratch, "trained"), Path(scratch, "model")
        automl.fit(sales, report["preset"], AUTOML_SECONDS, trained)
        folder.mkdir()
        with tarfile.open(folder / ARCHIVE, "w") as packed:
            packed.add(trained, arcname=".")
        scores = finite(report, SCORES)
        return save(project, AUTOML, view, folder, scores, told, sales, AUTOML_DESCRIPTION, {})


def save(
    project: Any,
    name: str,
    view: Any,
    fitted: Any,
    scores: dict[str, float],
    record: dict[str, Any],
    sales: pd.DataFrame,
    description: str,
    files: dict[str, bytes],
) -> int:
    """Save a model version with its record, and tell what it takes and gives."""
    helpers = [name for name in view.training_helper_columns if name in sales]
    inputs = sales.drop(columns=[*helpers, "price"])
    return fti.save_model(
        project,
        name,
        fitted,
        scores,
        feature_view=view,
        training_dataset_version=record["training_dataset_version"],
        input_example=inputs.head(3),
        model_schema={"input": inputs.dtypes.astype(str).to_dict(), "output": "price"},
        description=description,
        files={training.RECORD: json.dumps(record, allow_nan=False).encode(), **files},
    )


def finite(report: dict[str, Any], names: Sequence[str]) -> dict[str, float]:
    """Give the scores that a report has."""
    return {name: report[name] for name in names if name in report}
