"""Is it good enough: schema checks, drift, scores of probabilities and the champion gate.

Numbers here are effect sizes with the row counts beside them, never p-values: on a large sample a
p-value finds every difference, on a small one none.
"""

import logging
import re
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fti.errors import UserError

log = logging.getLogger(__name__)

# The usual reading of PSI, a rule of thumb from credit scoring (Siddiqi, Credit Risk Scorecards,
# 2006): below 0.1 stable, 0.1 to 0.25 watch, above 0.25 act.
PSI_WATCH = 0.1
PSI_ACT = 0.25
MIN_ROWS = 50  # with so few a share of one half is still uncertain by 14 points (95 %)
BINS = 10
Z_95 = 1.959963984540054  # standard normal quantile of a two-sided 95 % interval
LONGEST_WARNING = 160  # characters
WARNED = re.compile(r" failed element-wise validator number \d+:")  # in pandera's own words
SHOWN = 3  # values and keys that an error message shows of each failed check


class DataError(UserError, ValueError):
    """A table or a column of scores is not what it has to be."""


# Schema checks


def check(table: pd.DataFrame, schema, what: str) -> pd.DataFrame:
    """Return `table` as the pandera `schema` validated it (coerced where the schema says so).

    Raises one `DataError` that names `what` and lists every failed check with its column, the
    number of rows, and the first values and row keys (the schema's `unique` columns, else the
    index). What checks that only warn found is logged, a line each.
    """
    from pandera.errors import SchemaErrors, SchemaWarning

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", SchemaWarning)
        try:
            checked, failures = schema.validate(table, lazy=True), None
        except SchemaErrors as error:
            checked, failures = table, error.failure_cases
    for warning in found:
        said = WARNED.sub(" is not as expected:", str(warning.message))
        log.warning("%s: %s", what, textwrap.shorten(said, LONGEST_WARNING))
    if failures is None:
        return checked
    keys = _key_columns(schema, table)
    lines = [_failed_check(cases, table, keys) for cases in _by_check(failures)]
    ways = f"{len(lines)} check{'s' if len(lines) > 1 else ''}"
    raise DataError("\n- ".join([f"{what} fails {ways} ({len(table)} rows):", *lines]))


def _key_columns(schema, table: pd.DataFrame) -> list[str]:
    schema = schema.to_schema() if hasattr(schema, "to_schema") else schema
    unique = [schema.unique] if isinstance(schema.unique, str) else list(schema.unique or [])
    usable = unique and set(unique) <= set(table.columns) and table.index.is_unique
    return unique if usable else []


def _by_check(failures: pd.DataFrame) -> list[pd.DataFrame]:
    """Split pandera's failure cases by check, table-wide checks last."""
    failures = failures.assign(whole=failures["schema_context"] == "DataFrameSchema")
    # a table-wide check repeats each failing row once per column; structure checks have no rows
    failures.loc[failures["whole"] & failures["index"].notna(), "column"] = None
    groups = failures.groupby(["whole", "column", "check"], sort=True, dropna=False)
    return [cases for _, cases in groups]


def _failed_check(cases: pd.DataFrame, table: pd.DataFrame, keys: list[str]) -> str:
    first = cases.iloc[0]
    rows = cases["index"].dropna().unique()
    subject = first["column"] if isinstance(first["column"], str) else "table"
    text = f"{subject}: {first['check']}"
    if not first["whole"] or not len(rows):
        shown = [str(value) for value in cases["failure_case"].unique()]
        text += f", got {_first(shown)}"
    if len(rows):
        named = [_row_key(table, row, keys) for row in rows[:SHOWN]]
        text += f", in {len(rows)} row{'s' if len(rows) > 1 else ''}: {_first(named, len(rows))}"
    return text


def _first(texts: Sequence[str], of: int | None = None) -> str:
    more = len(texts) if of is None else of
    return ", ".join(texts[:SHOWN]) + (", ..." if more > SHOWN else "")


def _row_key(table: pd.DataFrame, row, keys: list[str]) -> str:
    if not keys:
        return f"index {row}"
    return " ".join(f"{key}={table.at[row, key]}" for key in keys)


# Drift


