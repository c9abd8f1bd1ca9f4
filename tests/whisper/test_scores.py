"""Scores are the textbook's, with what to do about silence and chance."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti.errors import UserError
from whisper import scores

ROOT = Path(__file__).parents[2]
SAID = ["Hej, på dig!", "jag heter Åsa", "", "tre fyra fem"]
HEARD = ["hej på dig", "jag heter osa", "x", "tre fem fem sju"]
TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=6).map(" ".join)


def distance(said, heard):
    """Levenshtein's distance by his own table."""
    row = list(range(len(heard) + 1))
    for i, one in enumerate(said, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (one != other))
    return row[-1]


@settings(max_examples=200)
@given(pairs=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_errors_of_each_clip_are_the_edit_distance(pairs):
    said, heard = zip(*pairs, strict=True)
    words = scores.word_counts(said, heard)
    assert words.errors.tolist() == [distance(a.split(), b.split()) for a, b in pairs]
    assert words.units.tolist() == [len(a.split()) for a in said]
    characters = scores.character_counts(said, heard)
    assert characters.errors.tolist() == [distance(a, b) for a, b in pairs]


def test_errors_are_pooled_over_clips_raw_and_normalised():
    found = scores.transcription(SAID, HEARD, "sv")
    # Raw: hej and dig in case and punctuation, Åsa, x, and two in the last clip.
    assert found["wer"] == pytest.approx(6 / 9)
    assert found["wer_normalised"] == pytest.approx(4 / 9)
    assert found["wer_low"] <= found["wer"] <= found["wer_high"]
    assert found["clips"] == 4


def test_chinese_is_scored_by_character():
    found = scores.transcription(["你好，世界", "今天天气好"], ["你好世界", "今天 天汽好"], "zh")
    assert found["cer_normalised"] == pytest.approx(1 / 9)
    assert found["cer"] == pytest.approx(3 / 10)  # the comma, the blank, the character
    assert "wer" not in found


def test_what_is_heard_in_silence_counts_as_insertions():
    found = scores.transcription(["a b", "", "..."], ["a b", "x y", ""], "en")
    assert found["wer_normalised"] == 1.0
    assert (found["silent_clips"], found["heard_in_silence"]) == (2, 0.5)
    assert scores.transcription(["a"], ["a"], "en")["heard_in_silence"] == 0.0


def test_tabs_and_line_ends_are_blanks():
    assert scores.transcription(["a\tb\n c"], ["a b c"], "en")["wer"] == 0


def test_an_interval_covers_the_true_rate_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        units = rng.integers(3, 12, 80)
        counts = scores.Counts(rng.binomial(units, 0.2), units)
        low, high = scores.rate_interval(counts, resamples=200, seed=trial)
        covered += low <= 0.2 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_intervals_depend_only_on_the_seed_and_not_on_memory(monkeypatch):
    counts = scores.word_counts(SAID * 9, HEARD * 9)
    once = scores.rate_interval(counts, 300, seed=3)
    assert once == scores.rate_interval(counts, 300, seed=3)
    assert once != scores.rate_interval(counts, 300, seed=4)
    monkeypatch.setattr(scores, "_AT_ONCE", 50)
    assert once == scores.rate_interval(counts, 300, seed=3)


def test_models_compared_on_the_same_clips_differ_more_surely():
    rng = np.random.default_rng(0)
    units = np.full(100, 10)
    theirs = rng.binomial(units, rng.uniform(0, 0.8, 100))  # some clips are hard for both
    ours = np.maximum(theirs - (rng.random(100) < 0.3), 0)
    mine, peers = scores.Counts(ours, units), scores.Counts(theirs, units)
    low, high = scores.difference_interval(mine, peers)
    assert low < mine.rate - peers.rate < high < 0
    assert scores.rate_interval(mine)[1] > scores.rate_interval(peers)[0]
    assert scores.difference_interval(mine, mine) == (0, 0)
    with pytest.raises(UserError, match="same references"):
        scores.difference_interval(mine, scores.Counts(theirs, units + 1))


def test_translations_are_scored_by_sacrebleu_and_clips_without_one_left_out():
    from sacrebleu import corpus_bleu, corpus_chrf

    said = ["The cat sat on the mat today.", "", "A dog runs fast in the park."]
    heard = ["the cat sat on a mat today", "anything", "A dog runs fast in the park."]
    found = scores.translation(said, heard, resamples=50)
    kept = ([heard[0], heard[2]], [[said[0], said[2]]])
    assert found["bleu"] == pytest.approx(corpus_bleu(*kept).score)
    assert found["chrf"] == pytest.approx(corpus_chrf(*kept).score)
    assert found["bleu_normalised"] > found["bleu"]
    assert 0 <= found["bleu_low"] <= found["bleu_high"] <= 100
    assert "bs:50|seed:12345" in found["bleu_signature"]
    assert (found["clips"], found["without_reference"]) == (2, 1)


def test_translations_that_share_nothing_score_zero():
    found = scores.translation(["one two three"], ["zzz"], resamples=5)
    assert found["chrf"] == found["chrf_low"] == found["chrf_high"] == 0


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_translations_into_languages_without_blanks_are_cut_into_characters(language):
    texts = ["今天天气很好", "我用手机打电话"]
    assert scores.translation(texts, texts, language, resamples=2)["bleu"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: scores.transcription(["a"], [], "sv"), "1 references and 0 hypotheses"),
        (lambda: scores.transcription([], [], "sv"), "no clips"),
        (lambda: scores.transcription(["", "!"], ["a", "b"], "sv"), "none of 2 references"),
        (lambda: scores.translation([""], ["a"]), "there is no translation"),
    ],
    ids=["lengths", "no clips", "only silence", "no translation"],
)
def test_what_cannot_be_scored_is_refused_in_one_sentence(call, said):
    with pytest.raises(UserError, match=said):
        call()


@pytest.mark.skipif(find_spec("evaluate") is None, reason="evaluate is not installed")
def test_metrics_of_evaluate_give_the_same_numbers_and_ask_no_hub(tmp_path):
    code = """
import json
from whisper import scores
said, heard = ["Hej, du!", "", "ett två"], ["hej du", "x", "ett tre"]
texts = {"references": said, "predictions": heard}
asked = {"word_error_rate": {"language": "sv"}, "character_error_rate": {"language": "sv"},
         "translation": {"resamples": 20}}
found = {name: scores.load_metric(name).compute(**texts, **more) for name, more in asked.items()}
ours = {"word_error_rate": scores.error_rate("wer", said, heard, "sv"),
        "character_error_rate": scores.error_rate("cer", said, heard, "sv"),
        "translation": scores.translation(said, heard, resamples=20)}
print(json.dumps([found, ours]))
"""
    offline = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT,
        env=os.environ | offline | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    found, ours = json.loads(done.stdout.splitlines()[-1])
    assert found == ours
