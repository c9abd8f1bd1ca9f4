"""What training is tested with: one thread, no network, and shards of the spoken digits.

The tests of this folder need torch and transformers, and are not there where these are missing.
"""

import importlib.util
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

HAVE_TORCH = importlib.util.find_spec("torch") and importlib.util.find_spec("transformers")
DIGITS = Path(__file__).parents[4] / "shared/data/whisper/spoken_digits"

if HAVE_TORCH:
    os.environ["HF_HUB_OFFLINE"] = "1"  # before anything reads it
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # else workers that are forked warn

    import torch

    torch.set_num_threads(1)
else:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def digits_shards(tmp_path_factory):
    """A folder of shards: 200 of the spoken digits, whose tokenizer is beside them.

    A speaker each is held out for test and for validation; the other two are trained on.
    """
    if not DIGITS.exists():
        pytest.skip("the spoken digits are not on this machine")
    from whisper import labels, shards, sources

    folder = tmp_path_factory.mktemp("digits") / "shards"
    spoken = list(sources.read(str(DIGITS), "en"))[::5]
    shards.write(spoken, folder, labels.train(one.text for one in spoken))
    return folder


@pytest.fixture(scope="session")
def digits_tokenizer(digits_shards):
    """The tokenizer of `digits_shards`."""
    from whisper import labels

    return labels.load(digits_shards / "tokenizer")


@dataclass(frozen=True)
class Overfitted:
    """A model of 20 digits that it knows by heart, and the shards that these are in."""

    model: Any
    tokenizer: Any
    recipe: Any
    shards: Path


@pytest.fixture(scope="session")
def overfitted(tmp_path_factory):
    """A model that knows 20 clips by heart: 5 to train, 5 for validation, 10 for test.

    Of the digits to 4, those of jackson are to train and those of theo in test; of the others,
    jackson's are in test and theo's for validation. So jackson is known in test, and theo new.
    """
    if not DIGITS.exists():
        pytest.skip("the spoken digits are not on this machine")
    from tests.whisper.training.memorising import SMALL, memorised
    from whisper import labels, shards, sources

    splits = {("jackson", True): "train", ("theo", False): "validation"}
    spoken = [
        replace(one, split=splits.get((one.speaker, number < 10), "test"))
        for number, one in enumerate(list(sources.read(str(DIGITS), "en"))[::50])
    ]
    folder = tmp_path_factory.mktemp("overfitted") / "shards"
    tokenizer = labels.train(one.text for one in spoken)
    shards.write(spoken, folder, tokenizer)
    size = {"windows": (0.6, 1.0), "longest": 1.0, "target_positions": 16, "max_new_tokens": 10}
    recipe = replace(SMALL, **size)
    clips = list(shards.read(shards.files(folder)))
    return Overfitted(memorised(recipe, tokenizer, clips), tokenizer, recipe, folder)