def psi(reference, current, bins: int = BINS) -> float:
    """Population stability index of `current` against `reference`: sum of (c - r) ln(c / r).

    r and c are the shares of the two samples in bins that the reference alone fixes: its
    quantiles, each of its values when it has no more than `bins`, or its categories. Unseen
    categories share one bin and missing values are a bin. Half a row is added to every bin (the
    Jeffreys prior), so that an empty one does not make the index infinite. 0 for equal samples,
    nan when either has no row. Siddiqi (2006), Credit Risk Scorecards; the sum is Jeffreys'
    divergence (Kullback and Leibler, 1951).
    """
    return _psi(*_bin_counts(_series(reference), _series(current), bins))


def psi_noise(bins: int, n_reference: int, n_current: int) -> float:
    """The PSI to expect between two samples of one population: (bins - 1)(1/n_ref + 1/n_cur).

    Yurdakul and Naranjo (2020), Statistical properties of the population stability index, Journal
    of Risk Model Validation 14(4): without drift PSI / (1/n_ref + 1/n_cur) is about chi-squared
    with bins - 1 degrees of freedom.
    """
    if min(n_reference, n_current) == 0:
        return float("inf")
    return (bins - 1) * (1 / n_reference + 1 / n_current)


def ks(reference, current) -> float:
    """Kolmogorov-Smirnov distance: the largest gap between the two distribution functions.

    Of the values present, from 0 (same) to 1 (apart); nan when either sample has none. The
    statistic of `scipy.stats.ks_2samp`, without the price of importing it or of its p-value.
    """
    reference, current = (np.sort(_present_numbers(v)) for v in (reference, current))
    if not len(reference) or not len(current):
        return float("nan")
    values = np.concatenate([reference, current])
    below = [np.searchsorted(v, values, side="right") / len(v) for v in (reference, current)]
    return float(np.abs(below[0] - below[1]).max())


def jensen_shannon(reference, current, bins: int = BINS) -> float:
    """Jensen-Shannon divergence in bits, 0 (same) to 1 (nothing in common), in the bins of `psi`.

    Lin (1991), Divergence measures based on the Shannon entropy. The square of
    `scipy.spatial.distance.jensenshannon(..., base=2)`. nan when either sample has no row.
    """
    from scipy.special import rel_entr

    counts = _bin_counts(_series(reference), _series(current), bins)
    if not all(count.sum() for count in counts):
        return float("nan")
    p, q = (count / count.sum() for count in counts)
    bits = (rel_entr(p, (p + q) / 2).sum() + rel_entr(q, (p + q) / 2).sum()) / (2 * np.log(2))
    return float(np.clip(bits, 0, 1))


def missing_rate(values) -> float:
    """Share of rows without a value; nan when there are no rows."""
    missing = _series(values).isna()
    return float(missing.mean()) if len(missing) else float("nan")


def unseen_rate(reference, current) -> float:
    """Share of current values that the reference never had; nan when there are none.

    For categories: not one of the reference's. For numbers: outside its smallest and largest.
    """
    reference = _series(reference)
    if _is_number(reference):
        seen, values = _present_numbers(reference), _present_numbers(current)
        low, high = (seen.min(), seen.max()) if len(seen) else (np.inf, -np.inf)
        unseen = (values < low) | (values > high)
    else:
        values = _series(current).dropna().astype(object)
        unseen = ~values.isin(reference.dropna().unique())
    return float(unseen.mean()) if len(values) else float("nan")


def drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: Sequence[str] | None = None,
    *,
    bins: int = BINS,
    min_rows: int = MIN_ROWS,
) -> pd.DataFrame:
    """Compare each column of `current` with `reference` (default: all of its columns), a row each.

    Out: feature, kind (number or category), psi, ks (numbers) or jensen_shannon (categories),
    missing_reference, missing_current, unseen, n_reference, n_current, watch_above, act_above,
    status. The status reads psi alone, which counts missing and unseen values as bins: above
    `watch_above` it is "watch", above `act_above` "act", else "stable". Both thresholds are the
    usual ones plus `psi_noise`, the PSI that two samples of this size show without any drift.
    Where that noise alone exceeds 0.1, or a sample has fewer than `min_rows` rows, the status is
    "too few rows": gather more days before reading it. At the smallest sizes that do get a status
    up to one in ten features without drift reads "watch" and one in sixty "act" (chi-squared, see
    `psi_noise`); with a thousand rows practically none does.
    """
    names = list(reference.columns if columns is None else columns)
    for what, table in (("reference", reference), ("current", current)):
        absent = [name for name in names if name not in table.columns]
        if absent:
            raise DataError(f"the {what} table lacks {', '.join(absent)}, so drift has no answer")
    rows = [_feature_drift(reference[name], current[name], bins, min_rows) for name in names]
    return pd.DataFrame(rows)


