from datetime import date
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split

from fti.errors import SourceError
from titanic import features, sources, synthetic

NUMBERS = ["age", "sibsp", "parch", "fare", "family_size", "ticket_group", "fare_per_person"]
WORDS = ["pclass", "sex", "embarked", "title", "deck", "cabin_known", "survived"]
DAY = "2026-11-20"
COURSE_CSV = Path(__file__).parents[3] / "shared" / "data" / "titanic" / "titanic.csv"


@pytest.fixture(scope="module")
def real():
    return features.build_features(sources.sample())


@pytest.fixture(scope="module")
def generator(real):
    return synthetic.fit(real)


@pytest.fixture(scope="module")
def many(generator):
    return generator.sample(20_000, DAY)


def test_the_same_date_gives_the_same_rows(generator):
    pd.testing.assert_frame_equal(
        generator.sample(50, DAY), generator.sample(50, pd.Timestamp(DAY, tz="UTC"))
    )


def test_a_generator_learnt_anew_gives_the_same_rows(generator, real):
    pd.testing.assert_frame_equal(
        synthetic.fit(real.copy()).sample(50, DAY), generator.sample(50, date(2026, 11, 20))
    )


def test_another_date_gives_other_rows(generator):
    today, tomorrow = generator.sample(50, DAY), generator.sample(50, "2026-11-21")
    assert not set(today["passenger_id"]) & set(tomorrow["passenger_id"])
    assert (today["name"] != tomorrow["name"]).sum() > 40


@pytest.mark.parametrize("n", [0, 1, 3, 10, 16_384, 17_000])
def test_the_first_passengers_of_a_day_do_not_depend_on_how_many_are_asked(generator, many, n):
    pd.testing.assert_frame_equal(generator.sample(n, DAY), many.head(n))


def test_batches_are_the_sample_in_bounded_pieces(generator, many):
    pieces = list(generator.batches(20_000, DAY))
    assert max(map(len, pieces)) <= synthetic.BLOCK
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), many)


def test_rows_say_what_they_are_and_when_they_are_from(generator):
    row = generator.sample(2, "2026-11-20T23:30:00-02:00").iloc[1]
    assert row["passenger_id"] == 2026_11_21_00000001
    assert row["generated_at"] == row["recorded_at"] == pd.Timestamp("2026-11-21", tz="UTC")
    assert row["is_synthetic"]
    assert not row["drifted"]
    assert row["generator_version"] == synthetic.VERSION


def test_columns_are_the_features_and_the_extra_ones_with_the_same_types(many, real):
    assert list(many) == [*features.COLUMNS, *synthetic.EXTRA_COLUMNS]
    assert many[list(features.COLUMNS)].dtypes.equals(real.dtypes)


@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(0, 300),
    day=st.dates(date(1912, 4, 15), date(2200, 1, 1)),
    rate=st.none() | st.floats(0, 1),
    drift=st.sampled_from([0.0, 0.3, 1, True, 5.0]),
)
def test_every_rule_holds_whatever_is_asked(generator, n, day, rate, drift):
    rows = generator.sample(n, day, survival_rate=rate, drift=drift)
    assert len(rows) == n
    assert (rows["drifted"] == bool(drift)).all()
    assert_rules_hold(rows)


def test_every_rule_holds_in_a_large_day(many):
    assert_rules_hold(many)


def assert_rules_hold(rows):
    features.schema().validate(rows[list(features.COLUMNS)])
    age, sex, title = rows["age"].dropna(), rows["sex"], rows["title"]
    assert age.between(0.08, synthetic.OLDEST).all()
    assert (age[age >= 1] % 0.5 == 0).all()
    assert np.isfinite(rows["fare"]).all()
    assert rows["embarked"].isin(features.PORTS).all()
    assert set(title[sex == "female"]) <= {"Miss", "Mrs", "officer", "noble"}
    assert set(title[sex == "male"]) <= {"Mr", "Master", "officer", "noble"}
    assert (rows["age"][title == "Master"].dropna() < 15).all()
    assert (rows["age"][title == "Mrs"].dropna() >= 14).all()
    assert (rows["ticket_group"] >= rows["family_size"]).all()  # true of the table learnt from
    assert not ((rows["age"] < 12) & (rows["ticket_group"] == 1)).any()
    for pclass, decks in synthetic.DECKS_OF.items():
        assert set(rows["deck"][rows["pclass"] == pclass]) <= {*decks, features.UNKNOWN}
    assert (rows["family_size"] == rows["sibsp"] + rows["parch"] + 1).all()
    assert (rows["fare_per_person"] == rows["fare"] / rows["ticket_group"]).all()
    assert (rows["cabin_known"] == (rows["deck"] != features.UNKNOWN)).all()
    assert features.titles(rows).tolist() == title.tolist()


def test_passengers_survive_at_the_real_rate_unless_asked_otherwise(generator, many, real):
    assert many["survived"].mean() == pytest.approx(real["survived"].mean(), abs=0.01)
    asked = generator.sample(5000, DAY, survival_rate=0.9)
    assert asked["survived"].mean() == pytest.approx(0.9, abs=0.02)
    assert generator.sample(100, DAY, survival_rate=0)["survived"].sum() == 0


