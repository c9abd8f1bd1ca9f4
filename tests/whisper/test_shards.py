"""Shards hold every clip once, by bucket, and a run that was interrupted goes on."""

import json
import os
import pickle
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
from pyarrow import parquet

pytest.importorskip("soundfile")
pytest.importorskip("av")

from fti.errors import SourceError, UserError
from tests.whisper import corpora
from whisper import audio, clips, labels, shard_files, shards, sources
from whisper.clips import Recording, Rules

DAY = pd.Timestamp("2026-11-21", tz="UTC")


def recordings(count=12, split="train", seconds=(1.0, 5.0, 9.0), **changes):
    """Give recordings of different lengths."""
    data = [corpora.written(corpora.sound(length, 8_000), 8_000) for length in seconds]
    return [
        replace(
            Recording("made", "sv", f"{n}.wav", f"ord {n}", split, f"voice {n}"),
            audio=data[n % len(data)],
            **changes,
        )
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def tokenizer():
    """Give the tokenizer of all shards here."""
    return labels.train([" ord", " other"])


@pytest.fixture
def write(tokenizer):
    """Write shards with labels by that tokenizer."""
    return lambda recordings, folder, **how: shards.write(recordings, folder, tokenizer, **how)


def ids(folder, **which):
    return [clip.clip_id for clip in shards.read(shards.files(folder, **which))]


def stamps(folder):
    """Give what tells a file that was written again."""
    return {path: path.stat().st_ino for path in shards.files(folder)}


def test_clips_come_back_as_they_were_made(tmp_path, write):
    made = sorted((clips.make(one) for one in recordings()), key=lambda clip: clip.clip_id)
    done = write(recordings(), tmp_path)
    back = sorted(shards.read(shards.files(tmp_path)), key=lambda clip: clip.clip_id)
    assert back == made
    assert (done.clips, done.seconds) == (12, 4 * 15.0)
    assert done.audio_bytes == sum(len(clip.audio) for clip in made)
    assert done == shards.summary(tmp_path)


def rows(folder):
    paths = shards.files(folder)
    return [one for path in paths for one in parquet.read_table(path).to_pylist()]


def test_rows_have_labels_of_text_and_translation(tmp_path, write, tokenizer):
    write(recordings(2) + recordings(2, "test", translation=" Word! "), tmp_path)
    found = rows(tmp_path)
    assert len(found) == 4
    for row in found:
        assert row["label_ids"] == tokenizer.encode(f" {row['text_raw']}")
        english = " Word!" if row["split"] == "test" else ""
        assert row["translation_ids"] == tokenizer.encode(english)
    names = {shard_files.tokenizer_of(path) for path in shards.files(tmp_path)}
    assert names == {tokenizer.fingerprint}
    assert shards.tokenizer_in(tmp_path) == tokenizer
    assert shards.tokenizer_in(tmp_path / "elsewhere") is None


def test_labels_by_two_tokenizers_are_never_mixed(tmp_path, write):
    write(recordings(), tmp_path)
    before, other = stamps(tmp_path), labels.train([" nothing alike"])
    with pytest.raises(UserError, match="labels of another tokenizer: leave --tokenizer out"):
        shards.write(recordings(language="it"), tmp_path, other)
    assert stamps(tmp_path) == before
    write(recordings(language="it"), tmp_path)


def test_a_part_is_small_to_send_beside_its_audio(tmp_path, tokenizer):
    one = replace(recordings(1)[0], audio=b"")
    (part,) = shards.parts([one], tmp_path, tokenizer)
    assert len(pickle.dumps(part)) < 2_000


def test_each_clip_lies_in_the_bucket_of_its_length(tmp_path, write):
    write(recordings(), tmp_path)
    assert shards.buckets(tmp_path) == {4: 4, 6: 4, 12: 4}
    lengths = {clip.seconds for clip in shards.read(shards.files(tmp_path, bucket=6))}
    assert lengths == {5.0}


def test_splits_and_languages_are_read_alone(tmp_path, write):
    others = recordings(4, "test") + recordings(2, language="it")
    write([*recordings(), *others], tmp_path)
    assert len(ids(tmp_path, split="train")) == 14
    assert len(ids(tmp_path, split="test")) == 4
    assert len(ids(tmp_path, language="it")) == 2
    assert {clip.split for clip in shards.read(shards.files(tmp_path, split="test"))} == {"test"}
    assert shards.buckets(tmp_path, "test") == {4: 2, 6: 1, 12: 1}


def test_inside_a_part_clips_are_shuffled_but_always_the_same(tmp_path, write):
    write(recordings(40, seconds=(1.0,)), tmp_path / "a")
    write(recordings(40, seconds=(1.0,)), tmp_path / "b")
    found = [clip.text_raw for clip in shards.read(shards.files(tmp_path / "a"))]
    assert found == [clip.text_raw for clip in shards.read(shards.files(tmp_path / "b"))]
    assert found != sorted(found, key=lambda text: int(text.split()[1]))


def test_what_is_left_out_is_counted_by_reason(tmp_path, write):
    wrong = [
        replace(recordings(1)[0], file="a", text=""),
        replace(recordings(1)[0], file="b", audio=b"junk"),
        replace(recordings(1)[0], file="c", audio=b"junk"),
    ]
    done = write([*recordings(), *wrong], tmp_path)
    assert done.skipped == {clips.EMPTY_TEXT: 1, clips.UNDECODABLE: 2}
    assert done.clips == 12
    assert done.sentences()[0].startswith("2 left out, undecodable: ")
    assert "neither libsndfile nor ffmpeg can read it" in done.sentences()[0]
    assert shards.summary(tmp_path) == done


def test_a_second_run_writes_nothing(tmp_path, write):
    first = write(recordings(), tmp_path, part_clips=5)
    before, made = stamps(tmp_path), []
    again = write(recordings(), tmp_path, part_clips=5, told=made.append)
    assert (stamps(tmp_path), made, again) == (before, [], first)


def test_a_run_that_was_interrupted_goes_on_with_what_lacks(tmp_path, write):
    def broken():
        yield from recordings()[:11]
        raise SourceError("the archive is cut off")

    with pytest.raises(SourceError):
        write(broken(), tmp_path, part_clips=5)
    before, made = stamps(tmp_path), []
    assert len(shards.summary(tmp_path).buckets) == 3
    done = write(recordings(), tmp_path, part_clips=5, told=made.append)
    assert [one.clips for one in made] == [2]
    assert before.items() <= stamps(tmp_path).items()
    assert (done.clips, len(set(ids(tmp_path)))) == (12, 12)


def test_a_part_that_was_interrupted_leaves_nothing_and_is_made_again(tmp_path, monkeypatch, write):
    real, left = clips.make, iter(range(7))

    def killed(recording, rules):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return real(recording, rules)

    monkeypatch.setattr(clips, "make", killed)
    with pytest.raises(KeyboardInterrupt):
        write(recordings(), tmp_path, part_clips=5)
    monkeypatch.undo()
    assert len(ids(tmp_path)) == 5
    write(recordings(), tmp_path, part_clips=5)
    assert len(set(ids(tmp_path))) == 12
    assert not list(tmp_path.rglob(".part-*"))


def test_what_a_killed_run_left_behind_is_removed(tmp_path, write):
    write(recordings(), tmp_path)
    left = tmp_path / "made/sv/train/.part-00000-x1y2"
    left.mkdir()
    (left / "04s-000.parquet").write_bytes(b"half")
    assert len(ids(tmp_path)) == 12
    write(recordings(), tmp_path)
    assert not left.exists()


@pytest.mark.parametrize(
    "change",
    [{"text": "other"}, {"speaker": "other"}, {"audio": corpora.written(corpora.sound(2.0))}],
    ids=lambda change: next(iter(change)),
)
def test_a_part_of_changed_recordings_is_made_anew(tmp_path, change, write):
    write(recordings(), tmp_path, part_clips=6)
    made = []
    changed = recordings()
    changed[7] = replace(changed[7], **change)
    write(changed, tmp_path, part_clips=6, told=made.append)
    assert [one.clips for one in made] == [6]
    assert len(ids(tmp_path)) == 12


def test_a_part_of_changed_files_is_made_anew(tmp_path, write):
    path = tmp_path / "a.wav"
    path.write_bytes(corpora.written(corpora.sound(1.0)))
    one = replace(recordings(1)[0], audio=path)
    write([one], tmp_path / "shards")
    path.write_bytes(corpora.written(corpora.sound(2.0)))
    os.utime(path, ns=(1, 1))
    assert write([one], tmp_path / "shards").seconds == 2.0


def test_other_rules_make_all_parts_anew(tmp_path, write):
    write(recordings(), tmp_path)
    done = write(recordings(), tmp_path, rules=Rules(longest=6.0))
    assert (done.clips, done.skipped) == (8, {clips.TOO_LONG: 4})
    assert shards.buckets(tmp_path) == {4: 4, 6: 4}


def test_parts_that_a_corpus_has_no_longer_are_removed(tmp_path, write):
    write(recordings(), tmp_path, part_clips=3)
    write(recordings()[:6], tmp_path, part_clips=3)
    assert len(ids(tmp_path)) == 6


def test_a_split_that_a_corpus_has_no_longer_is_removed(tmp_path, write):
    others = recordings(3, "test", language="it")
    write([*recordings(3), *recordings(3, "test")], tmp_path)
    write(others, tmp_path)
    write(recordings(6), tmp_path)
    assert len(ids(tmp_path, language="sv", split="train")) == 6
    assert ids(tmp_path, language="sv", split="test") == []
    assert len(ids(tmp_path, language="it", split="test")) == 3


def test_shards_and_row_groups_are_bounded_in_size(tmp_path, monkeypatch, write):
    monkeypatch.setattr(shard_files, "FILE_BYTES", 200_000)
    monkeypatch.setattr(shard_files, "GROUP_BYTES", 40_000)
    write(recordings(30, seconds=(2.0,)), tmp_path)
    found = shards.files(tmp_path)
    assert len(found) > 3
    assert [path.name for path in found][:2] == ["04s-000.parquet", "04s-001.parquet"]
    assert max(path.stat().st_size for path in found) < 220_000
    assert parquet.read_metadata(found[0]).num_row_groups > 1
    assert len(set(ids(tmp_path))) == 30


def test_processes_make_the_same_shards_as_one_alone(tmp_path, write):
    alone = write(recordings(), tmp_path / "a", part_clips=4)
    mapper = shards.in_processes(2)
    together = write(recordings(), tmp_path / "b", part_clips=4, mapper=mapper)
    assert together == alone
    assert ids(tmp_path / "b") == ids(tmp_path / "a")


def test_processes_take_no_more_parts_than_they_can_make():
    taken = []

    def parts():
        for number in range(20):
            taken.append(number)
            yield number

    results = shards.in_processes(1)(abs, parts())
    assert next(results) in (0, 1)
    assert len(taken) <= 3
    assert sorted([*results]) >= [1]
    assert len(taken) == 20


def test_rows_without_audio_are_the_rows_of_the_feature_group(tmp_path, write):
    write([*recordings(), *recordings(2, "test")], tmp_path)
    table = clips.schema().validate(shards.table(tmp_path, DAY))
    assert len(table) == 14
    assert set(table["added_at"]) == {DAY}
    assert table["sha1"].nunique() == 3
    assert len(shards.table(tmp_path, DAY, split="test")) == 2
    clips.schema().validate(shards.table(tmp_path / "nothing", DAY))


def test_a_damaged_shard_is_one_sentence(tmp_path, write):
    write(recordings(), tmp_path)
    path = shards.files(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match="no shard, or is damaged"):
        ids(tmp_path)


def test_a_damaged_record_of_a_part_is_one_sentence(tmp_path, write):
    write(recordings(), tmp_path)
    about = next(tmp_path.rglob(shards.ABOUT))
    about.write_text(json.dumps({})[:1], encoding="utf-8")
    with pytest.raises(SourceError, match="delete its folder"):
        write(recordings(), tmp_path)


def test_an_archive_becomes_shards_with_every_speaker_in_one_split(tmp_path, write):
    release = corpora.common_voice(tmp_path)
    archive = corpora.packed(release, tmp_path / "cv.tar.gz")
    done = write(sources.read(str(archive)), tmp_path / "shards", part_clips=3)
    assert done.clips == 11
    found = shards.table(tmp_path / "shards", DAY)
    assert Counter(found["split"]) == {"train": 8, "validation": 2, "test": 1}
    assert (found.groupby("speaker")["split"].nunique() == 1).all()
    first = next(shards.read(shards.files(tmp_path / "shards")))
    assert len(audio.samples(first.audio)) == round(first.seconds * 16_000)
