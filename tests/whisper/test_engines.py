"""Which engine there is, and what is said where there is none; decoding is tested with torch."""

import importlib.util
from pathlib import Path

import pytest

from fti.errors import UserError
from whisper import engines

SPECIALS = engines.Specials(257, 256, 360, 361, 362)
WITHOUT_TORCH = pytest.mark.skipif(
    importlib.util.find_spec("torch") is not None, reason="torch is installed here"
)


@WITHOUT_TORCH
def test_torch_is_asked_for_in_a_sentence_where_it_is_missing(tmp_path):
    with pytest.raises(UserError, match=r"requirements/whisper-training\.txt"):
        engines.engine("torch", engines.Weights(tmp_path, tmp_path), SPECIALS)


@pytest.mark.parametrize("name", ["auto", "ctranslate2"])
def test_a_folder_that_holds_no_model_is_named(tmp_path, name):
    weights = engines.Weights(tmp_path)
    with pytest.raises(UserError, match=f"{tmp_path.name}: CTranslate2 cannot load"):
        if name == "auto":
            engines.fastest(weights, SPECIALS)
        else:
            engines.engine(name, weights, SPECIALS)


class Slow:
    """An engine that counts how often it is asked."""

    bands = 80

    def __init__(self, name):
        self.name, self.asked = name, []

    def decode(self, features, prompts, max_tokens, never=()):
        """Take note of what is asked."""
        self.asked.append((features.shape, tuple(prompts[0]), max_tokens, tuple(never)))
        return []


def test_engines_are_probed_in_turn_with_the_same_work():
    several = Slow("one"), Slow("other")
    found = engines.probe(several, SPECIALS, 200)
    assert set(found) == {"one", "other"} and min(found.values()) >= 0
    assert several[0].asked == several[1].asked and len(several[0].asked) == engines.ENOUGH
    shape, prompt, tokens, never = several[0].asked[0]
    assert shape == (1, 80, 200) and prompt[0] == SPECIALS.start and never == (SPECIALS.end,)
    assert tokens == engines.PROBE_TOKENS

    once = Slow("one"), Slow("other")
    engines.probe(once, SPECIALS, 200, longest=0)
    assert len(once[0].asked) == 2


def test_probabilities_are_shares_with_the_highest_first():
    assert engines.shares({"sv": 0.1, "en": 0.3}) == pytest.approx({"en": 0.75, "sv": 0.25})
    assert list(engines.shares({"sv": 0.1, "en": 0.3})) == ["en", "sv"]


def test_importing_needs_no_torch():
    source = (Path(engines.__file__)).read_text("utf-8")
    assert "\nimport torch" not in source and "\nfrom whisper.torch_engine" not in source