def test_drift_is_visible_in_age_class_and_fare(generator, many):
    drifted = generator.sample(20_000, DAY, drift=1.0)
    assert drifted["age"].mean() > many["age"].mean() + 5
    assert (drifted["pclass"] == 3).mean() > (many["pclass"] == 3).mean() + 0.15
    third = [rows[rows["pclass"] == 3]["fare"].median() for rows in (drifted, many)]
    assert third[0] > 1.3 * third[1]


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"n": -1}, "0 to 100,000,000"),
        ({"n": 10**8 + 1}, "0 to 100,000,000"),
        ({"survival_rate": 1.1}, "between 0 and 1"),
        ({"survival_rate": float("nan")}, "between 0 and 1"),
        ({"drift": -0.1}, "0 or more"),
    ],
)
def test_impossible_wishes_are_refused(generator, asked, fault):
    with pytest.raises(ValueError, match=fault):
        generator.sample(**{"n": 5, "date": DAY} | asked)


def test_a_small_table_with_gaps_is_enough(real):
    few = real.groupby("survived").head(6).reset_index(drop=True)
    few.loc[few["survived"] == 1, ["age", "fare", "fare_per_person"]] = np.nan
    rows = synthetic.fit(few).sample(200, DAY)
    features.schema().validate(rows[list(features.COLUMNS)])
    assert rows["fare"].notna().all()


def test_decks_and_ages_that_break_a_rule_are_not_learnt(real):
    odd = real.assign(deck="A", age=np.where(real["title"] == "Mrs", 3.0, 40.0))
    rows = synthetic.fit(odd).sample(500, DAY)
    assert (rows["deck"] == "A").equals(rows["pclass"] == 1)
    assert (rows["age"][rows["title"] == "Mrs"] == 14).all()
    assert (rows["age"][rows["title"] == "Master"] == 14).all()


@pytest.mark.parametrize(
    ("change", "lack"),
    [
        ({"survived": 0}, "survived and lost"),
        ({"age": np.nan}, "a known age"),
        ({"fare": np.nan}, "a known fare"),
        ({"embarked": "unknown"}, "a known port"),
    ],
)
def test_a_table_too_poor_to_learn_from_is_named(real, change, lack):
    with pytest.raises(SourceError, match=f"lack {lack}.*: give a fuller table"):
        synthetic.fit(real.assign(**change))


@pytest.fixture(scope="module", params=["sample", "course"])
def split(request):
    """Real passengers to learn from, others to test on, and as many synthetic ones."""
    if request.param == "course" and not COURSE_CSV.exists():
        pytest.skip("the course's CSV is not beside the repository")
    raw = sources.read("sample" if request.param == "sample" else str(COURSE_CSV))
    table = features.build_features(raw)
    train, test = train_test_split(table, test_size=0.3, random_state=0, stratify=table["survived"])
    return train, test, synthetic.fit(train).sample(2000, DAY)


def test_a_model_trained_on_synthetic_rows_does_about_as_well_on_real_ones(split):
    train, test, made = split
    assert survival_auc(made, test) >= survival_auc(train, test) - 0.03


def test_a_classifier_hardly_tells_synthetic_rows_from_real_ones(split):
    train, _, made = split
    both = as_numbers(pd.concat([train, made.head(len(train))]))
    is_made = np.repeat([0, 1], len(train))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = GradientBoostingClassifier(random_state=0)
    guesses = cross_val_predict(model, both, is_made, cv=folds, method="predict_proba")
    assert roc_auc_score(is_made, guesses[:, 1]) <= 0.68


def test_synthetic_rows_hardly_ever_copy_a_real_one(split):
    train, _, made = split
    real = set(map(tuple, as_numbers(train).round(4).to_numpy()))
    copies = [tuple(row) in real for row in as_numbers(made).round(4).to_numpy()]
    assert np.mean(copies) <= 0.01


def test_columns_and_pairs_are_spread_as_in_the_real_table(split):
    train, _, made = split
    both = [in_fifths(rows, train) for rows in (train, made)]
    numbers = [step_distance(train[name].dropna(), made[name].dropna()) for name in NUMBERS]
    words = [share_distance(*(rows[name] for rows in both)) for name in WORDS]
    pairs = [
        share_distance(*(rows[one] + "|" + rows[other] for rows in both))
        for one, other in combinations([*NUMBERS, *WORDS], 2)
    ]
    shapes = 1 - np.mean(numbers + words)
    assert (shapes + 1 - np.mean(pairs)) / 2 >= 0.94


def survival_auc(train, test):
    x, y = (as_numbers(rows).drop(columns="survived") for rows in (train, test))
    model = GradientBoostingClassifier(random_state=0).fit(x, train["survived"])
    return roc_auc_score(test["survived"], model.predict_proba(y)[:, 1])


def as_numbers(rows):
    codes = {"sex": features.SEXES, "embarked": features.PORTS, "title": features.TITLES}
    codes["deck"] = features.DECKS
    table = rows[[*NUMBERS, *WORDS]].copy()
    for name, words in codes.items():
        table[name] = rows[name].map({word: code for code, word in enumerate(words)})
    return table.astype(float).fillna(-1)


def in_fifths(rows, train):
    """All columns as words; numbers as the fifth of `train` they fall into."""
    table = rows[WORDS].astype(str)
    for name in NUMBERS:
        edges = np.unique(train[name].quantile([0.2, 0.4, 0.6, 0.8]))
        fifths = np.searchsorted(edges, rows[name])
        table[name] = np.where(rows[name].isna(), "?", fifths.astype(str))
    return table


def step_distance(real, made):
    """The largest distance between two cumulative distributions (Kolmogorov-Smirnov)."""
    at = np.unique(np.concatenate([real, made]))
    steps = [np.searchsorted(np.sort(x), at, side="right") / len(x) for x in (real, made)]
    return np.abs(steps[0] - steps[1]).max()


def share_distance(real, made):
    """The total variation distance between the shares of words."""
    shares = [words.value_counts(normalize=True) for words in (real, made)]
    return shares[0].sub(shares[1], fill_value=0).abs().sum() / 2
