"""Corpora are read as their publishers deliver them, streamed, with no speaker in two splits."""

import gzip
import itertools
import logging
import random
import tarfile
import tracemalloc
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("soundfile")
pytest.importorskip("av")

from fti.errors import SourceError, UserError
from tests.whisper import corpora
from whisper import clips, sample, sources
from whisper.clips import HELD_OUT, LISTED_TWICE, NO_AUDIO, TESTED_ELSEWHERE, Recording
from whisper.feeds import names
from whisper.feeds.parquet import Columns
from whisper.sources import Splits

DIGITS = Path(__file__).parents[3] / "shared/data/whisper/spoken_digits"
FAST = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def listed(*arguments, **options):
    """Give split, file, speaker and problem of all recordings, in order of the file."""
    found = sources.read(*map(str, arguments), **options)
    return sorted((one.split, one.file, one.speaker, one.problem) for one in found)


def by_split(*arguments, **options):
    """Count the recordings that can be used."""
    return Counter(split for split, _, _, problem in listed(*arguments, **options) if not problem)


@pytest.fixture
def release(tmp_path):
    """A small Common Voice in Swedish, unpacked."""
    return corpora.common_voice(tmp_path)


# Common Voice -------------------------------------------------------------------------------------


def test_common_voice_keeps_its_own_splits(release):
    assert by_split(release) == {"train": 8, "validation": 2, "test": 1}
    first = next(sources.read(str(release)))
    assert (first.corpus, first.language, first.speaker) == ("common_voice", "sv", "s0")
    assert first.text == 'Han sa "nej" 0.'
    assert len(clips.make(first).audio) > 1_000


@pytest.mark.parametrize("mode", ["w:gz", "w"])
@pytest.mark.parametrize("clips_first", [True, False], ids=["clips first", "tables first"])
def test_an_archive_holds_what_its_folder_holds(release, tmp_path, clips_first, mode):
    path = corpora.packed(
        release, tmp_path / ("a.tar" + mode[1:].replace(":", ".")), clips_first, mode
    )
    assert listed(path) == listed(release)
    ids = [{clips.make(one).clip_id for one in sources.read(str(p))} for p in (path, release)]
    assert ids[0] == ids[1]


def test_a_release_a_language_and_its_parent_are_all_found(release):
    whole = listed(release)
    assert listed(release / "sv-SE") == whole
    assert listed(release.parent) == whole


def test_one_split_is_read_alone(release):
    assert {split for split, *_ in listed(release, split="test")} == {"test"}


def test_all_validated_clips_train_but_for_speakers_held_out(release):
    assert by_split(release, validated=True) == {"train": 9, "validation": 2, "test": 1}
    held = [one for one in listed(release, validated=True) if one[3] == HELD_OUT]
    assert ("train", "sv-SE/cv_41.mp3", "t0", HELD_OUT) in held
    assert {speaker for _, _, speaker, _ in held} == {"d0", "t0"}


def test_clips_that_lack_are_counted(tmp_path):
    release = corpora.common_voice(tmp_path, missing={"cv_3.mp3"})
    archive = corpora.packed(release, tmp_path / "a.tar.gz")
    assert ("train", "sv-SE/cv_3.mp3", "s3", NO_AUDIO) in listed(archive)
    one = next(one for one in sources.read(str(release)) if one.file == "sv-SE/cv_3.mp3")
    with pytest.raises(clips.Unusable) as caught:
        clips.make(one)
    assert caught.value.reason == NO_AUDIO


def test_a_speaker_of_test_leaves_training_and_it_is_said(tmp_path, caplog):
    again = corpora.line("s1", "cv_31.mp3", "Igen.")
    tables = corpora.swedish(extra=[again])
    release = corpora.common_voice(tmp_path, tables)
    found = listed(release)
    assert [one for one in found if one[3]] == [
        ("train", f"sv-SE/cv_{n}.mp3", "s1", HELD_OUT) for n in (1, 5)
    ]
    assert "1 speakers are in more than one split" in caplog.text


def test_a_clip_that_is_listed_twice_counts_once(tmp_path):
    again = corpora.line("t0", "cv_30.mp3", "Vintern är lång.")
    release = corpora.common_voice(tmp_path, corpora.swedish(extra=[again]))
    archive = corpora.packed(release, tmp_path / "a.tar.gz")
    for source in (release, archive):
        assert Counter(one[3] for one in listed(source)) == {"": 11, LISTED_TWICE: 1}


