"""What the monitor of the survival model shows, as the files that batch inference publishes.

`monitor.parquet` holds the newest passengers with each prediction and the outcome, `monitor.json`
the model, its scores, calibration, drift and freshness, and `report.html` the same to read.
"""

from __future__ import annotations

import json
from datetime import date as Date
from typing import Any

import pandas as pd

from fti import monitor, quality, report
from fti.models import ModelFiles
from titanic import scoring

RECENT = 1000  # passengers of each kind, the newest ones
SHOWN = 10  # of them in the report
DRIFT_COLUMNS = (
    "pclass", "sex", "age", "sibsp", "parch", "fare", "embarked", "title", "deck", "ticket_group",
)  # fmt: skip
AGE_BANDS = {"child (0-14)": 15, "young (15-29)": 30, "middle (30-49)": 50, "older (50+)": 200}
KINDS = {"real": False, "synthetic": True}
SEEDS_BEST = "the best of the four seeds"
MARKS = {"survived": "good", "died": "bad", "stable": "good", "act": "bad"}


def files(
    current: ModelFiles, people: pd.DataFrame, predictions: pd.DataFrame, date: Date
) -> dict[str, Any]:
    """Give the published files by name.

    `current` is the loaded model, `people` passengers with `is_synthetic`, `predictions` the rows
    of `titanic_predictions` of all model versions.
    """
    joined = join_outcomes(people, predictions)
    summary = summarize(current, people, joined, date)
    recent = newest(joined)
    return {
        "monitor.parquet": recent,
        "monitor.json": summary,
        "report.html": render(summary, recent),
    }


