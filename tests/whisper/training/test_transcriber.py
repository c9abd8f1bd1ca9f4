"""A small model that is trained here transcribes sound through every way in."""

import io
import json
import shutil
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from fti.errors import UserError
from tests.whisper.training.memorising import memorised
from whisper import audio, card, engines, exporting, mel, model_files, networks, recipes, shards
from whisper.live import Live
from whisper.transcriber import Transcriber

PAUSE = np.zeros(int(0.7 * mel.SAMPLE_RATE), np.float32)
ENGINES = ("ctranslate2", "torch")


@pytest.fixture(scope="module")
def digits(digits_shards):
    """A clip each of five digits that one person says."""
    clips = {
        clip.text_raw: clip
        for clip in shards.read(shards.files(digits_shards))
        if clip.speaker.endswith("jackson")
    }
    return [clips[word] for word in ("seven", "five", "eight", "two", "nine")]


@pytest.fixture(scope="module")
def folder(digits, digits_shards, digits_tokenizer, tmp_path_factory):
    """A model, as in the registry, that knows these clips by heart wherever in a window."""
    recipe = recipes.named(
        "tiny", windows=(1.0, 1.2), longest=1.2, slack=0.0, dropout=0.0, max_steps=150,
        warmup_steps=10, learning_rate=3e-3, target_positions=16,
    )  # fmt: skip
    moved = [
        replace(
            clip, audio=audio.encode(np.concatenate([PAUSE[:delay], audio.samples(clip.audio)]))
        )
        for clip in digits
        for delay in (800, 2000, 3200, 4400)
    ]
    folder = tmp_path_factory.mktemp("transcriber") / "model"
    model = memorised(recipe, digits_tokenizer, moved)
    exporting.write(model, digits_tokenizer, ["en"], folder)
    exporting.convert(folder, folder / exporting.CTRANSLATE2)
    rows = shards.table(digits_shards, pd.Timestamp("2026-11-01", tz="UTC"))
    card.write(card.Facts(card.described(rows)), recipe, folder)
    return folder


@pytest.fixture(scope="module", params=ENGINES)
def transcriber(request, folder):
    return Transcriber(folder, engine=request.param, threads=1)


@pytest.fixture(scope="module")
def spoken(digits):
    """The clips one after the other with pauses: the sound, the words and when they begin."""
    parts, words, begins = [PAUSE], [], []
    for clip in digits:
        begins.append(sum(map(len, parts)) / mel.SAMPLE_RATE)
        words.append(clip.text_raw)
        parts += [audio.samples(clip.audio), PAUSE]
    return np.concatenate(parts), words, begins


def as_file(sound, form="WAV"):
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, mel.SAMPLE_RATE, format=form)
    return buffer.getvalue()


def test_words_come_one_after_the_other_at_their_times(transcriber, spoken):
    sound, words, begins = spoken
    heard = transcriber.transcribe(sound, language="en").transcript()
    assert [segment.text for segment in heard.segments] == words
    starts = [segment.start for segment in heard.segments]
    assert starts == pytest.approx(begins, abs=0.35)
    assert all(a.end <= b.start for a, b in zip(heard.segments, heard.segments[1:], strict=False))
    assert (heard.language, heard.task, heard.stopped) == ("en", "transcribe", "")
    assert heard.audio_seconds == pytest.approx(len(sound) / mel.SAMPLE_RATE, abs=1e-3)
    assert heard.compute_seconds > 0


def test_paths_bytes_and_pieces_say_the_same_as_samples(transcriber, spoken, tmp_path):
    sound, words, _ = spoken
    (tmp_path / "sound.wav").write_bytes(as_file(sound))
    sources = [
        tmp_path / "sound.wav",
        as_file(sound, "FLAC"),
        as_file(np.repeat(sound[:, None], 2, axis=1)),
        (sound[first : first + 1234] for first in range(0, len(sound), 1234)),
    ]
    for source in sources:
        heard = transcriber.transcribe(source, language="en")
        assert [segment.text for segment in heard] == words


