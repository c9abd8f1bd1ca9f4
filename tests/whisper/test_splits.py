"""Who is held out stays held out, and a model is tested on voices it knows and on new ones."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fti.errors import SourceError
from whisper import splits
from whisper.clips import HELD_OUT, TESTED_ELSEWHERE, Recording
from whisper.splits import Splits


def lines(count, speakers=0, split=""):
    """Give recordings of speakers in turn."""
    return [
        Recording("c", "en", f"{n}.wav", "hi", split, f"voice {n % speakers}" if speakers else "")
        for n in range(count)
    ]


def placed(recordings, **how):
    """Give the split of each recording that can be used, by its file."""
    made = Splits.of(recordings, **how)
    found = map(made.place, recordings)
    return {one.file: one.split for one in found if not one.problem}


def voices(recordings, split, where):
    return {one.speaker for one in recordings if where[one.file] == split}


def test_many_speakers_spare_some_for_test_and_validation():
    corpus = lines(2_000, speakers=20)
    where = placed(corpus)
    assert len(voices(corpus, "validation", where)) == 2
    assert len(voices(corpus, "train", where)) == 16
    known = voices(corpus, "test", where) & voices(corpus, "train", where)
    assert len(voices(corpus, "test", where) - known) == 2
    of_known = [n for n in corpus if n.speaker in known and where[n.file] == "test"]
    assert len(of_known) == pytest.approx(160, rel=0.25)
    assert not voices(corpus, "validation", where) & voices(corpus, "train", where)


def test_few_speakers_spare_none_for_validation():
    corpus = lines(400, speakers=4)
    where = placed(corpus)
    assert Counter(where.values()) == {"train": 240, "validation": 30, "test": 130}
    assert voices(corpus, "validation", where) == voices(corpus, "train", where)


def test_tested_elsewhere_all_speakers_train():
    corpus = lines(400, speakers=4)
    where = placed(corpus, elsewhere=True)
    assert Counter(where.values()) == {"train": 360, "validation": 40}
    assert len(voices(corpus, "train", where)) == 4


@pytest.mark.parametrize("speakers", [0, 1])
def test_where_no_speaker_can_be_held_out_recordings_are(speakers, caplog):
    assert Counter(placed(lines(100, speakers)).values()) == {
        "train": 80,
        "validation": 10,
        "test": 10,
    }
    assert "scores may be of voices trained on" in caplog.text


def test_recordings_that_are_added_change_no_split_of_others():
    before = placed(lines(5_000, speakers=5))
    after = placed(lines(9_000, speakers=5))
    assert before.items() <= after.items()


def test_a_corpus_without_validation_gives_some_of_who_trains():
    corpus = [*lines(40, 20, "train"), *lines(0)]
    corpus += [Recording("c", "en", f"t{n}.wav", "hi", "test", f"other {n}") for n in range(5)]
    where = placed(corpus)
    assert Counter(where.values()) == {"train": 36, "validation": 4, "test": 5}
    assert not voices(corpus, "validation", where) & voices(corpus, "train", where)


def test_a_test_split_beside_another_source_is_left_out():
    corpus = [*lines(4, 2, "train"), Recording("c", "en", "t", "hi", "test", "voice 1")]
    corpus += [Recording("c", "en", "v", "hi", "validation", "ada")]
    made = Splits.of(corpus, elsewhere=True)
    problems = Counter(made.place(one).problem for one in corpus)
    assert problems == {"": 3, HELD_OUT: 2, TESTED_ELSEWHERE: 1}


@pytest.mark.parametrize(
    ("count", "speakers", "elsewhere"), [(1, 0, False), (2, 0, False), (2, 2, False), (1, 1, True)]
)
def test_too_few_recordings_are_refused(count, speakers, elsewhere):
    with pytest.raises(SourceError, match="too few recordings"):
        Splits.of(lines(count, speakers), elsewhere)


def test_splits_for_some_recordings_only_are_refused():
    with pytest.raises(SourceError, match="have a split and others none"):
        Splits.of([*lines(3), *lines(3, split="train")])
    with pytest.raises(SourceError, match="no recordings"):
        Splits.of([])


@given(st.lists(st.sampled_from(["", *"abcdefghijkl"]), min_size=4), st.booleans())
def test_no_split_that_is_needed_is_ever_empty(speakers, elsewhere):
    corpus = [Recording("c", "en", str(n), "hi", "", who) for n, who in enumerate(speakers)]
    try:
        found = set(placed(corpus, elsewhere=elsewhere).values())
    except SourceError:
        assert max(Counter(speakers).values()) > len(speakers) - 3
        return
    assert found == {"train", "validation"} if elsewhere else {"train", "validation", "test"}


def test_keys_are_the_same_on_every_machine():
    assert splits.voice(lines(1, 1)[0]) == 9_443_101_789_279_540_402
