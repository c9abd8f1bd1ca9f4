"""How good the forecasts are: trained on the past, scored on later weeks, beside three baselines.

    evaluate(sources, train_until, evaluate_from)   one split, as anyone can repeat it
    rolling(sources)                                each month from all months before it
    held_out(table)                                 the last quarter, of the stored hours: training

`sources` holds the tables `kp`, `weather` and `labels` (`aurora.feeds.tables`).

What the scores mean. The headline takes index and weather as they were observed: it says how good
the model is when both are forecast without error, and the same for the seed's tree. `by_lead` takes
the index as it was known so many hours before, with nobody's forecast of it; the weather is still
that observed, since nobody kept what was forecast. So for the weather's sake all of them are upper
bounds of what a real forecast reaches. All hours include daylight, in which nobody sees anything:
most of their AUC is darkness. `dark` hours have the sun below -6 degrees. Hours that nobody watched
are in no score.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from aurora import features, model, scoring
from aurora.feeds.tables import kp_table
from fti import console, quality

DARK = features.DARK
LEADS = (0, 6, 24, 72)  # hours from issue to the start of the hour
DAY = pd.Timedelta(days=1)
LEAST = {"hours": 200, "seen": 20}  # a month of fewer watched hours or less aurora is not scored
HELD_OUT = 0.25  # of the dark hours that were watched: the last ones
RESAMPLES = 200
WEEK = pd.Timedelta(weeks=1)
SCORES = (
    "auc",
    "average_precision",
    "brier",
    "brier_skill",
    "max_tss",
    "calibration_error",
    "base_rate",
)
SPREADS = ("auc", "average_precision", "brier", "dark_auc", "dark_brier_skill")

When = str | date | pd.Timestamp


def evaluate(
    sources: Mapping[str, pd.DataFrame],
    train_until: When | None = None,
    evaluate_from: When | None = None,
    evaluate_until: When | None = None,
    site: str = "kiruna",
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Train on hours up to the end of the day `train_until`, score those from `evaluate_from` on.

    One of the two days follows from the other; without both, the last quarter is scored (`split`).
    Out: the scores of `scores` for ours, their "spread" (standard deviation over resampled weeks),
    and the same scores under "seed_tree", "climatology" and "persistence"; "by_lead", for ours and
    the seed's tree; "reliability" of dark hours; "rows"; "trained_until", "from" and "until", the
    hours that bound training and scoring. Numbers that do not exist are None.
    """
    tables = observed_and_known(sources, site)
    observed = tables["observed"]
    if train_until is None and evaluate_from is None:
        train, test = split(observed)
    else:
        start = _day(train_until) + DAY if evaluate_from is None else _day(evaluate_from)
        stop = start if train_until is None else _day(train_until) + DAY
        hour, seen = observed["valid_hour"], is_watched(observed)
        end = hour.max() if evaluate_until is None else _day(evaluate_until) + DAY - features.HOUR
        train, test = seen & (hour < stop), seen & hour.between(start, end)
        if (train & test).any():
            raise quality.DataError(f"hours from {start:%Y-%m-%d} on are also trained on")
    _require(train, tables, "train on", states=2)
    _require(test, tables, "score", states=1)
    given = forecasts(tables, train, test, seed, progress)
    return report(given, progress) | period(observed, train, test)