def test_the_language_is_chosen_where_there_are_several(tmp_path):
    release = corpora.common_voice(tmp_path)
    corpora.common_voice(tmp_path, locale="zh-CN")
    archive = corpora.packed(release, tmp_path / "a.tar.gz")
    for source in (release, archive):
        assert {one.language for one in sources.read(str(source), "zh")} == {"zh"}
        with pytest.raises(SourceError, match="languages sv-SE, zh-CN; say which"):
            listed(source)
        with pytest.raises(SourceError, match="'it' was asked for"):
            listed(source, "it")


def test_a_line_with_too_few_values_costs_that_line(tmp_path):
    release = corpora.common_voice(tmp_path, corpora.swedish(extra=["t1\tcv_50.mp3"]))
    archive = corpora.packed(release, tmp_path / "a.tar.gz")
    for source in (release, archive):
        assert ("test", "sv-SE/test:3", "", clips.DAMAGED_LINE) in listed(source)


def test_an_archive_that_is_cut_off_is_one_sentence(release, tmp_path):
    path = corpora.packed(release, tmp_path / "a.tar.gz")
    path.write_bytes(path.read_bytes()[:-5_000])
    with pytest.raises(SourceError, match=r"is cut off.*download it again"):
        listed(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>log in</html>" * 100, gzip.compress(b"text" * 1000, mtime=0)],
    ids=["nothing", "web page", "no archive inside"],
)
def test_what_is_no_archive_is_one_sentence(tmp_path, data):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"no tar archive|no Common Voice"):
        listed(path)


def test_an_archive_is_streamed_and_never_held_in_memory(tmp_path):
    tables = {"train": [], "dev": [], "test": []}
    for number in range(100):
        table = ("dev", "test", *["train"] * 8)[number % 10]
        tables[table].append(corpora.line(f"{table}{number % 7}", f"cv_{number}.mp3", "hej"))
    tables = {name: "\n".join([corpora.HEADER, *rows, ""]) for name, rows in tables.items()}
    clip = random.Random(0).randbytes(200_000)
    path = corpora.packed(
        corpora.common_voice(tmp_path, tables, clip=clip), tmp_path / "a.tar.gz", clips_first=True
    )
    tracemalloc.start()
    count = sum(len(one.audio) for one in sources.read(str(path)))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 100 * 200_000  # 20 MB went through
    assert most < 3_000_000


# A folder with metadata.csv -----------------------------------------------------------------------


def test_a_table_without_splits_is_split_by_speaker(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    folder = corpora.metadata_folder(tmp_path / "words", corpora.spoken(20))
    found = listed(folder, "en")
    assert Counter(split for split, *_ in found) == {"train": 12, "validation": 2, "test": 6}
    assert "of 5 speakers, 0 are held out for validation and 1 for test" in caplog.text
    assert listed(folder, "en") == found


def test_a_table_without_speakers_is_split_by_recording_and_that_is_said(tmp_path, caplog):
    rows = [row[:2] for row in corpora.spoken(20)]
    folder = corpora.metadata_folder(tmp_path / "words", rows, "file_name,text")
    assert by_split(folder, "en") == {"train": 16, "validation": 2, "test": 2}
    assert "does not say who speaks" in caplog.text


def test_too_few_recordings_are_refused_unless_all_goes_to_one_split(tmp_path):
    folder = corpora.metadata_folder(tmp_path / "words", corpora.spoken(2, speakers=1))
    with pytest.raises(SourceError, match="too few recordings"):
        listed(folder, "en")
    assert by_split(folder, "en", as_split="test") == {"test": 2}


def test_splits_and_translations_of_a_table_are_used(tmp_path):
    header = "file_name,sentence,speaker,split,translation"
    parts = ("train", "train", "dev", "test")
    rows = [
        [*row, part, f"word {part}"] for row, part in zip(corpora.spoken(4), parts, strict=True)
    ]
    folder = corpora.metadata_folder(tmp_path / "words", rows, header)
    found = {one.split: one for one in sources.read(str(folder), "en")}
    assert set(found) == {"train", "validation", "test"}
    assert clips.make(found["validation"]).translation == "word dev"


def test_a_table_without_language_is_english_and_that_is_said(tmp_path, caplog):
    folder = corpora.metadata_folder(tmp_path / "words", corpora.spoken(6))
    assert {one.language for one in sources.read(str(folder))} == {"en"}
    assert "taken as en" in caplog.text


@pytest.mark.parametrize(
    "name", ["../secret.wav", "/etc/passwd", "C:\\secret.wav", "..\\secret.wav", "a\0.wav", ""]
)
def test_a_table_names_nothing_outside_its_folder(tmp_path, name):
    (tmp_path / "secret.wav").write_bytes(corpora.written(corpora.sound()))
    rows = [[name, "secret", "voice 0"], *corpora.spoken(6)]
    folder = corpora.metadata_folder(tmp_path / "words", rows)
    one = next(sources.read(str(folder), "en"))
    assert (one.audio, one.problem) == (None, NO_AUDIO)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "the columns file_name and sentence are needed, and its first line has nothing"),
        ("path,words\na.wav,hi\n", "first line has 'path', 'words'"),
        ("file_name,sentence,sentence\n", "two columns are called 'sentence'"),
        ("file_name,sentence,split\na.wav,hi,holdout\n", "line 2: the split 'holdout'"),
        ('file_name,sentence\na.wav,"hi\n', "line 2 is not CSV"),
        ("file_name,sentence\n", "lists no recordings"),
    ],
)
def test_a_table_that_is_none_is_one_sentence(tmp_path, table, says):
    (tmp_path / "metadata.csv").write_text(table, encoding="utf-8")
    with pytest.raises(SourceError, match=says):
        listed(tmp_path, "en")