@pytest.mark.parametrize("loudness", [0.0, 0.01, 0.2])
def test_a_minute_of_noise_gives_no_text(transcriber, loudness):
    noise = np.random.default_rng(0).standard_normal(60 * mel.SAMPLE_RATE) * loudness
    assert transcriber.transcribe(noise.astype(np.float32)).transcript().segments == ()


def test_a_deadline_a_length_and_a_person_stop_it(transcriber, spoken):
    sound, words, begins = spoken
    late = transcriber.transcribe(sound, deadline_s=0).transcript()
    assert (late.segments, late.stopped, late.truncated) == ((), "deadline", True)

    half = transcriber.transcribe(sound, longest_s=begins[3] - 0.2).transcript()
    assert ([one.text for one in half.segments], half.stopped) == (words[:3], "length")
    assert half.audio_seconds == pytest.approx(begins[3] - 0.2, abs=1e-3)
    whole = transcriber.transcribe(sound, longest_s=len(sound) / mel.SAMPLE_RATE).transcript()
    assert ([one.text for one in whole.segments], whole.stopped) == (words, "")

    enough = []
    heard = transcriber.transcribe(sound, cancelled=lambda: bool(enough))
    enough.append(next(iter(heard)))
    rest = heard.transcript()
    assert rest.segments == tuple(enough) and rest.stopped == "cancelled"


def test_a_microphone_tells_what_was_said_so_far(transcriber, spoken):
    sound, words, _ = spoken
    live = Live(transcriber, "en")
    texts = [live.feed(sound[first : first + 1600]) for first in range(0, len(sound), 1600)]
    assert live.finish() == " ".join(words)
    ends = dict.fromkeys(text for text in texts if len(text.split()) in (1, 3, 5))
    assert {words[0], " ".join(words[:3]), " ".join(words)} <= set(ends)


def test_hours_of_sound_do_not_pile_up_in_memory(transcriber, spoken):
    sound, words, _ = spoken

    def minutes(count):
        noise = np.random.default_rng(0).standard_normal(20 * mel.SAMPLE_RATE) * 0.005
        for _ in range(3 * count):
            yield noise.astype(np.float32)
        yield sound

    peaks = []
    for count in (1, 4):
        tracemalloc.start()
        heard = transcriber.transcribe(minutes(count), language="en")
        assert [segment.text for segment in heard] == words
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_engines_agree_token_by_token(folder, digits):
    model = model_files.opened(folder, folder)
    made = [engines.engine(n, model.weights, model.specials, threads=1) for n in ENGINES]
    clips = [np.concatenate([PAUSE[:2000], audio.samples(clip.audio)]) for clip in digits]
    features = mel.padded(clips, 80, 120)
    for timestamps in (False, True):
        prompt = model.tokenizer.prompt("en", "transcribe", timestamps=timestamps)
        first, second = (one.decode(features, [prompt] * len(digits), 8) for one in made)
        if not timestamps:  # what it was not trained for, small differences decide
            assert [one.ids for one in first] == [one.ids for one in second]
            texts = [model.tokenizer.decode(one.ids) for one in first]
            assert texts == [clip.text_raw for clip in digits]
            sure = [one.logprob for one in second]
            assert [one.logprob for one in first] == pytest.approx(sure, abs=0.1)
        for one in (*first, *second):
            times = [token for token in one.ids if token >= model.specials.timestamps]
            assert times == sorted(times) and (not timestamps or one.ids[0] == times[0])
    tokens = {code: model.tokenizer.language(code) for code in ("sv", "en", "zh")}
    chances = [one.languages(features[:2], tokens) for one in made]
    for one, other in zip(*chances, strict=True):
        assert list(one) == list(other) and sum(one.values()) == pytest.approx(1)
        assert one == pytest.approx(other, abs=0.05)


