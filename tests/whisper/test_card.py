"""A model card says what is known: data, licence, recipe, scores with intervals, limits."""

import json

import pandas as pd
import pytest
from huggingface_hub import ModelCard

from whisper import card, recipes

CLIPS = pd.DataFrame(
    {
        "split": ["train", "train", "train", "test"],
        "language": ["sv", "sv", "zh", "sv"],
        "corpus": ["fleurs", "covost2", "fleurs", "fleurs"],
        "translation": ["", "A translation.", "", ""],
        "speaker": ["anna", "anna", "", "bo"],
        "seconds": [1800.0, 1800.0, 3600.0, 36.0],
    }
)


def scores_of(rate):
    """Give scores as `scoring.score` has them."""
    keys = ("error_rate", "wer", "wer_normalised", "wer_sv", "wer_normalised_sv")
    ends = {"": 0.0, "_low": -0.01, "_high": 0.02}
    found = {"clips": 10, "hours": 0.01, "bleu_signature": "nrefs:1"}
    for key in keys:
        name, _, suffix = key.partition("_sv") if key.endswith("_sv") else (key, "", None)
        tail = "" if suffix is None else "_sv"
        found |= {f"{name}{end}{tail}": rate + more for end, more in ends.items()}
    return found


@pytest.fixture
def facts():
    scores = scores_of(0.1) | {
        "silent_clips": 20,
        "heard_in_silence": 0.05,
        "error_rate_difference": -0.3,
        "error_rate_difference_low": -0.35,
        "error_rate_difference_high": -0.25,
        "int8_clips": 50,
        "int8_same_text": 0.98,
        "int8_error_rate_difference": 0.001,
    }
    record = {"run": "fast-0123", "data": "feed", "best_step": 750, "verdict": "accepted"}
    return card.Facts(card.described(CLIPS), record, scores, scores_of(0.4))


def test_clips_are_described_by_split(facts):
    assert facts.data == {
        "languages": ["sv", "zh"],
        "corpora": ["covost2", "fleurs"],
        "translations": 1,
        "splits": {
            "test": {"clips": 1, "hours": 0.01, "speakers": 1},
            "train": {"clips": 3, "hours": 2.0, "speakers": 1},
        },
    }


def test_the_hub_understands_the_front_matter(facts):
    found = ModelCard(card.text_of(facts, recipes.named("fast"), "whisper-sv")).data.to_dict()
    assert found["language"] == ["sv", "zh"] and found["license"] == "cc-by-nc-4.0"
    assert found["base_model"] == "openai/whisper-small"
    assert found["datasets"] == ["fixie-ai/covost2", "google/fleurs"]
    assert found["pipeline_tag"] == "automatic-speech-recognition"
    assert found["library_name"] == "transformers" and found["metrics"] == ["wer"]
    (result,) = found["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == 0.1


def test_scores_stand_beside_those_of_the_starting_model(facts):
    text = card.text_of(facts, recipes.named("fast"))
    assert "| WER, normalised | 10.0 (9.0 to 12.0) | 40.0 (39.0 to 42.0) |" in text
    assert "| WER: sv | 10.0 (9.0 to 12.0) | 40.0 (39.0 to 42.0) |" in text
    assert "Error rate less that of the starting model: -30.0 points (-35.0 to -25.0)." in text
    assert "In 5% of 20 clips of silence or noise it wrote something." in text
    assert "on 50 clips of validation it wrote the same text in 98% of cases" in text


def test_data_and_recipe_are_told(facts):
    text = card.text_of(facts, recipes.named("fast", learning_rate=1e-4))
    assert "covost2 (CC-BY-NC-4.0); fleurs (CC-BY-4.0)." in text
    assert "| train | 3 | 2 | 1 |" in text
    assert (
        "Trained from openai/whisper-small by the recipe `fast`, with learning_rate 0.0001." in text
    )
    assert "- best step: 750" in text
    assert "and translates it into English" in text


@pytest.mark.parametrize(
    ("corpora", "licence"),
    [
        (["common_voice"], "CC0-1.0"),
        (["common_voice", "fleurs"], "CC-BY-4.0"),
        (["fleurs", "my own"], "other"),
        (["sample"], "other"),
    ],
)
def test_the_licence_is_the_strictest_of_the_data(corpora, licence):
    clips = pd.concat([CLIPS.head(1).assign(corpus=corpus) for corpus in corpora])
    assert card.Facts(card.described(clips)).licence == licence


def test_a_model_from_scratch_has_no_base_model(facts):
    text = card.text_of(facts, recipes.named("tiny"))
    assert "base_model" not in text and "from random weights" in text


def test_files_beside_the_model_are_plain_json(facts, tmp_path):
    card.write(facts, recipes.named("fast"), tmp_path)
    record = json.loads((tmp_path / "training.json").read_text())
    assert record["windows"] == [4, 6, 8, 12, 20, 30] and record["longest"] == 30
    assert record["tasks"] == ["transcribe", "translate"] and record["run"] == "fast-0123"
    assert recipes.restored(record["knobs"]) == recipes.named("fast")
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found == {"test": facts.scores, "starting": facts.starting}


def test_a_model_trained_on_full_windows_only_says_so(facts):
    record = card.record(facts, recipes.named("seed"))
    assert record["windows"] == [30.0] and record["tasks"] == ["transcribe"]
