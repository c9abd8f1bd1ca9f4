"""A table of what was heard is scored by language, speaker, task and window."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fti.errors import UserError
from whisper import audio, labels, sample, scores, scoring, shards

SAID = {
    "sv": ("Hej på dig.", "Jag heter Åsa.", "Vinden drog.", "Ett, två."),
    "zh": ("你好世界。", "今天天气好。", "河边没风。", "老人看鸟。"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shards of 4 sentences in each of two languages to test with, and of one speaker to train."""
    folder = tmp_path_factory.mktemp("scoring") / "shards"
    spoken = [
        replace(
            recording,
            text=SAID[language][number % 4],
            split="test" if number < 4 else "train",
            speaker=("anna", "bo", "", "cai")[number % 4],
            translation="The wind blew over the old mill."
            if (language, number) == ("sv", 2)
            else "",
        )
        for language in SAID
        for number, recording in enumerate(sample.Sample(language, size=5).recordings())
    ]
    shards.write(spoken, folder, labels.train(one.text for one in spoken))
    return folder


def right(clips, task, window):
    """Hear everything."""
    return [clip.translation if task == "translate" else clip.text_raw for clip in clips]


def first_word(clips, task, window):
    """Hear little, and in short windows one speaker only."""
    said = right(clips, task, window)
    return [text.split()[0] if window == "full" else "" for text in said]


def test_rows_say_what_was_heard_of_which_clip(folder):
    rows = scoring.collect(right, folder, "test", tasks=("transcribe", "translate"))
    assert list(rows) == [
        "clip_id", "language", "speaker", "known_speaker", "seconds", "task", "window",
        "reference", "heard",
    ]  # fmt: skip
    assert len(rows) == 9 and (rows["heard"] == rows["reference"]).all()
    assert rows.loc[rows["task"] == "translate", "reference"].tolist() == [
        "The wind blew over the old mill."
    ]
    known = dict(zip(rows["speaker"], rows["known_speaker"], strict=True))
    assert known == {"anna": True, "bo": False, "": pd.NA, "cai": False}


def test_a_right_model_makes_no_errors_in_any_group(folder):
    found = scoring.score(scoring.collect(right, folder, "test", tasks=("transcribe", "translate")))
    assert found["error_rate"] == found["error_rate_high"] == 0
    assert found["wer"] == found["wer_sv"] == found["cer_zh"] == 0
    assert found["bleu_normalised"] == pytest.approx(100) and found["translations"] == 1
    assert found["clips"] == 8
    assert found["clips_known_speakers"] == 2 and found["clips_new_speakers"] == 4
    assert found["hours"] > 0


def test_error_rate_pools_words_and_characters(folder):
    rows = scoring.collect(right, folder, "test")
    deaf = rows.assign(heard="")
    half = deaf.assign(heard=rows["heard"].where(rows["language"] == "sv", ""))
    words, characters = 3 + 3 + 2 + 2, 4 + 5 + 4 + 4
    assert scoring.score(deaf)["error_rate"] == 1
    found = scoring.score(half)
    assert found["error_rate"] == pytest.approx(characters / (words + characters))
    assert (found["wer"], found["cer_normalised"], found["cer_zh"]) == (0, 1, 1)


def test_the_metrics_are_those_of_the_scores(folder):
    rows = scoring.collect(first_word, folder, "test", windows=("full",))
    swedish = rows[rows["language"] == "sv"]
    expected = scores.transcription(swedish["reference"].tolist(), swedish["heard"].tolist(), "sv")
    found = scoring.score(rows)
    for key in ("wer", "wer_low", "wer_high", "wer_normalised", "wer_normalised_high"):
        assert found[key] == expected[key]


def test_full_windows_have_a_suffix_beside_short_ones(folder):
    found = scoring.score(scoring.collect(first_word, folder, "test", windows=("bucket", "full")))
    assert found["wer"] == 1 and 0.5 < found["wer_full_windows"] < 1
    alone = scoring.score(scoring.collect(first_word, folder, "test", windows=("full",)))
    assert alone["wer"] == found["wer_full_windows"]


def test_silence_is_heard_too_and_does_not_count_as_speech(folder):
    def noisy(clips, task, window):
        return ["Hm." if not clip.text_raw else clip.text_raw for clip in clips]

    rows = scoring.collect(noisy, folder, "test", silent=3)
    found = scoring.score(rows)
    assert found["silent_clips"] == 3 and found["heard_in_silence"] == 1
    assert found["error_rate"] == 0 and found["clips"] == 8
    quiet = scoring.score(scoring.collect(right, folder, "test", silent=3))
    assert quiet["heard_in_silence"] == 0


def test_silence_lasts_as_long_as_speech_and_is_the_same_each_time(folder):
    def sounds(clips, task, window):
        heard.append([audio.samples(clip.audio) for clip in clips])
        return [""] * len(heard[-1])

    heard = []
    for _ in range(2):
        scoring.collect(sounds, folder, "test", silent=8)
    for spoken, silent in zip(heard[0][::2], heard[0][1::2], strict=True):
        assert len(spoken) == len(silent) and not np.array_equal(spoken, silent)
    assert all(np.array_equal(*pair) for pair in zip(*heard, strict=True))


def test_a_sample_is_the_same_clips_each_time_and_part_of_a_larger_one(folder):
    two = scoring.collect(right, folder, "test", limit=2)
    again = scoring.collect(right, folder, "test", limit=2)
    five = scoring.collect(right, folder, "test", limit=5)
    assert two.equals(again) and len(two) == 2 and len(five) == 5
    assert set(two["clip_id"]) < set(five["clip_id"])


def test_a_model_that_only_translates_is_judged_by_its_translations(folder):
    rows = scoring.collect(right, folder, "test", tasks=("translate",))
    assert (rows["task"] == "translate").sum() == 1 and len(rows) == 8
    only = rows[rows["task"] == "translate"]
    assert scoring.score(only)["error_rate"] == pytest.approx(0, abs=1e-9)
    assert scoring.score(only.assign(heard=""))["error_rate"] == 1
    assert scoring.compare(only, only.assign(heard=""))["error_rate_difference"] == -1


def test_two_models_are_compared_on_the_same_clips(folder):
    ours, theirs = (scoring.collect(hear, folder, "test") for hear in (right, first_word))
    found = scoring.compare(ours, theirs)
    assert found["error_rate_difference"] == found["error_rate_difference_high"] == -1
    turned = scoring.compare(ours.iloc[::-1], theirs)
    assert turned == found
    with pytest.raises(UserError, match="only on the same clips"):
        scoring.compare(ours, theirs.iloc[1:])


def test_a_split_without_clips_is_one_sentence(folder):
    with pytest.raises(UserError, match="there are no clips for validation"):
        scoring.collect(right, folder, "validation")
