"""Sound in pieces is the sound that `decode` gives whole."""

import io

import numpy as np
import pytest
import soundfile

from whisper import audio


def written(sound, rate, form="WAV", subtype=None):
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate, format=form, subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize("rate", [4_000, 8_000, 16_000, 22_050, 44_100, 47_952, 48_000, 192_000])
@pytest.mark.parametrize("seconds", [0.05, 20.0])
def test_pieces_are_what_decode_gives(rate, seconds):
    count = int(rate * seconds)
    drawn = np.random.default_rng(0).standard_normal((count, 2 if rate > 8_000 else 1)) * 0.2
    data = written(np.clip(drawn, -1, 1), rate)
    pieces = list(audio.stream(data))
    assert np.allclose(np.concatenate(pieces), audio.decode(data), atol=1e-6)
    assert seconds < 1 or rate < 22_050 or len(pieces) > 1


def test_what_ffmpeg_reads_is_streamed_too(tmp_path):
    import av

    path = tmp_path / "sound.mp4"
    tone = np.sin(np.arange(48_000 * 12) / 20).astype(np.float32)[None]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        for first in range(0, tone.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(tone[:, first : first + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts = 48_000, first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    pieces = list(audio.stream(path))
    assert len(pieces) > 1
    assert np.allclose(np.concatenate(pieces), audio.decode(path), atol=1e-6)


def test_damage_is_said_in_a_sentence(tmp_path):
    drawn = np.random.default_rng(0).standard_normal(160_000) * 0.1
    whole = written(drawn, 16_000, "FLAC")
    with pytest.raises(audio.AudioError, match="cut off"):
        list(audio.stream(whole[: len(whole) // 2]))
    with pytest.raises(audio.AudioError, match="neither libsndfile nor ffmpeg"):
        list(audio.stream(b"<html>" * 100, "page.mp3"))
    with pytest.raises(audio.AudioError, match="values that are no numbers"):
        list(audio.stream(written(np.full(1000, np.nan), 16_000, subtype="FLOAT")))
    with pytest.raises(audio.AudioError, match="no sound in it"):
        list(audio.stream(written(np.zeros(0), 16_000)))
    with pytest.raises(audio.MissingError):
        list(audio.stream(tmp_path / "nothing.wav"))
