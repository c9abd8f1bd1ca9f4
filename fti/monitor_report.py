"""The monitor of a classifier as one HTML page: `report.html`, to read anywhere."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fti import monitor, report
from fti.classification import KINDS, Task
from fti.monitor import Shown

NEWEST = 10  # rows of each kind that the report shows
SCORES = {"accuracy": "accuracy", "auc": "AUC", "log_loss": "log-loss", "brier": "Brier score"}
HIGHER_IS_BETTER = ("accuracy", "auc")
OVER_TIME = (
    "Accuracy of all predictions up to each day, beside that of always guessing the most frequent "
    "outcome (majority)."
)
SPACE = "\N{NO-BREAK SPACE}"
MARKS = {"right": "good", "wrong": "bad", "stable": "good", "watch": "warn", "act": "bad"}


def render(task: Task, shown: Shown, summary: dict[str, Any], recent: pd.DataFrame) -> str:
    """Give the report of what `monitor.summarize` and `monitor.newest` gave."""
    model, fresh = summary["model"], summary["freshness"]
    return report.page(
        shown.title,
        f"Model version {model['version']} on {fresh['run_date']}; next run expected "
        f"{fresh['next_run_expected'][:10]} (UTC)",
        [
            report.tiles(score_tiles(model)),
            report.section(
                "The model", report.paragraph(lineage(task, shown, model)), baselines(shown, model)
            ),
            *(_kind_section(task, kind, summary[kind]) for kind in KINDS),
            report.section(
                f"Drift of the synthetic {task.entities}", *_drift(task, summary["drift"])
            ),
            *(
                _recent_section(task, shown, kind, recent[recent["is_synthetic"] == flag])
                for kind, flag in KINDS.items()
            ),
        ],
    )


def score_tiles(model: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Give each score of the model in words, with the best baseline's."""
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


def lineage(task: Task, shown: Shown, model: dict[str, Any]) -> str:
    """Say what the model was made of, and how it was scored."""
    verdict = model["verdict"]
    return (
        f"Recipe {model['recipe']}, trained on {model['rows']} real {task.entities} (training "
        f"dataset version {model['training_dataset_version']}) for {model['date']}. "
        f"{verdict[:1].upper()}{verdict[1:]}. Scores are means of 5-fold cross-validation, "
        f"repeated {model['repeats']} times for this model and once, on the first of the same "
        f"splits, for the others. {shown.note}"
    ).strip()


def baselines(shown: Shown, model: dict[str, Any]) -> str:
    """Give the table of this model's scores and the baselines'."""
    scores = {"this model": model["metrics"], **model["baselines"]}
    table = pd.DataFrame(
        [
            {"model": shown.models.get(name, name), **{t: values[s] for s, t in SCORES.items()}}
            for name, values in scores.items()
        ]
    )
    return report.table(table)


def _kind_section(task: Task, kind: str, found: dict[str, Any]) -> str:
    title = f"{kind.capitalize()} {task.entities}: predicted and true"
    if not found["outcomes"]:
        return report.section(title, report.paragraph("No outcomes yet."))
    said = (
        f"{found['outcomes']} outcomes: accuracy {found['accuracy']:.3f} (always guessing the most "
        f"frequent outcome: {found['majority']:.3f}), Brier score {found['brier']:.3f}, "
        f"calibration error {found['calibration_error']:.3f}."
    )
    if kind == "real":
        said += f" Each real {task.entity} was predicted by models that had not seen its outcome."
    matrix = report.confusion_matrix(found["confusion"], task.outcomes)
    return report.section(
        title,
        report.paragraph(said),
        report.beside(matrix, report.reliability_chart(found["reliability"])),
        *_over_time(found["history"]),
        *([report.table(group_table(task, found["groups"]))] if "groups" in found else []),
    )


def _over_time(history: list[dict[str, Any]]) -> list[str]:
    lines = monitor.running(history)
    days = lines.pop("day")
    if len(days) < 2:
        return []
    return [report.score_chart(days, lines, OVER_TIME)]


def group_table(task: Task, groups: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    """Give the predicted and observed rates of each group as a table to show."""
    return pd.DataFrame(
        [
            {
                "by": name,
                "group": row["group"],
                task.entities: row["n"],
                "predicted": row["mean_predicted"],
                task.outcomes[1]: row["observed_rate"],
                "95 % interval": SPACE.join(
                    (f"{row['observed_low']:.3f}", "to", f"{row['observed_high']:.3f}")
                ),
            }
            for name, rows in groups.items()
            for row in rows
        ]
    )


def _drift(task: Task, rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return [report.paragraph("Nothing to compare yet.")]
    table = pd.DataFrame(rows)[["feature", "psi", "watch_above", "act_above", "status"]]
    return [
        report.paragraph(
            f"The newest {rows[0]['n_current']} synthetic {task.entities} against "
            f"{rows[0]['n_reference']} real ones, by population stability index (PSI): above 0.1 "
            "is worth a look, above 0.25 calls for action. Both limits rise by what so few rows "
            "scatter."
        ),
        report.table(table.rename(columns={"psi": "PSI"}), MARKS),
    ]


def _recent_section(task: Task, shown: Shown, kind: str, recent: pd.DataFrame) -> str:
    table = recent_table(task, shown, recent.drop_duplicates(task.key).head(NEWEST))
    return report.section(f"Newest {kind} {task.entities}", report.table(table, MARKS, decimals=2))


def recent_table(task: Task, shown: Shown, rows: pd.DataFrame) -> pd.DataFrame:
    """Give rows of `monitor.parquet` as a table to show, the last column saying right or wrong."""
    hit = (rows["predicted"] == rows["outcome"]).map({True: "right", False: "wrong"})
    return pd.DataFrame(
        {
            **shown.describe(rows),
            "probability": rows["probability"],
            "predicted": rows["predicted"].map(task.outcomes),
            "outcome": rows["outcome"].map(task.outcomes),
            "": hit.where(rows["outcome"].notna(), ""),
        }
    )
