"""Recordings become rows with stable ids, or are left out for a stated reason."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("soundfile")
pytest.importorskip("av")

from tests.whisper.corpora import sound, written
from whisper import audio, clips
from whisper.clips import Recording, Rules, Unusable

GOOD = Recording("digits", "sv", "a.wav", " Fem, sex! ", "train", "ada", " Five, six! ", b"")


def recording(seconds=2.0, **changes):
    data = written(sound(seconds, 8_000), 8_000)
    return replace(GOOD, **{"audio": data} | changes)


def reason(one, rules=clips.RULES):
    with pytest.raises(Unusable) as caught:
        clips.make(one, rules)
    assert caught.value.reason in clips.REASONS
    return caught.value.reason


def test_a_recording_becomes_a_row():
    clip = clips.make(recording())
    assert (clip.text_raw, clip.text_norm, clip.translation) == (
        "Fem, sex!",
        "fem sex",
        "Five, six!",
    )
    assert (clip.seconds, clip.sample_rate, clip.split) == (2.0, 16_000, "train")
    assert len(audio.samples(clip.audio)) == 32_000
    assert clip.sha1 == hashlib.sha1(clip.audio).hexdigest()


def test_the_same_recording_has_the_same_id_wherever_its_audio_lies(tmp_path):
    path = tmp_path / "elsewhere.wav"
    path.write_bytes(recording().audio)
    assert clips.make(replace(recording(), audio=path)) == clips.make(recording())


def test_ids_tell_corpus_split_and_file_apart():
    others = [
        replace(GOOD, **change)
        for change in ({}, {"corpus": "x"}, {"split": "test"}, {"file": "b"})
    ]
    assert len({clips.clip_id(other) for other in others}) == 4
    assert clips.clip_id(replace(GOOD, text="other", speaker="other")) == clips.clip_id(GOOD)


def test_ids_divide_clips_into_even_shares():
    shares = [clips.share(clips.clip_id(replace(GOOD, file=str(n)))) for n in range(2_000)]
    assert 0 <= min(shares) <= max(shares) < 1
    np.testing.assert_allclose(np.histogram(shares, 10)[0], 200, atol=60)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"audio": b"no audio at all"}, clips.UNDECODABLE),
        ({"audio": None}, clips.NO_AUDIO),
        ({"text": " "}, clips.EMPTY_TEXT),
        ({"text": "?! [Music] ..."}, clips.EMPTY_TEXT),
        ({"seconds": 30.5}, clips.TOO_LONG),
        ({"seconds": 0.05}, clips.TOO_SHORT),
        ({"text": "nobody says as much as this in two seconds " * 3}, clips.TOO_MUCH_TEXT),
        ({"text": "我们今天下午一起去公园散步看花吃冰淇淋然后坐车回家" * 2}, clips.TOO_MUCH_TEXT),
        ({"audio": written(np.zeros(16_000, np.int16))}, clips.SILENT),
        ({"problem": clips.HELD_OUT}, clips.HELD_OUT),
    ],
)
def test_what_cannot_be_used_is_left_out_for_a_reason(changes, why):
    assert reason(recording(**changes)) == why


def test_a_file_that_is_not_there_is_no_audio(tmp_path):
    assert reason(replace(GOOD, audio=tmp_path / "none.wav")) == clips.NO_AUDIO


def test_thirty_seconds_are_not_too_long():
    assert clips.make(recording(30.0)).seconds == 30.0


def test_rules_can_be_others():
    assert reason(recording(), Rules(longest=1.0)) == clips.TOO_LONG
    assert reason(recording(), Rules(shortest=3.0)) == clips.TOO_SHORT


def test_rows_without_audio_fit_the_schema_of_the_feature_group():
    clip = clips.make(recording())
    row = {name: getattr(clip, name) for name in clips.COLUMNS if name != "audio"}
    table = pd.DataFrame([row | {"added_at": pd.Timestamp("2026-11-21", tz="UTC")}])
    clips.schema().validate(table.astype({"added_at": "datetime64[us, UTC]"}))


@given(st.text(), st.sampled_from(["sv", "zh", "en"]))
def test_any_text_is_a_row_or_left_out_for_its_text(text, language):
    one = recording(text=text, language=language)
    try:
        clip = clips.make(one)
    except Unusable as error:
        assert error.reason in (clips.EMPTY_TEXT, clips.TOO_MUCH_TEXT)
    else:
        assert clip.text_norm