def test_a_table_in_another_encoding_is_one_sentence(tmp_path):
    (tmp_path / "metadata.csv").write_bytes("file_name,sentence\na.wav,hallå\n".encode("latin-1"))
    with pytest.raises(SourceError, match="not UTF-8"):
        listed(tmp_path, "sv")


@pytest.mark.skipif(not DIGITS.exists(), reason="no shared recordings")
def test_the_spoken_digits_are_tested_on_a_new_voice_and_on_known_ones():
    found = listed(DIGITS, "en")
    assert Counter(split for split, *_ in found) == {"train": 600, "validation": 75, "test": 325}
    known = {speaker for split, _, speaker, _ in found if split == "train"}
    assert sum(split == "test" and who in known for split, _, who, _ in found) == 75


def test_a_source_that_is_tested_elsewhere_has_no_test_split(release):
    digits = listed(DIGITS, "en", tested_elsewhere=True)
    assert Counter(split for split, *_ in digits) == {"train": 900, "validation": 100}
    problems = {(one[0], one[3]) for one in listed(release, tested_elsewhere=True)}
    assert problems == {("train", ""), ("validation", ""), ("test", TESTED_ELSEWHERE)}


# Parquet ------------------------------------------------------------------------------------------


def fleurs(folder, language="sv_se", texts=("Hej.", "Hej då.")):
    """Write FLEURS as the Hub's branch of Parquet files has it."""
    for split in ("train", "validation", "test"):
        columns = {
            "id": [7, 8],
            "path": [f"{split}1.wav", f"{split}2.wav"],
            "raw_transcription": list(texts),
            "transcription": ["hej", "hej då"],
            "lang_id": [83, 83],
        }
        corpora.as_parquet(folder / language / split / "0000.parquet", columns)
    return folder


def test_fleurs_has_its_splits_and_translations_of_the_same_number(tmp_path):
    fleurs(fleurs(tmp_path), "en_us", ("Hello.", "Goodbye."))
    for source in (tmp_path, tmp_path / "sv_se"):
        found = list(sources.read(str(source), "sv"))
        assert Counter(one.split for one in found) == {"train": 2, "validation": 2, "test": 2}
        assert not any(one.problem for one in found)
        assert [(one.text, one.translation) for one in found[:2]] == [
            ("Hej.", "Hello."),
            ("Hej då.", "Goodbye."),
        ]
        assert {(one.corpus, one.language) for one in found} == {("fleurs", "sv")}
        assert len({clips.clip_id(one) for one in found}) == 6
        assert clips.make(found[0]).seconds == 1.0


def test_fleurs_in_several_languages_needs_one(tmp_path):
    fleurs(fleurs(tmp_path), "en_us")
    with pytest.raises(SourceError, match="languages en, sv; say which"):
        listed(tmp_path)


def test_covost_has_speakers_and_translations(tmp_path):
    for number, split in enumerate(("train", "validation", "test")):
        columns = {
            "client_id": [f"v{number}"] * 2,
            "file": ["common_voice_sv-SE_1.mp3"] * 2,
            "sentence": ["Hej.", "Hej då."],
            "translation": ["Hello.", "Goodbye."],
            "id": ["a", "b"],
        }
        corpora.as_parquet(tmp_path / "sv-SE_en" / f"{split}-00000-of-00001.parquet", columns)
    found = list(sources.read(str(tmp_path / "sv-SE_en")))
    assert Counter(one.split for one in found) == {"train": 2, "validation": 2, "test": 2}
    assert {(one.corpus, one.language) for one in found} == {("covost2", "sv")}
    first = next(one for one in found if one.split == "train")
    assert (first.speaker, first.translation) == ("v0", "Hello.")


