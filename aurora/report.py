"""The forecast as one HTML page, `report.html`: the nights to come, and how the last ones went.

All that it says is in `forecast.json` and `forecast.parquet` as well; see `aurora.summary`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from aurora import nights
from aurora.outlook import cautions, sky_words
from fti import report

MARKS = {"good": "good", "possible": "warn", "yes": "good"}
MODELS = {
    "ours": "this model",
    "climatology": "climatology: month and hour",
    "persistence": "persistence: the night before",
    "seed_tree": "the seed: a decision tree",
}
HELD_OUT = {
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "dark_auc": "AUC, dark",
    "dark_brier": "Brier score, dark",
    "dark_brier_skill": "Brier skill, dark",
}
FORECAST = (
    "A forecast, not an observation: how probable it is that a camera would see aurora in an hour. "
    f"A night is good when its best hour reaches {report.percent(nights.GOOD)}, possible from "
    f"{report.percent(nights.WORTHWHILE)} on. All hours are UTC."
)
SCORED = (
    "A Brier score is the mean squared error of probabilities, 0 is perfect. Skill is 1 less our "
    "score over that of climatology: above 0 is better than knowing month and hour. Lead time "
    "counts from the newest input of a forecast to the hour. Charts, and the nights beside them, "
    "are of the first 24 hours of each forecast."
)
SPACE = "\N{NO-BREAK SPACE}"
RECENT = 10  # nights of the record that the page lists


def render(summary: Mapping[str, Any], newest: pd.DataFrame) -> str:
    """Give the page of what `summary.summarize` gave, and of the newest forecasts."""
    sites, fresh = summary["sites"], summary["freshness"]
    worries = [source["stale"] for source in summary["sources"] if source["stale"]]
    by_site = dict(iter(newest.groupby("site")))
    return report.page(
        f"Aurora over {_listed([site['name'] for site in sites.values()])}",
        f"Forecast of the 72 hours from {_moment(summary['issued_at'])} on, by model version "
        f"{summary['model']['version']}. Run of {fresh['run_date']}, next run expected "
        f"{fresh['next_run_expected'][:10]} (UTC)",
        [
            *(_warning(sentence) for sentence in [*cautions(summary), *worries]),
            report.paragraph(FORECAST),
            *(_nights(site, by_site[name]) for name, site in sites.items()),
            _records(sites, summary["track_record"]),
            _model(summary["model"]),
            _sources(summary),
        ],
    )


# The nights to come


def _nights(site: Mapping[str, Any], rows: pd.DataFrame) -> str:
    coming, night = site["nights"], nights.night_of(rows["valid_hour"])
    dark = rows[nights.is_dark(rows) & (night == night.min())]
    hours = report.table(hours_table(dark), MARKS, decimals=1)
    return report.section(
        f"{site['name']}: the next nights",
        report.tiles(_tiles(coming)),
        f"<h3>Tonight's dark hours</h3>{hours}"
        if len(dark)
        else report.paragraph("Tonight has no dark hour."),
        "<h3>The next two nights</h3>",
        report.table(nights_table(coming[1:]), MARKS, decimals=1),
    )


def _tiles(coming: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Give a tile for each night: verdict and best hour."""
    return {_day(night["night"]): (night["verdict"], f"{night['sentence']}.") for night in coming}


def hours_table(dark: pd.DataFrame) -> pd.DataFrame:
    """Give hours of a forecast as a table to show."""
    skies = zip(dark["cloud_cover"], dark["icon"], strict=True)
    moons = zip(dark["moon_altitude"], dark["moon_lit"], strict=True)
    table = pd.DataFrame(
        {
            "hour from": dark["valid_hour"].map(_clock),
            "probability, %": _whole(100 * dark["probability"]),
            "verdict": dark["probability"].map(nights.verdict),
            "sky": [sky_words(cloud, icon) for cloud, icon in skies],
            "cloud, %": _whole(dark["cloud_cover"]),
            "Kp": dark["kp"],
        }
    )
    if dark["kp_low"].notna().any():
        quartiles = zip(dark["kp_low"], dark["kp_high"], strict=True)
        table["Kp, likely"] = [_range(low, high) for low, high in quartiles]
    return table.assign(moon=[moon(altitude, lit) for altitude, lit in moons])