def join_outcomes(people: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Give each prediction with its passenger and outcome, matched by passenger."""
    known = people.drop(columns="is_synthetic").rename(columns={"survived": "outcome"})
    return predictions.merge(known, on="passenger_id", how="inner", validate="many_to_one")


def newest(joined: pd.DataFrame, n: int = RECENT) -> pd.DataFrame:
    """Give the predictions of the newest n passengers of each kind, newest first."""
    ordered = joined.sort_values(
        ["is_synthetic", "recorded_at", "passenger_id", "model_version"], ascending=False
    )
    rank = ordered.groupby("is_synthetic")["passenger_id"].transform(
        lambda ids: pd.factorize(ids)[0]
    )
    return ordered[rank < n].reset_index(drop=True)


def summarize(
    current: ModelFiles, people: pd.DataFrame, joined: pd.DataFrame, date: Date
) -> dict[str, Any]:
    """Give all that `monitor.json` says."""
    training = read_training(current.folder)
    by_current = joined[joined["model_version"] == current.version]
    return {
        "use_case": "titanic",
        "model": {
            "name": current.name,
            "version": current.version,
            "registered_at": current.created,
            "metrics": current.metrics,
            **training,
        },
        **{kind: _of_kind(by_current, joined, flag) for kind, flag in KINDS.items()},
        "drift": drift(people),
        "freshness": monitor.freshness(date, people["recorded_at"].max()),
    }


def read_training(folder) -> dict[str, Any]:
    """Give what the training pipeline stored beside the model: recipe, rows, scores, verdict."""
    return json.loads((folder / scoring.RECORD).read_text(encoding="utf-8"))


def drift(people: pd.DataFrame) -> list[dict[str, Any]]:
    """Compare the newest synthetic passengers with the real ones, feature by feature."""
    invented = people[people["is_synthetic"]].sort_values("recorded_at").tail(RECENT)
    real = people[~people["is_synthetic"]]
    if invented.empty or real.empty:
        return []
    return quality.drift(real, invented, list(DRIFT_COLUMNS)).to_dict("records")


def group_rates(joined: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Give predicted and observed survival by sex, class and age band."""
    edges = [-1, *AGE_BANDS.values()]
    bands = pd.cut(joined["age"], edges, right=False, labels=list(AGE_BANDS)).astype(object)
    groups = {
        "sex": joined["sex"],
        "class": joined["pclass"].map({1: "first", 2: "second", 3: "third"}),
        "age": bands.fillna("unknown"),
    }
    return {
        name: quality.group_rates(joined["outcome"], joined["probability"], values).to_dict(
            "records"
        )
        for name, values in groups.items()
    }


def _of_kind(by_current: pd.DataFrame, joined: pd.DataFrame, synthetic: bool) -> dict[str, Any]:
    mine = by_current[by_current["is_synthetic"] == synthetic]
    found = monitor.scores(mine)
    if len(mine):
        found["groups"] = group_rates(mine)
    found["history"] = monitor.history(joined[joined["is_synthetic"] == synthetic])
    return found


def render(summary: dict[str, Any], recent: pd.DataFrame) -> str:
    """Give the report as one HTML page."""
    model = summary["model"]
    return report.page(
        "Titanic: who survives",
        f"Model version {model['version']} on {summary['freshness']['run_date']} (UTC)",
        [
            report.tiles(_tiles(model)),
            report.section("The model", report.paragraph(_lineage(model)), _baselines(model)),
            *(_kind_section(kind, summary[kind]) for kind in KINDS),
            report.section(
                "Drift of the synthetic passengers",
                report.paragraph(
                    "Newest synthetic passengers against the real ones. PSI below 0.1 is stable, "
                    "above 0.25 calls for action; both limits rise by what few rows scatter."
                ),
                report.table(_drift_table(summary["drift"]), MARKS),
            ),
            *(
                _recent_section(kind, recent[recent["is_synthetic"] == KINDS[kind]])
                for kind in KINDS
            ),
        ],
    )


def _tiles(model: dict[str, Any]) -> dict[str, tuple[str, str]]:
    metrics, baselines = model["metrics"], model["baselines"]
    seeds = [scores for name, scores in baselines.items() if name.startswith("seed")]
    best = {
        name: (max if name in ("accuracy", "auc") else min)(s[name] for s in seeds)
        for name in ("accuracy", "auc", "log_loss", "brier")
    }
    return {
        name.replace("_", "-"): (f"{metrics[name]:.3f}", f"{best[name]:.3f} {SEEDS_BEST}")
        for name in best
    }


def _lineage(model: dict[str, Any]) -> str:
    return (
        f"{model['recipe']} trained on {model['rows']} real passengers (training dataset version "
        f"{model['training_dataset_version']}) for {model['date']}. {model['verdict']}. Scores are "
        "means of 10 times repeated 5-fold cross-validation."
    )


def _baselines(model: dict[str, Any]) -> str:
    ours = {name: model["metrics"][name] for name in ("accuracy", "auc", "log_loss", "brier")}
    scores = {"this model": ours, **model["baselines"]}
    table = pd.DataFrame(
        [{"model": name.replace("_", " "), **values} for name, values in scores.items()]
    )
    return report.table(table)


def _kind_section(kind: str, found: dict[str, Any]) -> str:
    title = f"{kind.capitalize()} passengers: predicted and true"
    if not found["outcomes"]:
        return report.section(title, report.paragraph("No outcomes yet."))
    said = (
        f"{found['outcomes']} outcomes: accuracy {found['accuracy']:.3f} (always guessing the more "
        f"frequent outcome: {found['majority']:.3f}), Brier score {found['brier']:.3f}, "
        f"calibration error {found['calibration_error']:.3f}."
    )
    if kind == "real":
        said += " Each real passenger was predicted by models that had not seen their outcome."
    confusion = pd.DataFrame(found["confusion"])
    for column in ("actual", "predicted"):
        confusion[column] = confusion[column].map({0: "died", 1: "survived"})
    groups = pd.concat([pd.DataFrame(rows) for rows in found["groups"].values()])
    shown = ["group", "n", "mean_predicted", "observed_rate", "observed_low", "observed_high"]
    return report.section(
        title,
        report.paragraph(said),
        report.table(confusion, MARKS),
        report.reliability_chart(found["reliability"]),
        report.table(groups[shown]),
    )


def _drift_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    shown = ["feature", "psi", "watch_above", "act_above", "n_reference", "n_current", "status"]
    return table[shown] if len(table) else table


def _recent_section(kind: str, recent: pd.DataFrame) -> str:
    table = recent.drop_duplicates("passenger_id").head(SHOWN)
    shown = pd.DataFrame(
        {
            "passenger": table["name"],
            "class": table["pclass"],
            "sex": table["sex"],
            "age": table["age"],
            "probability": table["probability"],
            "predicted": table["predicted"].map({0: "died", 1: "survived"}),
            "outcome": table["outcome"].map({0: "died", 1: "survived"}),
        }
    )
    return report.section(f"Newest {kind} passengers", report.table(shown, MARKS, decimals=2))
