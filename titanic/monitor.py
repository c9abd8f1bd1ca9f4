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
BAND_ORDER = {band: place for place, band in enumerate([*AGE_BANDS, "unknown"])}
KINDS = {"real": False, "synthetic": True}
OUTCOMES = {0: "died", 1: "survived"}
SCORES = {"accuracy": "accuracy", "auc": "AUC", "log_loss": "log-loss", "brier": "Brier score"}
HIGHER_IS_BETTER = ("accuracy", "auc")
MODELS = {
    "seed_a_random_forest": "A: random forest",
    "seed_b_xgboost": "B: XGBoost",
    "seed_c_nearest_neighbours": "C: nearest neighbours",
    "seed_d_gradient_boosting": "D: gradient boosting",
    "majority": "always the same guess",
}
OVER_TIME = (
    "Accuracy of all predictions up to each day, beside that of always guessing the more frequent "
    "outcome (majority)."
)
SPACE = "\N{NO-BREAK SPACE}"
MARKS = {"right": "good", "wrong": "bad", "stable": "good", "watch": "warn", "act": "bad"}


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
    rates = {
        name: quality.group_rates(joined["outcome"], joined["probability"], values)
        for name, values in groups.items()
    }
    rates["age"] = rates["age"].sort_values("group", key=lambda band: band.map(BAND_ORDER))
    return {name: table.to_dict("records") for name, table in rates.items()}


def _of_kind(by_current: pd.DataFrame, joined: pd.DataFrame, synthetic: bool) -> dict[str, Any]:
    mine = by_current[by_current["is_synthetic"] == synthetic]
    found = monitor.scores(mine)
    if found["outcomes"]:
        found["groups"] = group_rates(mine[mine["outcome"].notna()])
    found["history"] = monitor.history(joined[joined["is_synthetic"] == synthetic])
    return found


def render(summary: dict[str, Any], recent: pd.DataFrame) -> str:
    """Give the report as one HTML page."""
    model, fresh = summary["model"], summary["freshness"]
    return report.page(
        "Titanic: who survives",
        f"Model version {model['version']} on {fresh['run_date']}; next run expected "
        f"{fresh['next_run_expected'][:10]} (UTC)",
        [
            report.tiles(_tiles(model)),
            report.section("The model", report.paragraph(_lineage(model)), _baselines(model)),
            *(_kind_section(kind, summary[kind]) for kind in KINDS),
            report.section("Drift of the synthetic passengers", *_drift(summary["drift"])),
            *(
                _recent_section(kind, recent[recent["is_synthetic"] == KINDS[kind]])
                for kind in KINDS
            ),
        ],
    )


def _tiles(model: dict[str, Any]) -> dict[str, tuple[str, str]]:
    best = {
        name: (max if name in HIGHER_IS_BETTER else min)(
            scores[name] for scores in model["baselines"].values()
        )
        for name in SCORES
    }
    return {
        title: (f"{model['metrics'][name]:.3f}", f"best baseline {best[name]:.3f}")
        for name, title in SCORES.items()
    }


def _lineage(model: dict[str, Any]) -> str:
    verdict = model["verdict"]
    return (
        f"Recipe {model['recipe']}, trained on {model['rows']} real passengers (training dataset "
        f"version {model['training_dataset_version']}) for {model['date']}. "
        f"{verdict[:1].upper()}{verdict[1:]}. Scores are means of 5-fold cross-validation, "
        f"repeated {model['repeats']} times for this model and once, on the first of the same "
        "splits, for the others. A to D are the student projects that this one grew out of."
    )


def _baselines(model: dict[str, Any]) -> str:
    scores = {"this model": model["metrics"], **model["baselines"]}
    table = pd.DataFrame(
        [
            {"model": MODELS.get(name, name), **{t: values[s] for s, t in SCORES.items()}}
            for name, values in scores.items()
        ]
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
    matrix = report.confusion_matrix(found["confusion"], OUTCOMES)
    return report.section(
        title,
        report.paragraph(said),
        report.beside(matrix, report.reliability_chart(found["reliability"])),
        *_over_time(found["history"]),
        report.table(_group_table(found["groups"])),
    )


def _over_time(history: list[dict[str, Any]]) -> list[str]:
    lines = monitor.running(history)
    days = lines.pop("day")
    if len(days) < 2:
        return []
    return [report.score_chart(days, lines, OVER_TIME)]


def _group_table(groups: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "by": name,
                "group": row["group"],
                "passengers": row["n"],
                "predicted": row["mean_predicted"],
                "survived": row["observed_rate"],
                "95 % interval": SPACE.join(
                    (f"{row['observed_low']:.3f}", "to", f"{row['observed_high']:.3f}")
                ),
            }
            for name, rows in groups.items()
            for row in rows
        ]
    )


def _drift(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return [report.paragraph("Nothing to compare yet.")]
    table = pd.DataFrame(rows)[["feature", "psi", "watch_above", "act_above", "status"]]
    return [
        report.paragraph(
            f"The newest {rows[0]['n_current']} synthetic passengers against "
            f"{rows[0]['n_reference']} real ones, by population stability index (PSI): above 0.1 "
            "is worth a look, above 0.25 calls for action. Both limits rise by what so few rows "
            "scatter."
        ),
        report.table(table.rename(columns={"psi": "PSI"}), MARKS),
    ]


def _recent_section(kind: str, recent: pd.DataFrame) -> str:
    table = recent.drop_duplicates("passenger_id").head(SHOWN)
    shown = pd.DataFrame(
        {
            "passenger": table["name"],
            "class": table["pclass"],
            "sex": table["sex"],
            "age": table["age"].map("{:g}".format, na_action="ignore"),
            "probability": table["probability"],
            "predicted": table["predicted"].map(OUTCOMES),
            "outcome": table["outcome"].map(OUTCOMES),
            "": (table["predicted"] == table["outcome"]).map({True: "right", False: "wrong"}),
        }
    )
    return report.section(f"Newest {kind} passengers", report.table(shown, MARKS, decimals=2))