def test_any_dataset_is_read_with_its_columns_named(tmp_path):
    columns = {"words": [f"word {n}" for n in range(6)], "reader": list("aabbcc")}
    path = corpora.as_parquet(tmp_path / "mine.parquet", columns)
    named = Columns.parse("text=words, speaker=reader")
    found = listed(path, "en", columns=named)
    assert Counter(split for split, *_ in found) == {"train": 2, "validation": 1, "test": 3}
    with pytest.raises(SourceError, match=r"no known dataset.*audio, reader, words"):
        listed(path, "en")
    with pytest.raises(SourceError, match="nothing says its language"):
        listed(path, columns=named)
    with pytest.raises(SourceError, match="no column 'speech'"):
        listed(path, "en", columns=Columns("words", audio="speech"))
    with pytest.raises(SourceError, match="'reader' is string, not bytes"):
        listed(path, "en", columns=Columns("words", audio="reader"))


@pytest.mark.parametrize("said", ["", "words", "text=", "text=a,colour=b", "speaker=a"])
def test_columns_that_are_not_understood_are_one_sentence(said):
    with pytest.raises(UserError, match="write text=NAME"):
        Columns.parse(said)


def test_audio_beside_a_parquet_is_read_and_none_outside(tmp_path):
    (tmp_path / "0.wav").write_bytes(corpora.written(corpora.sound()))
    audio = [{"bytes": None, "path": name} for name in ("0.wav", "../0.wav", "/0.wav", None)]
    columns = {"words": list("abcd")}
    path = corpora.as_parquet(tmp_path / "mine.parquet", columns, audio)
    found = list(sources.read(str(path), "en", columns=Columns("words")))
    assert [one.problem for one in found] == ["", *[NO_AUDIO] * 3]
    assert clips.make(found[0]).seconds == 1.0


def test_a_parquet_is_streamed_a_row_group_at_a_time(tmp_path):
    audio = [{"bytes": bytes([n]) * 500_000, "path": f"{n}.wav"} for n in range(120)]
    columns = {"words": ["a"] * 120}
    path = corpora.as_parquet(tmp_path / "mine.parquet", columns, audio, group=10)
    before = pa.total_allocated_bytes()
    most = 0
    for _ in sources.read(str(path), "en", columns=Columns("words")):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 20_000_000  # of 60 MB


@pytest.mark.parametrize("data", [b"", b"PAR1 or so", b"<html>" * 100])
def test_a_parquet_that_is_none_is_one_sentence(tmp_path, data):
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(SourceError, match="no Parquet, or is cut off"):
        listed(tmp_path / "a.parquet", "en")


# All ----------------------------------------------------------------------------------------------


def test_the_sample_is_the_same_each_time_and_has_clips_of_all_splits():
    first, again = (list(itertools.islice(sources.read("sample:sv"), 3)) for _ in range(2))
    assert [one.audio for one in first] == [one.audio for one in again]
    splits = Splits.of(sample.Sample("en").lines())
    found = Counter(splits.place(line).split for line in sample.Sample("en").lines())
    assert found == {"train": 180, "validation": 20, "test": 40}
    for language in ("sv", "zh", "it", "en"):
        clip = clips.make(next(sources.read("sample", language)))
        assert clip.language == language
        assert 0.5 < clip.seconds < 10
    with pytest.raises(SourceError, match="speaks sv, en, it, zh, not 'fr'"):
        listed("sample:fr")


def test_the_command_shows_splits_and_what_is_left_out(tmp_path, capsys):
    rows = [*corpora.spoken(10), ["clips/none.wav", "gone", "voice 0"]]
    folder = corpora.metadata_folder(tmp_path / "words", rows)
    (folder / "clips/none.wav").unlink()
    sources.main(str(folder), "en")
    said = capsys.readouterr().out
    assert "validation │ 1" in said
    assert "1 left out, no audio: the table names a file that is not there" in said


@pytest.mark.parametrize("name", ["nothing", "notes.txt", "empty"])
def test_what_is_no_source_is_one_sentence(tmp_path, name):
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=name):
        listed(tmp_path / name)