def held_out(
    table: pd.DataFrame, seed: int = 0, progress: bool = False
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Train on all but the last quarter of a feature table with labels, and score that.

    In: the rows of `aurora_hours`, times in UTC. Out: the columns of `forecasts`, and the report of
    `evaluate`.
    """
    train, test = split(table)
    given = forecasts(with_leads(table, stored_kp(table)), train, test, seed, progress)
    return given, report(given, progress) | period(table, train, test)


def split(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Part the watched hours of a table by time: those to train on, those to score.

    Scored is from the noon on after which the last quarter of the dark hours lies; trained on is
    what ended a day before that.
    """
    seen, hour = is_watched(table), table["valid_hour"]
    dark = hour[seen & (table["sun_altitude"] < DARK)]
    if dark.empty:
        return seen & False, seen & False
    half_day = DAY / 2
    cut = dark.quantile(1 - HELD_OUT, interpolation="lower") - half_day
    noon = cut.floor("D") + half_day
    return seen & (hour < noon - DAY), seen & (hour >= noon)


def lacking(table: pd.DataFrame, rows: pd.Series) -> str:
    """Say what these rows lack to train on or to score, in dark hours; "" if nothing."""
    chosen = table[rows & (table["sun_altitude"] < DARK)]
    seen = int((chosen["aurora"] == "yes").sum())
    enough = len(chosen) >= LEAST["hours"] and LEAST["seen"] <= seen <= len(chosen) - LEAST["seen"]
    return "" if enough else f"{len(chosen)} dark hours, {seen} of them with aurora"


def period(table: pd.DataFrame, train: pd.Series, test: pd.Series) -> dict[str, str]:
    """Give the last hour trained on, the first and the last scored, as ISO 8601."""
    hour = table["valid_hour"]
    bounds = {"trained_until": hour[train].max(), "from": hour[test].min()}
    return {name: when.isoformat() for name, when in (*bounds.items(), ("until", hour[test].max()))}


def rolling(
    sources: Mapping[str, pd.DataFrame],
    until: When | None = None,
    site: str = "kiruna",
    seed: int = 0,
) -> dict[str, Any]:
    """Forecast each month by models of all hours that ended a day before it, and score all of them.

    Only months with enough dark hours count, from the second on; `until` is the last day. Out: as
    `evaluate`, and "by_month" with the scores of each.
    """
    tables = observed_and_known(sources, site)
    hour, seen = tables["observed"]["valid_hour"], is_watched(tables["observed"])
    if until is not None:
        seen &= hour < _day(until) + DAY
    month = hour.dt.strftime("%Y-%m")
    months, parts = [], []
    for name in sorted(month.unique()):
        test, train = seen & (month == name), seen & (hour < _day(f"{name}-01") - DAY)
        if all(_enough(rows, tables) for rows in (train, test)):
            months.append(name)
            parts.append(forecasts(tables, train, test, seed))
    if not parts:
        raise quality.DataError("there is no month to forecast from an earlier one")
    found = report(pd.concat(parts, ignore_index=True))
    each = {name: _both(part) for name, part in zip(months, parts, strict=True)}
    return found | {"by_month": each}


def observed_and_known(
    sources: Mapping[str, pd.DataFrame], site: str = "kiruna"
) -> dict[str, pd.DataFrame]:
    """Give the labelled feature tables of the same hours: "observed", and "lead_<hours>" for each.

    They differ in what of the index was known; the weather is as observed in all of them. Hours
    with a label and without weather or index are there too: unknown.
    """
    labels = features.labels_while_watched(sources["labels"], site)
    hours = pd.DatetimeIndex(labels["time"])
    issued = features.observed_at(hours)
    kp, weather = sources["kp"], sources["weather"]
    return with_leads(features.build_features(site, hours, kp, weather, issued, labels), kp)


def with_leads(observed: pd.DataFrame, kp: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Give labelled rows as "observed", and as known so many hours before as "lead_<hours>"."""
    known = {f"lead_{lead}": known_before(observed, kp, lead) for lead in LEADS}
    return {"observed": observed, **known}


def stored_kp(table: pd.DataFrame) -> pd.DataFrame:
    """Give the `kp` table, of hours, that the rows of a feature table were made of."""
    known = table[table["kp_age_h"] == 0].drop_duplicates("valid_hour").sort_values("valid_hour")
    hours = pd.DatetimeIndex(known["valid_hour"])
    ends = hours.floor("3h") + features.KP_DELAY  # each stands for the three of a Kp
    return kp_table(hours, known["kp"].to_numpy(), index="Hp60", status="stored", issued_at=ends)


def known_before(table: pd.DataFrame, kp: pd.DataFrame, lead: int) -> pd.DataFrame:
    """Give the rows with what was known of the index `lead` hours before each; weather as it is."""
    hours = pd.DatetimeIndex(table["valid_hour"])
    issued = hours - pd.Timedelta(hours=lead)
    index = features.kp_features(kp, hours, issued).set_index(table.index)
    return table.assign(issued_at=issued, **index)


def forecasts(
    tables: Mapping[str, pd.DataFrame],
    train: pd.Series,
    test: pd.Series,
    seed: int = 0,
    progress: bool = False,
) -> pd.DataFrame:
    """Train ours and the baselines on some rows and let them forecast others.

    Out, a row for each test hour: valid_hour, seen (0 or 1), dark, a column of probabilities for
    each model ("ours", "seed_tree", "climatology", "persistence") as observed, and
    "<model>_lead_<hours>" for ours and the seed's tree.
    """
    observed = tables["observed"]
    y = (observed["aurora"] == "yes").astype(int)
    fitted = {"ours": model.candidate(seed=seed), **model.baselines()}
    title = "training ours and what it is compared with" if progress else None
    for estimator in console.progress(fitted.values(), len(fitted), title):
        estimator.fit(observed[train], y[train])
    given = observed.loc[test, ["valid_hour"]].assign(
        seen=y[test], dark=observed.loc[test, "sun_altitude"] < DARK
    )
    for name, estimator in fitted.items():
        given[name] = model.probability(estimator, observed[test])
    for lead in (name for name in tables if name != "observed"):
        for name in ("ours", "seed_tree"):
            given[f"{name}_{lead}"] = model.probability(fitted[name], tables[lead][test])
    return given.assign(persistence=persistence(observed, train, test)).reset_index(drop=True)


def persistence(table: pd.DataFrame, train: pd.Series, test: pd.Series) -> np.ndarray:
    """Give the share of training hours with aurora among those with the same sky a day before.

    The sky a day before was seen with aurora, without, or was not watched: three shares.
    """
    before, seen = scoring.states_a_day_before(table), table["aurora"] == "yes"
    share = scoring.shares_by_state(before[train], seen[train])
    return pd.Series(share, index=scoring.STATES)[before[test]].to_numpy()


# Scores


def report(given: pd.DataFrame, progress: bool = False) -> dict[str, Any]:
    """Give the scores that `evaluate` promises, from the columns of `forecasts`."""
    leads = [name.removeprefix("ours_lead_") for name in given if name.startswith("ours_lead_")]
    dark = given[given["dark"]]
    return {
        **scores(given, "ours"),
        "spread": spread(given, "ours", progress=progress),
        **{name: scores(given, name) for name in ("seed_tree", "climatology", "persistence")},
        "by_lead": {
            lead: {
                **scores(given, f"ours_lead_{lead}"),
                "seed_tree": scores(given, f"seed_tree_lead_{lead}"),
            }
            for lead in leads
        },
        "reliability": reliability(dark) if len(dark) else [],
        "rows": {"hours": len(given), "dark": len(dark), "seen": int(given["seen"].sum())},
    }


def scores(given: pd.DataFrame, name: str, brief: bool = False) -> dict[str, float | None]:
    """Score a column of probabilities, over all hours and, as dark_<score>, over dark ones.

    auc; average_precision; brier; brier_skill (1 less Brier over that of climatology); max_tss (the
    largest hit rate less false alarm rate over thresholds: Hanssen and Kuipers, 1965);
    calibration_error (expected, in ten bins); base_rate. `brief` leaves out these last three.
    """
    whole, dark = (_scores(rows, name, brief) for rows in (given, given[given["dark"]]))
    return whole | {f"dark_{score}": value for score, value in dark.items()}


def _scores(given: pd.DataFrame, name: str, brief: bool) -> dict[str, float | None]:
    from sklearn.metrics import average_precision_score, roc_curve

    if not len(given):
        return dict.fromkeys(SCORES)
    y, p = given["seen"].to_numpy(), given[name].to_numpy()
    basic = quality.binary_scores(y, p)
    usual = quality.binary_scores(y, given["climatology"])["brier"]
    both = 0 < y.sum() < len(y)
    found = {
        "auc": basic["auc"] if both else None,
        "average_precision": float(average_precision_score(y, p)) if both else None,
        "brier": basic["brier"],
        "brier_skill": 1 - basic["brier"] / usual if usual else None,
    }
    if brief:
        return found
    false_alarms, hits, _ = roc_curve(y, p) if both else ([0.0], [0.0], None)
    return found | {
        "max_tss": float(np.max(np.subtract(hits, false_alarms))) if both else None,
        "calibration_error": quality.expected_calibration_error(y, p),
        "base_rate": float(y.mean()),
    }


def reliability(given: pd.DataFrame) -> list[dict[str, float | None]]:
    """Give what ours said and what happened, in ten steps of probability."""
    bins = quality.reliability_bins(given["seen"], given["ours"])
    return bins.astype("object").where(bins.notna(), None).to_dict("records")


def spread(
    given: pd.DataFrame, name: str, resamples: int = RESAMPLES, progress: bool = False
) -> dict[str, float | None]:
    """Give the standard deviation of `SPREADS` when whole weeks are drawn with replacement.

    Hours of a night are alike and nights of a week often are: hours drawn singly would make the
    spread look smaller than it is.
    """
    week = (given["valid_hour"] - given["valid_hour"].min()) // WEEK
    weeks = [rows for _, rows in given.groupby(week)]
    if len(weeks) < 3:
        return dict.fromkeys(SPREADS)
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(weeks), len(weeks)) for _ in range(resamples)]
    bar = console.progress(drawn, resamples, "resampling weeks" if progress else None)
    found = pd.DataFrame(
        [scores(pd.concat([weeks[k] for k in ks]), name, brief=True) for ks in bar]
    )
    return {score: float(found[score].astype("float64").std()) for score in SPREADS}


def _both(given: pd.DataFrame) -> dict[str, Any]:
    names = ("seed_tree", "climatology", "persistence")
    return scores(given, "ours") | {name: scores(given, name) for name in names}


def is_watched(table: pd.DataFrame) -> pd.Series:
    """Where somebody knows whether there was aurora."""
    return table["aurora"] != features.UNKNOWN


def _enough(rows: pd.Series, tables: Mapping[str, pd.DataFrame]) -> bool:
    table = tables["observed"][rows]
    return len(table) >= LEAST["hours"] and (table["aurora"] == "yes").sum() >= LEAST["seen"]


def _require(rows: pd.Series, tables: Mapping[str, pd.DataFrame], what: str, states: int) -> None:
    if tables["observed"].loc[rows, "aurora"].nunique() < states:
        found = f"{int(rows.sum())} watched hours"
        need = "hours with aurora and hours without" if states > 1 else "some"
        raise quality.DataError(f"there are {found} to {what}, and it takes {need}")


def _day(when: When) -> pd.Timestamp:
    moment = pd.Timestamp(when)
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