def test_the_faster_engine_is_found_once(folder, tmp_path):
    model = model_files.opened(folder, tmp_path)
    choice = {"frames": 100, "threads": 1, "cache": tmp_path}
    found = engines.fastest(model.weights, model.specials, **choice)
    kept = json.loads((tmp_path / engines.FOUND).read_text("utf-8"))
    ((key, told),) = kept.items()
    assert told["engine"] == found.name == min(told["seconds"], key=told["seconds"].get)
    assert set(told["seconds"]) == set(ENGINES) and "1 threads" in key and "torch 2." in key

    (other,) = set(ENGINES) - {found.name}
    (tmp_path / engines.FOUND).write_text(json.dumps({key: {"engine": other}}), encoding="utf-8")
    assert engines.fastest(model.weights, model.specials, **choice).name == other
    (tmp_path / engines.FOUND).write_text("{", encoding="utf-8")
    assert engines.fastest(model.weights, model.specials, **choice).name in ENGINES


def test_folders_of_others_are_opened_too(folder, spoken, tmp_path):
    sound, words, _ = spoken
    plain = shutil.copytree(folder, tmp_path / "transformers", ignore=_but_transformers)
    (plain / card.RECORD).write_bytes((folder / card.RECORD).read_bytes())
    for place in (plain, plain):  # converted once, then found
        model = Transcriber(place, engine="ctranslate2", threads=1, cache=tmp_path / "kept")
        assert [one.text for one in model.transcribe(sound)] == words
        assert len(list((tmp_path / "kept/converted").iterdir())) == 1

    converted = shutil.copytree(folder / exporting.CTRANSLATE2, tmp_path / "converted")
    (converted / card.RECORD).write_bytes((folder / card.RECORD).read_bytes())
    model = Transcriber(converted, threads=1, cache=tmp_path)
    assert model.engine.name == "ctranslate2"
    assert [one.text for one in model.transcribe(sound)] == words
    with pytest.raises(UserError, match=r"needs model\.safetensors"):
        Transcriber(converted, engine="torch")


@pytest.mark.parametrize("engine", ENGINES)
def test_full_windows_hold_several_utterances_and_say_when_they_were(
    engine, digits_tokenizer, spoken, tmp_path
):
    recipe = recipes.named(
        "tiny", windows=(30.0,), longest=30.0, d_model=16, encoder_layers=1, decoder_layers=1,
        heads=2, ffn=32,
    )  # fmt: skip
    exporting.write(networks.build(recipe, digits_tokenizer), digits_tokenizer, ["en"], tmp_path)
    model = Transcriber(tmp_path, engine=engine, threads=1, cache=tmp_path / "kept")
    assert model.joins and model.model.timed
    sound = np.concatenate([np.repeat(PAUSE, 6), spoken[0], np.repeat(PAUSE, 20), spoken[0]])
    heard = model.transcribe(sound, language="sv", task="translate").transcript()
    assert heard.segments and heard.task == "translate"  # random weights say something
    times = [time for one in heard.segments for time in (one.start, one.end)]
    assert times == sorted(times) and 0 <= times[0] <= times[-1] <= heard.audio_seconds


def _but_transformers(_, names):
    return [name for name in names if name in (exporting.CTRANSLATE2, "README.md")]


def test_what_cannot_be_is_said_in_a_sentence(folder, transcriber, tmp_path):
    with pytest.raises(UserError, match="was not trained to translate"):
        transcriber.transcribe(PAUSE, task="translate")
    with pytest.raises(UserError, match="no language 'xx'"):
        transcriber.transcribe(PAUSE, language="xx")
    with pytest.raises(UserError, match="no engine 'fast'"):
        Transcriber(folder, engine="fast")
    with pytest.raises(UserError, match="no Whisper model"):
        Transcriber(tmp_path)
    with pytest.raises(UserError, match="cannot be opened"):
        Transcriber("nobody/no-model")
    with pytest.raises(audio.AudioError, match="neither libsndfile nor ffmpeg"):
        transcriber.transcribe(b"not a sound" * 100).transcript()
