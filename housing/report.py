"""The valuations and their record as one HTML page, `report.html`.

All that it says is in `monitor.json` and `valuations.parquet` as well; see `housing.summary`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from fti import report

MODELS = {
    "housing": "this model",
    "housing_seed_xgboost": "the seed: XGBoost on raw prices",
    "housing_autogluon": "AutoGluon",
}
SCORES = {
    "mape": "mean",
    "mdape": "median",
    "within_10": "within 10 %",
    "within_20": "within 20 %",
    "coverage_90": "90 % range held",
    "ms_per_valuation": "ms a flat",
}
RECORD = {
    "n": "sales",
    "mape": "mean",
    "mdape": "median",
    "bias": "bias",
    "within_10": "within 10 %",
    "coverage_80": "80 % range held",
    "coverage_90": "90 % range held",
}
MARKS = {"A": "good", "D": "warn", "no": "warn", "stable": "good", "watch": "warn", "act": "bad"}
ESTIMATE = (
    "A value is an estimate from sales that were known before the flat's day, not an appraisal. "
    "Nine of ten prices are meant to lie within the 90 % range. Confidence goes from A, where that "
    "range is narrow, to D."
)
SCORED = (
    "Each flat was valued before its price was seen, by a model that had not learned from it, and "
    "the valuation was kept. An error is the distance of the value from the price, over the price; "
    "mean and median are without its sign, the bias is the median with it, above 0 where values "
    "were too high. All in percent."
)
MARKET = (
    "The model's index: the price of one and the same flat in each month, 1 in the newest. After "
    "the month up to which the model was trained it stays level."
)
DRIFT = (
    "How far the newest 500 sales differ from those that the model learned from: the population "
    "stability index, with the usual limits plus what chance alone gives."
)
OLD = pd.Timedelta(days=60)  # of the newest sale, from which on the page warns
LISTED = 15  # flats in a table
SPACE = "\N{NO-BREAK SPACE}"


def render(summary: Mapping[str, Any], newest: pd.DataFrame) -> str:
    """Give the page of what `summary.summarize` and `summary.valuations` gave."""
    fresh, model = summary["freshness"], summary["model"]
    return report.page(
        "What flats are worth",
        f"Model version {model['version']}, trained on sales up to {model['trained_until']}. Run "
        f"of {fresh['run_date']}, next run expected {fresh['next_run_expected'][:10]} (UTC)",
        [
            *(f'<p class="warn">{escape(sentence)}</p>' for sentence in cautions(summary)),
            report.paragraph(ESTIMATE),
            report.tiles(_tiles(summary)),
            _record(summary, newest),
            _listings(summary, newest),
            _market(summary),
            _models(summary),
            _drift(summary["drift"]),
            _sources(summary),
        ],
    )


def cautions(summary: Mapping[str, Any]) -> list[str]:
    """Say what keeps values from being those of today's market, in sentences."""
    found = []
    if summary["is_synthetic"]:
        found.append(
            "This was made on the built-in sample: an invented market, no value of any real flat."
        )
    newest, today = _day(summary["freshness"]["newest_row"]), summary["freshness"]["run_date"]
    age = pd.Timestamp(today) - pd.Timestamp(newest)
    if age > OLD:
        found.append(
            f"The newest sale is of {newest}, {_age(age)} before this run: values are those of the "
            "market of that time."
        )
    return found


