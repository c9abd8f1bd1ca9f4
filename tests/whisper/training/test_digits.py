"""That a model learns to hear words: the spoken digits, by a bar that guessing cannot reach."""

from dataclasses import replace

import pytest

from tests.whisper.training.conftest import DIGITS
from whisper import evaluation, labels, networks, recipes, shards, sources, training

BAR = 0.6  # of recordings by voices that it knows; the commonest digit is wrong nine times of ten
RECIPE = recipes.named(
    "tiny",
    augmentation=recipes.NOT_AT_ALL,
    max_steps=400,
    eval_steps=400,
    save_steps=400,
    workers=0,
)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Shards of all the digits: of each voice, a tenth is for validation and a tenth for test."""
    if not DIGITS.exists():
        pytest.skip("the spoken digits are not on this machine")
    places = {0: "validation", 1: "test"}
    spoken = [
        replace(one, split=places.get(number % 10, "train"))
        for number, one in enumerate(sources.read(str(DIGITS), "en"))
    ]
    folder = tmp_path_factory.mktemp("digits") / "shards"
    shards.write(spoken, folder, labels.train(one.text for one in spoken))
    return folder


def test_a_model_learns_from_nothing_to_hear_digits(digits, tmp_path):
    tokenizer = labels.load(digits / "tokenizer")
    heard_by = {
        "untrained": networks.build(RECIPE, tokenizer),
        "trained": training.fit(RECIPE, digits, tokenizer, tmp_path).model,
    }
    rates = {
        name: evaluation.evaluate(model, tokenizer, digits, "test", RECIPE)["error_rate"]
        for name, model in heard_by.items()
    }
    assert rates["untrained"] >= 0.9
    assert rates["trained"] < BAR, rates