def test_without_a_source_it_is_said_how_to_give_one(monkeypatch, tmp_path):
    monkeypatch.delenv(sources.SETTING, raising=False)
    with pytest.raises(SourceError, match="--source PATH or WHISPER_SOURCE"):
        listed()
    monkeypatch.setenv(sources.SETTING, str(corpora.common_voice(tmp_path)))
    assert len(listed()) == 11
    with pytest.raises(UserError, match="The split 'dev' is none"):
        listed(split="dev")


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("sv-SE", "sv"),
        ("cmn_hans_cn", "zh"),
        ("zh-TW", "zh"),
        ("sv-SE_en", "sv"),
        ("nb_no", "no"),
        ("train", ""),
        ("data", ""),
        ("", ""),
    ],
)
def test_locales_tell_languages(locale, language):
    assert names.language(locale) == language


def test_a_folder_around_a_corpus_has_to_be_a_locale_to_tell_the_language(tmp_path):
    columns = {"sentence": ["Hej."], "client_id": ["a"], "path": ["a"]}
    path = corpora.as_parquet(tmp_path / "my" / "test.parquet", columns)
    with pytest.raises(SourceError, match="nothing says its language"):
        listed(path)
    for folder in ("sv_se", "my/sv"):
        corpora.as_parquet(tmp_path / folder / "test.parquet", columns)
    assert {one.language for one in sources.read(str(tmp_path / "sv_se"))} == {"sv"}
    path.unlink()
    assert {one.language for one in sources.read(str(tmp_path / "my"))} == {"sv"}


def test_files_tell_splits():
    assert names.split_of_path("sv_se", "train", "0000.parquet") == "train"
    assert names.split_of_path("test-00000-of-00008.parquet") == "test"
    assert names.split_of_path("sv_se", "fleurs-train-00000-of-00005.parquet") == "train"
    assert names.split_of_path("sv_se", "partial-train", "0000.parquet") == "train"
    assert names.split_of_path("latest.parquet") == ""
    assert names.split_of_path("test_of_mine", "data.parquet") == ""


VOICES = st.lists(
    st.tuples(st.sampled_from(["train", "validation", "test"]), st.sampled_from("abcdef")),
    min_size=1,
)


@given(VOICES)
def test_no_speaker_is_ever_in_two_splits(voices):
    lines = [
        Recording("c", "en", str(n), "hi", split, voice) for n, (split, voice) in enumerate(voices)
    ]
    splits = Splits.of(lines)
    kept = {(one.speaker, one.split) for one in map(splits.place, lines) if not one.problem}
    assert len(kept) == len({voice for voice, _ in kept})
    assert {voice for voice, _ in kept} == {voice for _, voice in voices}
    held = {voice for split, voice in voices if split == "test"}
    assert {voice for voice, split in kept if split == "test"} == held


@given(st.sets(st.text(min_size=1), min_size=3))
def test_made_splits_are_never_empty(voices):
    lines = [Recording("c", "en", voice, "hi", speaker=voice) for voice in voices]
    splits = Splits.of(lines)
    assert {splits.place(line).split for line in lines} == {"train", "validation", "test"}


@FAST
@given(st.data())
def test_any_table_is_recordings_or_a_sentence(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("wild")
    names_ = st.sampled_from(["file_name", "sentence", "speaker", "split", "text", "x"])
    header = data.draw(st.lists(names_, min_size=1, max_size=5))
    wild = data.draw(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
    (folder / "metadata.csv").write_bytes(",".join(header).encode() + b"\n" + wild)
    try:
        found = list(sources.read(str(folder), "en", as_split="test"))
    except SourceError as error:
        assert "metadata.csv" in str(error)
    else:
        assert all(one.problem or one.audio.is_relative_to(folder) for one in found)


@FAST
@given(
    st.binary(max_size=300) | st.text(alphabet="ab\t\n\r\"'\u2028é", max_size=300).map(str.encode)
)
def test_any_lines_of_common_voice_are_recordings_or_a_sentence(tmp_path_factory, wild):
    place = tmp_path_factory.mktemp("wild") / "sv-SE"
    (place / "clips").mkdir(parents=True)
    (place / "train.tsv").write_bytes(b"client_id\tpath\tsentence\n" + wild)
    try:
        found = list(sources.read(str(place), as_split="train"))
    except SourceError as error:
        assert "train.tsv" in str(error)
    else:
        ends = wild.count(b"\n") + bool(wild.rpartition(b"\n")[2])
        assert len(found) == ends
    archive = place.parent / "a.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(place, "release/sv-SE")
    try:
        packed = {(one.file, one.text) for one in sources.read(str(archive), as_split="train")}
    except SourceError:
        pass
    else:
        assert packed == {(one.file, one.text) for one in found}