def _feature_drift(reference: pd.Series, current: pd.Series, bins: int, min_rows: int) -> dict:
    number = _is_number(reference)
    counts = _bin_counts(reference, current, bins)
    noise = psi_noise(len(counts[0]), len(reference), len(current))
    enough = min(len(reference), len(current)) >= min_rows and noise <= PSI_WATCH
    value = _psi(*counts)
    return {
        "feature": reference.name,
        "kind": "number" if number else "category",
        "psi": value,
        "ks": ks(reference, current) if number else float("nan"),
        "jensen_shannon": float("nan") if number else jensen_shannon(reference, current),
        "missing_reference": missing_rate(_numbers(reference) if number else reference),
        "missing_current": missing_rate(_numbers(current) if number else current),
        "unseen": unseen_rate(reference, current),
        "n_reference": len(reference),
        "n_current": len(current),
        "watch_above": PSI_WATCH + noise,
        "act_above": PSI_ACT + noise,
        "status": _status(value - noise) if enough else "too few rows",
    }


def _status(excess: float) -> str:
    if excess > PSI_ACT:
        return "act"
    return "watch" if excess > PSI_WATCH else "stable"


def _psi(reference: np.ndarray, current: np.ndarray) -> float:
    if not reference.sum() or not current.sum():
        return float("nan")
    r, c = ((count + 0.5) / (count.sum() + 0.5 * len(count)) for count in (reference, current))
    return float(np.sum((c - r) * np.log(c / r)))


