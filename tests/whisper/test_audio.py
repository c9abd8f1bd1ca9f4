"""Any bytes become 16 kHz of one channel, or one sentence, within bounds of time and memory."""

import io
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("soundfile")
pytest.importorskip("av")

from tests.whisper.corpora import as_video, black, sound, written
from whisper import audio

JFK = Path(__file__).parents[3] / "shared/data/whisper/jfk.flac"
FAST = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
WHOLE = {
    "wav": written(sound()),
    "flac": written(sound(), kind="FLAC"),
    "ogg": written(sound(), kind="OGG", subtype="VORBIS"),
    "opus": written(sound(), kind="OGG", subtype="OPUS"),
    "mp3": written(sound(), kind="MP3"),
    "mp4": as_video(1.0),
    "webm": as_video(1.0, "webm", "libopus", 48_000),
    "aac": as_video(1.0, "adts"),
}


def flac_claiming(frames):
    """Give a second of FLAC whose header claims another number of frames."""
    data = bytearray(WHOLE["flac"])
    said = int.from_bytes(data[18:26], "big")  # rate, channels, bits and the 36 bits of the length
    data[18:26] = (said >> 36 << 36 | frames).to_bytes(8, "big")
    return bytes(data)


def peak(call, *arguments, **options):
    """Give the bytes that a call holds at its peak, and what it raises or returns."""
    tracemalloc.start()
    try:
        try:
            result = call(*arguments, **options)
        except audio.AudioError as error:
            result = error
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", WHOLE)
def test_every_format_becomes_one_second_of_one_channel_at_16_khz(kind):
    heard = audio.decode(WHOLE[kind])
    assert heard.dtype == np.float32
    assert heard.ndim == 1
    assert abs(len(heard) / 16_000 - 1) < 0.07  # some codecs add a frame
    spectrum = np.abs(np.fft.rfft(heard))
    assert spectrum.argmax() * 16_000 / len(heard) == pytest.approx(220, abs=3)


def test_what_has_16_bits_at_16_khz_comes_back_to_the_bit():
    samples = np.random.default_rng(0).integers(-32768, 32768, 16_000) / np.float32(32768)
    samples[:2] = -1, 32767 / 32768
    np.testing.assert_array_equal(audio.decode(audio.encode(samples)), samples)
    np.testing.assert_array_equal(audio.samples(audio.encode(samples)), samples)


def test_louder_than_full_scale_is_cut_not_wrapped():
    heard = audio.samples(audio.encode(np.array([2.0, -2.0, 0.5], np.float32)))
    np.testing.assert_allclose(heard, [1, -1, 0.5], atol=1e-4)


def test_channels_are_averaged():
    left, right = sound(seed=1), sound(seed=2)
    data = written(np.stack([left, right], 1), subtype="FLOAT")
    np.testing.assert_allclose(audio.decode(data), (left + right) / 2, atol=1e-7)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_a_tone_keeps_pitch_and_loudness_when_resampled(rate):
    time = np.arange(rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    heard = audio.resample(tone, rate)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(len(heard)) / 16_000)
    assert len(heard) == 16_000
    np.testing.assert_allclose(heard[800:-800], expected[800:-800], atol=2e-3)


def test_what_lies_above_8_khz_does_not_come_back_as_another_tone():
    time = np.arange(48_000) / 48_000
    heard = audio.resample(np.sin(2 * np.pi * 11_000 * time).astype(np.float32), 48_000)
    assert np.abs(heard[800:-800]).max() < 3e-3


def test_the_sound_of_a_video_is_heard():
    assert len(audio.decode(as_video(2.0, picture=True))) == pytest.approx(32_000, abs=700)


@pytest.mark.skipif(not JFK.exists(), reason="no shared recording")
def test_a_recording_in_stereo_of_24_bits_is_heard():
    heard = audio.decode(JFK)
    assert len(heard) == 11 * 16_000
    assert 0.5 < np.abs(heard).max() <= 1