def _tiles(summary: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    live, model = summary["live"], summary["model"]
    held_out = model["held_out"]
    tiles = {
        "Median error, held out": (
            _percent(held_out["mdape"]),
            f"seed's model {_percent(held_out['seed_xgboost']['mdape'])}",
        ),
        "90 % range held": (_percent(held_out["coverage_90"]), "of prices held out"),
    }
    if live["scored"]:
        tiles["Median error, live"] = (
            _percent(live["mdape"]),
            f"{_sales(live['scored'])} since {live['since']}",
        )
    return tiles | {
        "For sale": (f"{live['listings_waiting']:,}", "flats without a price yet"),
        "Newest sale": (
            _unbroken(_day(summary["freshness"]["newest_row"])),
            f"in {summary['currency']}",
        ),
    }


# How good it was ----------------------------------------------------------------------------------


def _record(summary: Mapping[str, Any], newest: pd.DataFrame) -> str:
    live, title = summary["live"], "Valued before the price was seen"
    if not live["scored"]:
        until = summary["model"]["trained_until"]
        return report.section(title, report.paragraph(nothing_scored(until)))
    seed = "" if live["seed_mape"] is None else f", the seed's model {_percent(live['seed_mape'])}"
    return report.section(
        title,
        report.paragraph(SCORED),
        report.paragraph(
            f"{_sales(live['scored'])} since {live['since']}: mean error {_percent(live['mape'])}"
            f"{seed}; {_percent(live['coverage_90'])} of prices within the 90 % range."
        ),
        "<h3>By month</h3>",
        report.table(record_table("month", live["by_month"]), decimals=1),
        "<h3>By price</h3>",
        report.table(record_table("price_band", live["by_price_band"]), decimals=1),
        "<h3>By district</h3>",
        report.table(record_table("district", live["by_district"]), decimals=1),
        "<h3>Newest of them</h3>",
        report.table(sold_table(newest), MARKS, decimals=1),
    )


def nothing_scored(until: str) -> str:
    """Say why there is no record yet."""
    return (
        f"Nothing to score yet: there is no sale since the model was trained (on sales up to "
        f"{until}), and no flat that was valued while it was for sale has been sold."
    )


def record_table(name: str, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Give scores by group as a table to show."""
    table = pd.DataFrame(rows)
    if name != "district":
        table[name] = table[name].map(_unbroken)
    return table[[name, *RECORD]].rename(columns={name: name.replace("_", " "), **RECORD})


def sold_table(newest: pd.DataFrame) -> pd.DataFrame:
    """Give the flats sold last as a table to show, each with its last valuation."""
    sold = newest[newest["price"].notna()].drop_duplicates("sale_id")
    sold = sold.sort_values("sold_on", ascending=False, kind="stable").head(LISTED)
    held = sold["price"].between(sold["low_90"], sold["high_90"])
    return _flats(sold).assign(
        **{
            "price": sold["price"].map(money),
            "error, %": 100 * sold["error"],
            "in 90 % range": held.map({True: "yes", False: "no"}),
        }
    )


def _listings(summary: Mapping[str, Any], newest: pd.DataFrame) -> str:
    waiting = newest[newest["price"].isna()].drop_duplicates("sale_id")
    title = "For sale, and what they are worth"
    if waiting.empty:
        said = "The source has no flat that is for sale: only sales."
        return report.section(title, report.paragraph(said))
    more = f"The {min(len(waiting), LISTED)} listed last of {len(waiting):,} that were valued."
    table = listings_table(waiting)
    return report.section(title, report.paragraph(more), report.table(table, MARKS, decimals=1))


def listings_table(waiting: pd.DataFrame) -> pd.DataFrame:
    """Give flats for sale as a table to show, those listed last first."""
    shown = waiting.sort_values("sold_on", ascending=False, kind="stable").head(LISTED)
    ends = zip(shown["low_80"], shown["high_80"], strict=True)
    return _flats(shown).assign(
        **{
            "80 % range": [f"{money(low)} to{SPACE}{money(high)}" for low, high in ends],
            "confidence": shown["confidence"],
        }
    )


def _flats(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "day": rows["sold_on"]
            .dt.strftime("%Y-%m-%d")
            .str.replace("-", "\N{NON-BREAKING HYPHEN}"),
            "address": rows["address"],
            "district": rows["district"],
            "m²": rows["living_area_m2"],
            "rooms": rows["rooms"],
            "value": rows["value"].map(money),
        }
    )


# The market, the models and their data ------------------------------------------------------------


def _market(summary: Mapping[str, Any]) -> str:
    market, by_month = summary["market"], summary["live"]["by_month"]
    charts = []
    if len(market) > 1:
        values = [row["index"] for row in market]
        ends = (math.floor(10 * min(values)) / 10, math.ceil(10 * max(values)) / 10)
        days = [f"{row['month']}-01" for row in market]
        charts.append(report.score_chart(days, {"index": values}, MARKET, between=ends))
    if len(by_month) > 1:
        shares = [row["mdape"] / 100 for row in by_month]
        top = max(math.ceil(20 * max(shares)) / 20, 0.1)
        days = [f"{row['month']}-01" for row in by_month]
        said = "Median error of valuations by month of sale, as a share of the price."
        charts.append(report.score_chart(days, {"error": shares}, said, between=(0, top)))
    if not charts:
        return report.section("The market", report.paragraph("One month of sales has no trend."))
    return report.section("The market", report.beside(*charts))


def _models(summary: Mapping[str, Any]) -> str:
    model = summary["model"]
    rows = model["held_out"]["rows"]
    text = (
        f"Recipe {model['recipe']}, fitted on {model['rows']:,} sales (training dataset version "
        f"{model['training_dataset_version']}). {_sentence(model['verdict'])} Scores are of the "
        f"newest {rows['test']:,} of these sales, by models that had learned from the "
        f"{rows['train']:,} up to {model['held_out']['train_until']} and saw none of the others: "
        "mean and median error, shares of values within 10 and 20 % of the price, all in percent."
    )
    every = [model, *summary["other_models"]]
    return report.section(
        "Models on sales held out",
        report.paragraph(text),
        report.table(models_table(every), decimals=1),
    )


def models_table(every: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Give the registered scores of models as a table to show."""
    columns = {
        title: [model["metrics"].get(name) for model in every] for name, title in SCORES.items()
    }
    table = pd.DataFrame(columns, dtype="float64")
    names = [f"{MODELS[of['name']]}, version {of['version']}" for of in every]
    table.insert(0, "model", names)
    return table


def _drift(rows: Sequence[Mapping[str, Any]]) -> str:
    table = pd.DataFrame(rows)
    shown = table[["feature", "psi", "watch_above", "act_above", "status"]]
    shown = shown.assign(feature=shown["feature"].str.replace("_", " "))
    return report.section("Drift", report.paragraph(DRIFT), report.table(shown, MARKS))


def _sources(summary: Mapping[str, Any]) -> str:
    told = summary["sources"]
    if not told:
        return report.section("Source", report.paragraph("Nothing is known of the last read."))
    said = f"{told['read']:,} rows read, {told['left_out']:,} of them left out."
    problems = pd.DataFrame(told["problems"], columns=["reason", "n"]).rename(columns={"n": "rows"})
    parts = [report.table(problems)] if len(problems) else []
    credits = [
        report.paragraph(f"Data: {'; '.join(each)}.") for each in [summary["credits"]] if each
    ]
    return report.section("Source", report.paragraph(said), *parts, *credits)


# Words --------------------------------------------------------------------------------------------


def money(amount: float) -> str:
    """Give an amount in whole thousands, without its currency."""
    return f"{round(amount, -3):,.0f}".replace(",", SPACE)


def _percent(value: float) -> str:
    return f"{value:.1f}{SPACE}%"


def _sales(count: int) -> str:
    return f"{count:,} {'sale' if count == 1 else 'sales'}"


def _day(iso: str) -> str:
    return iso[:10]


def _age(age: pd.Timedelta) -> str:
    return f"{age.days} days" if age.days < 730 else f"{age.days / 365.25:.0f} years"


def _unbroken(text: str) -> str:
    """Give a text in which no line ends."""
    return text.replace(" ", SPACE).replace("-", "\N{NON-BREAKING HYPHEN}")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