def nights_table(coming: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Give nights of a summary as a table to show."""
    table = pd.DataFrame(coming)
    moons = zip(table["moon_altitude"], table["moon_lit"], strict=True)
    return pd.DataFrame(
        {
            "night": table["night"].map(_day),
            "best": table["best_hour"].map(_clock),
            "probability, %": _whole(100 * table["best_probability"]),
            "verdict": table["verdict"],
            "cloud, %": _whole(table["cloud_cover"]),
            "Kp": table["kp"],
            "moon": [moon(altitude, lit) for altitude, lit in moons],
            "worthwhile hours": [_worthwhile(night) for night in coming],
            "dark": table["darkness"].map(_darkness),
        }
    )


def moon(altitude: float | None, lit: float | None) -> str:
    """Say whether the moon is up (degrees), and how much of it is lit (share)."""
    if pd.isna(altitude):
        return ""
    return f"up, {report.percent(lit)} lit".replace(" ", SPACE) if altitude > 0 else "down"


# How good it was


def _records(sites: Mapping[str, Any], records: Mapping[str, Any]) -> str:
    parts = [_record(site["name"], records[name]) for name, site in sites.items()]
    scored = any(record["dark_hours"] for record in records.values())
    said = [report.paragraph(SCORED)] if scored else []
    return report.section("Forecasts, and what was seen", *parts, *said)


def _record(name: str, record: Mapping[str, Any]) -> str:
    if not record["dark_hours"]:
        return report.paragraph(
            f"{name}: no forecast has been scored yet. That takes a dark hour that was forecast, "
            "is over, and was watched by a camera."
        )
    said = (
        f"{name}, since {record['since']}: {record['dark_hours']:,} dark hours in "
        f"{record['nights']:,} nights, with aurora in {report.percent(record['base_rate'])} of "
        "them."
    )
    chart = report.reliability_chart(record["reliability"]) if record["reliability"] else ""
    recent = report.table(recent_table(record["recent"]), MARKS)
    return "".join(
        (
            report.paragraph(said),
            report.table(lead_table(record["by_lead"])),
            report.beside(chart, f"<div>{recent}</div>"),
        )
    )


def lead_table(by_lead: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Give the scores by lead time as a table to show."""
    table = pd.DataFrame(by_lead)
    return pd.DataFrame(
        {
            "lead time": table["lead"],
            "hours": table["hours"],
            "Brier score": table["brier"],
            "climatology": table["climatology_brier"],
            "persistence": table["persistence_brier"],
            "seed's tree": table["seed_tree_brier"],
            "Brier skill": table["brier_skill"].astype("float64"),
            "AUC": table["auc"].astype("float64"),
        }
    )


def recent_table(recent: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Give the newest nights of the record as a table to show."""
    table = pd.DataFrame(recent[:RECENT])
    return pd.DataFrame(
        {
            "night from": table["night"].map(_day),
            "said, %": _whole(100 * table["said"]),
            "seen": table["seen"],
            "hours": table["hours_seen"],
            "Brier score": table["brier"].astype("float64"),
        }
    )


# The model and its sources


def _model(model: Mapping[str, Any]) -> str:
    held_out, verdict = model["held_out"], model["verdict"]
    text = (
        f"Recipe {model['recipe']}, trained on {model['rows']:,} watched hours up to "
        f"{_moment(model['trained_until'])} (training dataset version "
        f"{model['training_dataset_version']}). {verdict[:1].upper()}{verdict[1:]}. Scores are of "
        f"hours from {_moment(held_out['from'])} to {_moment(held_out['until'])}, by models that "
        "had seen only hours before them, with index and weather as they were observed: a real "
        "forecast does not reach them. Dark hours have the sun below -6 degrees."
    )
    return report.section(
        f"Model version {model['version']} on hours held out",
        report.paragraph(text),
        report.table(held_out_table(held_out)),
    )


def held_out_table(held_out: Mapping[str, Any]) -> pd.DataFrame:
    """Give the scores of the model beside the baselines' as a table to show."""
    scores = {"ours": held_out, **{name: held_out[name] for name in MODELS if name != "ours"}}
    columns = {title: [of[name] for of in scores.values()] for name, title in HELD_OUT.items()}
    table = pd.DataFrame(columns, dtype="float64")
    table.insert(0, "model", [MODELS[name] for name in scores])
    return table


def _sources(summary: Mapping[str, Any]) -> str:
    table = pd.DataFrame(summary["sources"])
    several = len(summary["sites"]) > 1
    shown = {
        "source": table["what"],
        **({"site": table["site"].fillna("")} if several else {}),
        "origin": table["origin"],
        "newest hour": table["newest"].map(lambda time: _moment(time) if time else "nothing"),
    }
    return report.section(
        "What it is made of",
        report.table(pd.DataFrame(shown)),
        *(report.paragraph(sentence) for sentence in summary["credits"]),
    )


# Words


def _warning(sentence: str) -> str:
    return f'<p class="warn">{escape(sentence)}</p>'


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _whole(values: Iterable[float]) -> pd.Series:
    return pd.Series(values, dtype="float64").round().astype("Int64")


def _moment(iso: str) -> str:
    return f"{pd.Timestamp(iso):%Y-%m-%d %H:%M}"


def _day(iso: str) -> str:
    return f"{pd.Timestamp(iso):%a %d %b}".replace(" ", SPACE)


def _clock(hour: str | pd.Timestamp | None) -> str:
    return f"{pd.Timestamp(hour):%H:%M}" if hour else ""


def _range(low: float, high: float) -> str:
    return "" if pd.isna(low) else SPACE.join((f"{low:.1f}", "to", f"{high:.1f}"))


def _worthwhile(night: Mapping[str, Any]) -> str:
    if not night["hours_above"]:
        return "none"
    return SPACE.join((f"{night['hours_above']},", "from", _clock(night["first_worthwhile_hour"])))


def _darkness(first_and_last: Sequence[str] | None) -> str:
    if first_and_last is None:
        return "never"
    first, last = map(pd.Timestamp, first_and_last)
    return SPACE.join((_clock(first), "to", _clock(last + nights.HOUR)))