def test_a_wrong_ending_does_not_matter(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(WHOLE["mp3"])
    assert len(audio.decode(path)) == pytest.approx(16_000, abs=2_000)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "neither libsndfile nor ffmpeg"),
        (b"<html>not found</html>" * 20, "neither libsndfile nor ffmpeg"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n" * 20, "neither libsndfile nor ffmpeg"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "neither libsndfile nor ffmpeg"),
        (WHOLE["flac"][:5_000], "damaged or cut off"),
        (WHOLE["mp3"][:2_000], "cut off after"),
        (WHOLE["mp4"][:-1_500], "neither libsndfile nor ffmpeg"),
        (written(np.zeros(0, np.float32)), "no sound in it"),
        (written(np.full(100, np.nan, np.float32), subtype="FLOAT"), "no numbers"),
        (written(sound(), 1_000), "claims 1,000 Hz"),
        (written(sound(0.1, 400_000), 400_000), "claims 400,000 Hz"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_whole_audio_is_one_sentence(data, says):
    with pytest.raises(audio.AudioError, match=says) as caught:
        audio.decode(data, "clips/a.mp3")
    assert str(caught.value).startswith("clips/a.mp3: ")
    assert "\n" not in str(caught.value)


def test_a_video_without_sound_is_one_sentence():
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        container.mux(list(black(container.add_stream("mpeg4", rate=25))))
    with pytest.raises(audio.AudioError, match="no sound"):
        audio.decode(buffer.getvalue())


def test_a_file_that_is_not_there_is_told_from_a_damaged_one(tmp_path):
    with pytest.raises(audio.MissingError, match="there is no such file"):
        audio.decode(tmp_path / "none.wav")
    with pytest.raises(audio.AudioError, match="cannot be opened"):
        audio.decode(tmp_path)


def test_longer_than_asked_for_is_said():
    data = written(sound(2.0))
    assert len(audio.decode(data, longest=2.0)) == 32_000
    with pytest.raises(audio.TooLongError, match=r"longer than 1\.5 s"):
        audio.decode(data, longest=1.5)
    with pytest.raises(audio.TooLongError):
        audio.decode(as_video(2.0), longest=1.5)


def test_hours_of_silence_in_a_small_file_cost_no_memory():
    import soundfile

    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", 8_000, 1, "PCM_16", format="FLAC") as file:
        for _ in range(20):  # 2 hours
            file.write(np.zeros(8_000 * 360, np.int16))
    assert len(buffer.getvalue()) < 250_000
    begun = time.process_time()
    most, result = peak(audio.decode, buffer.getvalue())
    assert isinstance(result, audio.TooLongError)
    assert most < 20_000_000
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("frames", [16_000 * 3_600, 2**36 - 1])
def test_a_flac_that_claims_hours_costs_no_memory(frames):
    most, result = peak(audio.decode, flac_claiming(frames))
    assert isinstance(result, audio.AudioError)
    assert most < 20_000_000


def test_a_flac_that_says_no_length_is_heard_whole():
    assert len(audio.decode(flac_claiming(0))) == 16_000


def test_a_wav_that_claims_hours_has_what_it_has():
    data = bytearray(WHOLE["wav"])
    data[4:8] = data[40:44] = struct.pack("<I", 0xFFFFFFF0)  # as programs that write to a pipe do
    most, heard = peak(audio.decode, bytes(data))
    assert len(heard) == 16_000
    assert most < 20_000_000


def test_a_thousand_channels_cost_no_memory():
    data = written(np.zeros((16_000, 1_000), np.int16))
    most, heard = peak(audio.decode, data)
    assert len(heard) == 16_000
    assert most < 20_000_000


def test_bytes_beyond_all_bounds_are_not_even_looked_at(monkeypatch):
    monkeypatch.setattr(audio, "MAX_BYTES", 1_000)
    with pytest.raises(audio.TooLongError, match="more than 1,000"):
        audio.decode(WHOLE["wav"])


def test_nothing_is_not_written():
    with pytest.raises(audio.AudioError, match="no samples"):
        audio.encode(np.zeros(0, np.float32))


@pytest.mark.parametrize("data", [b"junk", WHOLE["flac"][:3_000], written(sound(1, 8_000), 8_000)])
def test_a_damaged_shard_is_one_sentence(data):
    with pytest.raises(audio.AudioError, match="write it again"):
        audio.samples(data)


@FAST
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_damage_is_a_sentence_or_at_most_what_was_asked_for(kind, data):
    damaged = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(damaged)))
    try:
        heard = audio.decode(bytes(damaged[:end]), "clip", longest=5)
    except audio.AudioError as error:
        assert str(error).startswith("clip: ")
        assert str(error).endswith(".")
    else:
        assert 0 < len(heard) <= 5 * 16_000 + 1
        assert heard.dtype == np.float32
        assert np.abs(heard).max() <= 1


@FAST
@given(st.binary(max_size=400), st.sampled_from([b"", b"RIFF", b"fLaC", b"OggS", b"ID3", b"\xff"]))
def test_any_bytes_are_a_sentence_or_sound(data, beginning):
    try:
        heard = audio.decode(beginning + data)
    except audio.AudioError as error:
        assert "\n" not in str(error)
    else:
        assert len(heard)
