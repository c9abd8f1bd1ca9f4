"""Trees as arrays say what the library that grew them says, and a bad file says so."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from fti import trees
from fti.models import ModelError
from fti.trees import Trees

WIDTH = 4
SMALL = {"n_jobs": 1, "random_state": 0}
FOREST = {"n_estimators": 1, "num_parallel_tree": 20, "learning_rate": 1, "subsample": 0.6}
XGBOOST = {
    "boosted": XGBClassifier(n_estimators=30, max_depth=3, **SMALL),
    "forest": XGBClassifier(objective="reg:squarederror", max_depth=9, **FOREST, **SMALL),
    "regressed": XGBRegressor(n_estimators=10, max_depth=4, **SMALL),
    "pruned": XGBClassifier(n_estimators=20, max_depth=6, gamma=3, **SMALL),
    "leafwise": XGBClassifier(n_estimators=5, grow_policy="lossguide", max_leaves=12, **SMALL),
    "stumps that learn nothing": XGBClassifier(n_estimators=2, min_child_weight=1e6, **SMALL),
}


def rows(count=400, unknown=0.2):
    """Give columns in steps, some values unknown, and labels that depend on them."""
    rng = np.random.default_rng(0)
    X = rng.integers(-6, 7, (count, WIDTH)) / 3
    y = (X[:, 0] * X[:, 1] + rng.normal(size=count) > 0.3).astype(int)
    X[rng.random(X.shape) < unknown] = np.nan
    return X, y


def near(scorer):
    """A strategy for rows: values on thresholds, right beside them, far away and unknown.

    scikit-learn parts the unknown from the rest by an infinite threshold, and takes no such value.
    """
    split = scorer.threshold[scorer.left != np.arange(len(scorer.left))]
    marks = {0.0, *split[np.isfinite(split)].astype("float64").tolist()[:40]}
    beside = {float(np.nextafter(np.float32(x), np.float32(d))) for x in marks for d in (-9e9, 9e9)}
    value = st.sampled_from([*sorted(marks | beside), -1e30, 1e30, np.nan])
    return arrays("float32", st.tuples(st.integers(0, 20), st.just(WIDTH)), elements=value)


@pytest.fixture(scope="module", params=XGBOOST)
def boosters(request):
    """A fitted model of XGBoost and its arrays."""
    fitted = XGBOOST[request.param].fit(*rows())
    return fitted, trees.of(fitted)


@pytest.fixture(scope="module", params=[0.0, 0.2], ids=["all known", "some unknown"])
def decision_trees(request):
    """A fitted tree of scikit-learn and its arrays."""
    fitted = DecisionTreeClassifier(random_state=0).fit(*rows(unknown=request.param))
    return fitted, trees.of_decision_tree(fitted)


@pytest.fixture(scope="module")
def scorer():
    """The arrays of a small boosted model."""
    return trees.of(XGBClassifier(n_estimators=5, max_depth=3, **SMALL).fit(*rows()))


@given(st.data())
@settings(deadline=None, max_examples=30)
def test_rows_reach_the_leaves_that_they_reach_in_xgboost(boosters, data):
    fitted, scorer = boosters
    X = data.draw(near(scorer))
    labels = isinstance(fitted, XGBClassifier)
    given = fitted.predict_proba(X)[:, 1] if labels else fitted.predict(X)
    np.testing.assert_allclose(scorer.probability(X), given, rtol=0, atol=2e-6)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_rows_reach_the_leaves_that_they_reach_in_scikit_learn(decision_trees, data):
    fitted, scorer = decision_trees
    X = data.draw(near(scorer))
    given = fitted.predict_proba(X)[:, 1] if len(X) else []  # it refuses none
    np.testing.assert_array_equal(scorer.probability(X), given)


@pytest.mark.parametrize("threshold", [0.1, 1 / 3, -7.3, 0.0, 1e-40, 2.5])
def test_a_value_on_the_threshold_goes_left_in_a_decision_tree(threshold):
    at = np.float32(threshold)
    beside = [np.nextafter(at, np.float32(d)) for d in (-np.inf, np.inf)]
    goes_right = np.array([*beside, at]).astype("float64") > threshold
    found = trees._next_above(np.array([threshold]))
    assert found.dtype == "float32"
    np.testing.assert_array_equal(np.array([*beside, at]) >= found, goes_right)


def test_the_probability_of_any_label_of_a_decision_tree():
    X, y = rows()
    fitted = DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, np.array(["b", "a"])[y])
    for k, label in enumerate("ab"):
        found = trees.of_decision_tree(fitted, label).probability(X.astype("float32"))
        np.testing.assert_array_equal(found, fitted.predict_proba(X)[:, k])


def test_many_rows_are_scored_as_one_by_one(scorer):
    X = np.tile(rows()[0].astype("float32"), (2, 1))
    assert len(X) > 3 * trees.CHUNK
    one_by_one = np.concatenate([scorer.total(X[k : k + 1]) for k in range(len(X))])
    np.testing.assert_array_equal(scorer.total(X), one_by_one)


def test_columns_that_are_missing_are_told(scorer):
    with pytest.raises(ValueError, match=r"ask for \d columns, there are 1"):
        scorer.probability(np.zeros((2, 1), "float32"))


@pytest.mark.parametrize(
    "strange",
    [
        XGBClassifier(n_estimators=2, objective="multi:softprob", **SMALL),
        XGBClassifier(n_estimators=2, booster="dart", **SMALL),
        XGBRegressor(n_estimators=2, objective="count:poisson", **SMALL),
    ],
    ids=["three labels", "weighted trees", "counts"],
)
def test_models_that_the_arrays_cannot_say_are_refused(strange):
    X, _ = rows()
    three = np.arange(len(X)) % (3 if strange.objective == "multi:softprob" else 2)
    with pytest.raises(ValueError, match="not understood"):
        trees.of(strange.fit(X, three))


def test_splits_by_category_are_refused():
    words = pd.DataFrame({"word": pd.Categorical(list("abcd") * 50)})
    fitted = XGBClassifier(n_estimators=2, enable_categorical=True, max_cat_to_onehot=1, **SMALL)
    with pytest.raises(ValueError, match="not understood"):
        trees.of(fitted.fit(words, (words["word"] == "a") | (words["word"] == "c")))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("left", lambda a: np.where(a == 1, 0, a)),  # back to the root: it would never arrive
        ("right", lambda a: a + len(a)),
        ("column", lambda a: a - 1),
        ("roots", lambda a: a - 1),
        ("roots", lambda a: a[0]),
        ("value", lambda a: a[:-1]),
    ],
)
def test_arrays_that_are_no_trees_are_refused(scorer, name, change):
    changed = vars(scorer) | {name: change(getattr(scorer, name))}
    with pytest.raises(ValueError, match="trees"):
        Trees(**{field: changed[field] for field in Trees.__dataclass_fields__})


# As files


def made(arrays):
    """Give the trees called "one" in a file."""
    return Trees(**trees.unpack(arrays)["one"])


def test_a_file_gives_back_what_was_packed(scorer, tmp_path):
    path = tmp_path / "trees.npz"
    packed = trees.pack({"one": scorer, "one.more": scorer})
    path.write_bytes(trees.save(packed | {"alone": np.arange(3)}))

    found = trees.read(path, trees.unpack)

    assert set(found) == {"one", "one.more", ""} and list(found[""]["alone"]) == [0, 1, 2]
    X = rows()[0].astype("float32")
    for name in ("one", "one.more"):
        again = Trees(**found[name])
        np.testing.assert_array_equal(again.probability(X), scorer.probability(X))
        assert {k: v.dtype for k, v in found[name].items()} == {
            name: np.asarray(getattr(scorer, name)).dtype for name in found[name]
        }


def test_every_flipped_byte_is_found_or_harmless(scorer, tmp_path):
    path, X = tmp_path / "trees.npz", rows()[0].astype("float32")
    whole = trees.save(trees.pack({"one": scorer}))
    rng = np.random.default_rng(0)
    found = 0
    for place in rng.integers(0, len(whole), 400):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            again = trees.read(path, made)
        except ModelError as error:
            found += 1
            assert str(path) in str(error) and "run the training pipeline again" in str(error)
        else:
            np.testing.assert_array_equal(again.probability(X), scorer.probability(X))
    assert found > 300


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", b"\x80\x04N.", trees.save({"one.left": np.arange(3)}), trees.save({})],
    ids=["empty", "text", "pickle", "half", "nothing"],
)
def test_a_foreign_file_is_one_sentence(content, tmp_path):
    path = tmp_path / "trees.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"trees\.npz is damaged or of another model") as error:
        trees.read(path, made)
    assert "\n" not in str(error.value)


def test_a_missing_or_cut_file_is_one_sentence(scorer, tmp_path):
    path = tmp_path / "trees.npz"
    with pytest.raises(ModelError, match=r"trees\.npz is missing: run the training pipeline"):
        trees.read(path, made)
    whole = trees.save(trees.pack({"one": scorer}))
    for kept in (10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        with pytest.raises(ModelError, match="damaged"):
            trees.read(path, made)


def test_a_file_runs_no_code(tmp_path):
    class Loud:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "trees.npz"
    np.savez(path, **{"one.left": np.array([Loud()], dtype=object)})
    assert zipfile.is_zipfile(path)
    with pytest.raises(ModelError, match="allow_pickle=False"):
        trees.read(path, made)
    assert not (tmp_path / "ran").exists()