def _bin_counts(
    reference: pd.Series, current: pd.Series, bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each sample per bin, without the bins that are empty in both: they are no bins."""
    if _is_number(reference):
        known, codes_of = _edges(_present_numbers(reference), bins), _number_codes
    else:
        known, codes_of = pd.Index(reference.dropna().unique(), dtype=object), _category_codes
    size = len(known) + 2
    counts = [np.bincount(codes_of(v, known), minlength=size) for v in (reference, current)]
    used = sum(counts) > 0
    return counts[0][used], counts[1][used]


def _number_codes(values: pd.Series, edges: np.ndarray) -> np.ndarray:
    """Bin of each number: up to each upper edge, then above the last, then missing."""
    numbers = _numbers(values)
    codes = np.searchsorted(edges, numbers, side="left")
    return np.where(np.isnan(numbers), len(edges) + 1, codes)


def _category_codes(values: pd.Series, categories: pd.Index) -> np.ndarray:
    """Position of each value among the categories, then unseen, then missing."""
    codes = categories.get_indexer(pd.Index(values, dtype=object))
    codes = np.where(codes < 0, len(categories), codes)
    return np.where(values.isna(), len(categories) + 1, codes)


def _edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Upper edges of the bins: inner quantiles, or each value where there are no more than bins."""
    distinct = np.unique(values)
    if len(distinct) <= bins:
        return distinct
    shares = np.linspace(0, 1, bins + 1)[1:-1]
    return np.unique(np.quantile(values, shares, method="inverted_cdf"))


def _series(values) -> pd.Series:
    return values if isinstance(values, pd.Series) else pd.Series(values)


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _numbers(values) -> np.ndarray:
    """As floats; what is not a number becomes missing and so shows up in the missing rate."""
    numbers = pd.to_numeric(_series(values), errors="coerce")
    return numbers.to_numpy(dtype=float, na_value=np.nan)


def _present_numbers(values) -> np.ndarray:
    numbers = _numbers(values)
    return numbers[~np.isnan(numbers)]


# Scores of probabilities


def binary_scores(y, p) -> dict[str, float]:
    """Score probabilities `p` of outcomes `y` (0 or 1): accuracy, auc, log_loss, brier, n.

    Accuracy is at probability 0.5; Brier (1950) is the mean of (p - y)^2; the area under the ROC
    curve is nan where all outcomes are the same. log_loss clips p to the machine epsilon, as
    scikit-learn does.
    """
    y, p = _outcomes(y, p)
    return {
        "accuracy": float(np.mean((p >= 0.5) == y)),
        "auc": _auc(y, p),
        "log_loss": _log_loss(np.where(y == 1, p, 1 - p)),
        "brier": float(np.mean((p - y) ** 2)),
        "n": len(y),
    }


def multiclass_scores(y, p, labels: Sequence) -> dict[str, float]:
    """Score class probabilities: accuracy, auc, log_loss, brier, n.

    In: the true label of each row, a table of probabilities (one column per label, in the order
    of `labels`, each row summing to 1). auc is the mean over labels of one against the rest, nan
    where a label does not occur; brier is the sum over classes, 0 to 2 (Brier, 1950).
    """
    p = np.asarray(p, dtype=float)
    true = pd.Index(list(labels)).get_indexer(pd.Index(np.asarray(y)))
    if p.shape != (len(true), len(labels)) or not len(true) or (true < 0).any():
        raise DataError("scoring needs a known label and one probability per label for each row")
    if not (p >= 0).all() or not np.allclose(p.sum(axis=1), 1, atol=1e-4):
        raise DataError("class probabilities have to be at least 0 and sum to 1 in each row")
    hits = np.eye(len(labels))[true]
    return {
        "accuracy": float(np.mean(p.argmax(axis=1) == true)),
        "auc": float(np.mean([_auc(hits[:, k], p[:, k]) for k in range(len(labels))])),
        "log_loss": _log_loss(p[np.arange(len(true)), true]),
        "brier": float(np.mean(((p - hits) ** 2).sum(axis=1))),
        "n": len(true),
    }


def reliability_bins(y, p, bins: int = 10) -> pd.DataFrame:
    """Compare what was predicted with what happened, in equal steps of probability.

    Out, a row per bin also where it is empty: lower, upper, n, mean_predicted, observed_rate and
    its 95 % Wilson interval (observed_low, observed_high).
    """
    y, p = _outcomes(y, p)
    edges = np.linspace(0, 1, bins + 1)
    of_row = np.searchsorted(edges[1:-1], p, side="right")
    rows = [_rates(y[of_row == k], p[of_row == k]) for k in range(bins)]
    return pd.DataFrame({"lower": edges[:-1], "upper": edges[1:]}).join(pd.DataFrame(rows))


def expected_calibration_error(y, p, bins: int = 10) -> float:
    """Mean gap between predicted and observed rate over reliability bins, weighted by rows.

    Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian
    binning.
    """
    table = reliability_bins(y, p, bins).query("n > 0")
    gaps = (table["mean_predicted"] - table["observed_rate"]).abs()
    return float(np.average(gaps, weights=table["n"]))


def group_rates(y, p, groups) -> pd.DataFrame:
    """What was predicted and what happened in each group: the columns of `reliability_bins`.

    A missing group is a group of its own.
    """
    y, p = _outcomes(y, p)
    if len(groups) != len(y):
        raise DataError(f"{len(groups)} group names do not belong to {len(y)} outcomes")
    names = pd.Series(np.asarray(groups))
    rows = [
        {"group": name} | _rates(y[of_group.index], p[of_group.index])
        for name, of_group in names.groupby(names, dropna=False)
    ]
    return pd.DataFrame(rows)


def confusion(y, predicted, labels: Sequence) -> pd.DataFrame:
    """Count each pair of true and predicted label; also the pairs that did not occur.

    Out: actual, predicted, n, rate (share of the rows with that actual label; nan without any).
    """
    codes = [pd.Index(list(labels)).get_indexer(pd.Index(np.asarray(v))) for v in (y, predicted)]
    if len(codes[0]) != len(codes[1]):
        raise DataError(f"{len(codes[1])} predictions do not belong to {len(codes[0])} outcomes")
    if any((code < 0).any() for code in codes):
        raise DataError(
            f"every outcome and prediction has to be one of {', '.join(map(str, labels))}"
        )
    k = len(labels)
    counts = np.bincount(codes[0] * k + codes[1], minlength=k * k)
    table = pd.MultiIndex.from_product([labels, labels], names=["actual", "predicted"])
    table = table.to_frame(index=False).assign(n=counts)
    totals = table.groupby("actual", sort=False)["n"].transform("sum")
    return table.assign(rate=table["n"] / totals.where(totals > 0))


def wilson_interval(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a rate from `hits` in `n` rows (Wilson, 1927); [0, 1] without rows."""
    if not n:
        return 0.0, 1.0
    rate, z2 = hits / n, Z_95**2
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * np.sqrt(rate * (1 - rate) / n + z2 / (4 * n**2))
    low = 0.0 if hits == 0 else centre - half  # exactly, where rounding would miss the rate itself
    high = 1.0 if hits == n else centre + half
    return float(max(0.0, low)), float(min(1.0, high))


def _rates(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    low, high = wilson_interval(int(y.sum()), len(y))
    return {
        "n": len(y),
        "mean_predicted": float(p.mean()) if len(p) else float("nan"),
        "observed_rate": float(y.mean()) if len(y) else float("nan"),
        "observed_low": low,
        "observed_high": high,
    }


def _outcomes(y, p) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes as 0 or 1 and probabilities as floats, or a `DataError` that says what is wrong."""
    try:
        y, p = np.asarray(y, dtype=float).ravel(), np.asarray(p, dtype=float).ravel()
    except (TypeError, ValueError) as error:
        raise DataError(f"outcomes and probabilities have to be numbers ({error})") from None
    if len(y) != len(p):
        raise DataError(f"{len(p)} probabilities do not belong to {len(y)} outcomes")
    if not len(y):
        raise DataError("there are no rows to score")
    if not np.isin(y, (0, 1)).all():
        raise DataError("outcomes have to be 0 or 1 in every row")
    if not ((p >= 0) & (p <= 1)).all():
        raise DataError("probabilities have to be from 0 to 1 in every row")
    return y.astype(int), p


def _auc(y: np.ndarray, p: np.ndarray) -> float:
    """Share of pairs in which the row with outcome 1 has the larger p (Mann and Whitney, 1947)."""
    ones = int(y.sum())
    if not 0 < ones < len(y):
        return float("nan")
    ranks = pd.Series(p).rank().to_numpy()
    return float((ranks[y == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(y) - ones)))


def _log_loss(p_of_true: np.ndarray) -> float:
    epsilon = np.finfo(float).eps
    return float(-np.mean(np.log(np.clip(p_of_true, epsilon, 1 - epsilon))))


# The champion gate


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate model replaces the current version, and why, in one sentence."""

    accepted: bool
    reason: str


def champion_gate(
    candidate: Mapping[str, float],
    champion: Mapping[str, float] | None,
    *,
    metric: str,
    higher_is_better: bool,
    margin: float = 0.0,
    guard: Mapping[str, float] | None = None,
) -> Verdict:
    """Decide whether a candidate replaces the current version, both scored on the same rows.

    Accepted without a champion, or when `metric` is better by at least `margin` (0: not worse;
    negative: so much worse is still fine, which repeated every day adds up) and no score in
    `guard` rose by more than its tolerance there. Guards are scores where lower is better; the
    default is {"brier": 0.01} where the candidate has a Brier score. A score that is missing, nan
    or infinite is refused, and so are scores from different numbers of rows.
    """
    if guard is None:
        guard = {"brier": 0.01} if "brier" in candidate else {}
    for who, scores in (("the candidate", candidate), ("the current version", champion)):
        unusable = [] if scores is None else _unusable(scores, [metric, *guard])
        if unusable:
            return Verdict(False, f"refused: {who} has no usable {', '.join(unusable)}")
    if champion is None:
        return Verdict(True, f"accepted: {metric} {candidate[metric]:.4f}, no version to beat yet")
    if candidate.get("n") != champion.get("n"):
        counts = f"{candidate.get('n')} and {champion.get('n')}"
        return Verdict(False, f"refused: not scored on the same rows ({counts} of them)")
    return _compare(candidate, champion, metric, higher_is_better, margin, guard)


def _compare(candidate, champion, metric, higher_is_better, margin, guard) -> Verdict:
    gain = (candidate[metric] - champion[metric]) * (1 if higher_is_better else -1)
    asked = f"has to gain {margin:.4f}" if margin > 0 else f"may lose {abs(margin):.4f}"
    tests = [(metric, gain >= margin - 1e-12, asked)]  # equal scores may differ in the last bits
    for name, tolerance in guard.items():
        rise = candidate[name] - champion[name]
        tests.append((name, rise <= tolerance + 1e-12, f"may rise {tolerance:.4f}"))
    accepted = all(passed for _, passed, _ in tests)
    shown = tests if accepted else [test for test in tests if not test[1]]
    parts = [f"{n} {candidate[n]:.4f} against {champion[n]:.4f} ({asked})" for n, _, asked in shown]
    rows = f" on the same {candidate['n']} rows" if candidate.get("n") else ""
    return Verdict(accepted, f"{'accepted' if accepted else 'refused'}: {', '.join(parts)}{rows}")


def _unusable(scores: Mapping[str, float], names: Sequence[str]) -> list[str]:
    """The scores among `names` that are missing or not finite, with what they are instead."""
    wrong = {name: scores.get(name) for name in names}
    return [
        name if value is None else f"{name} ({value})"
        for name, value in wrong.items()
        if value is None or not np.isfinite(value)
    ]
