"""Our model of the varieties beats the seeds' and reaches its targets on the real flowers."""

import pytest

from fti import evaluation
from iris.features import TASK
from iris.model import RECIPE


@pytest.fixture(scope="module")
def scores(flowers):
    """Name -> scores of 10 x 5 cross-validation, on other folds than the reported ones."""
    models = {"ours": RECIPE.candidate("discriminant"), **RECIPE.baselines()}
    return {
        name: evaluation.cross_validate(TASK, model, flowers, flowers["variety"], seed=7).scores
        for name, model in models.items()
    }


def test_ours_reaches_the_targets(scores):
    assert scores["ours"]["accuracy"] >= 0.98
    assert scores["ours"]["log_loss"] <= 0.06


def test_ours_beats_the_seeds_and_the_textbook(scores):
    ours = scores.pop("ours")
    assert all(ours["accuracy"] > other["accuracy"] for other in scores.values())
    assert ours["log_loss"] < scores["seed_nearest_neighbours"]["log_loss"]
    assert scores["majority"]["accuracy"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", RECIPE.parts)
def test_every_candidate_has_a_form_without_scikit_learn(flowers, name):
    fitted = RECIPE.candidate(name).fit(flowers, flowers["variety"])
    scorer, files = RECIPE.scorer(fitted)
    given = scorer.predict_proba(flowers)
    assert abs(given - fitted.predict_proba(flowers)).max() < 1e-9
    assert list(files) == ["scorer.json"]
