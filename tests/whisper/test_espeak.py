"""What espeak-ng says is a corpus like others, in four languages, the same each time."""

import itertools
import shutil
import subprocess
from collections import Counter

import pytest

pytest.importorskip("soundfile")

from fti.errors import SourceError
from whisper import clips, sources
from whisper.feeds import espeak
from whisper.feeds.espeak import Espeak

spoken = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


def test_all_languages_have_words_for_the_same_things():
    counts = {language: len(words.split()) for language, words in espeak.WORDS.items()}
    assert counts == dict.fromkeys(("en", "it", "sv", "zh"), 40)
    for words in espeak.WORDS.values():
        assert len(set(words.split())) == 40
    assert set(espeak.VOICES) == set(espeak.WORDS)


def test_lists_of_words_are_the_same_each_time_and_translated():
    first, again = (list(Espeak("zh", 20).lines()) for _ in range(2))
    assert first == again
    assert first == list(Espeak("zh").lines())[:20]
    assert {one.corpus for one in first} == {"espeak"}
    assert Counter(one.speaker for one in first)["voice 0"] == 2
    chinese, english = first[0].text, first[0].translation
    assert chinese.endswith("。") and " " not in chinese
    numbers = [espeak.WORDS["en"].split().index(w) for w in english.lower().rstrip(".").split()]
    assert chinese == "".join(espeak.WORDS["zh"].split()[n] for n in numbers) + "。"
    assert not next(Espeak("en").lines()).translation
    counts = Counter(len(one.text.split()) for one in Espeak("sv").lines())
    assert set(counts) == {3, 4, 5, 6, 7}
    assert {len(one.text.split()) for one in Espeak("it", shortest=2, longest=2).lines()} == {2}


@spoken
@pytest.mark.parametrize("language", ["sv", "it", "cmn", "en"])
def test_each_language_is_spoken_by_several_voices(language):
    found = list(itertools.islice(sources.read(f"espeak:{language}:12", as_split="train"), 4))
    made = [clips.make(one) for one in found]
    assert {clip.language for clip in made} == {"zh" if language == "cmn" else language}
    assert all(0.8 < clip.seconds < 8 for clip in made)
    assert len({clip.sha1 for clip in made}) == 4
    again = next(sources.read(f"espeak:{language}:12", as_split="train"))
    assert again.audio == found[0].audio


@spoken
def test_each_speaker_has_a_voice_of_its_own():
    said = {espeak.speak("Vinden och solen.", "sv", speaker) for speaker in range(espeak.SPEAKERS)}
    assert len(said) == espeak.SPEAKERS
    assert min(map(len, said)) > 22_050  # bytes of half a second


@spoken
def test_ideographs_are_spoken_and_not_spelt():
    """In its voice "cmn" espeak-ng reads most of them as English letters."""
    command = ["espeak-ng", "-v", espeak.VOICES["zh"], "-b", "1", "-q", "-x", "--stdin"]
    words = espeak.WORDS["zh"].encode()
    said = subprocess.run(command, input=words, capture_output=True, check=True).stdout.decode()
    assert "(en)" not in said
    assert len(said.split()) >= 40


@spoken
def test_text_is_never_taken_for_an_option():
    assert len(espeak.speak("--version -w x; $(ls)", "en")) > 20_000


def test_without_espeak_it_is_said_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"espeak-ng is not installed.*--source sample"):
        next(sources.read("espeak:sv"))


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("espeak:fr", "words for espeak-ng in en, sv, it, zh, not 'fr'"),
        ("espeak:", "write espeak:sv or espeak:sv:50"),
        ("espeak:sv:many", "write espeak:sv or espeak:sv:50"),
        ("espeak:sv:0", "no recordings"),
    ],
)
def test_names_that_are_none_are_one_sentence(said, says):
    with pytest.raises(SourceError, match=says):
        next(sources.read(said))
