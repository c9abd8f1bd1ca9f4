"""Make the model that the speech apps are tested with: `python -m tests.spaces.speaking FOLDER`.

It knows six English words of one voice of espeak-ng by heart, wherever in a window they are and
through a microphone, and nothing else. This runs where torch is, in a process of its own: the
tests of the apps have none.
"""

import io
import sys
from pathlib import Path

import numpy as np
import soundfile

from whisper import audio
from whisper.clips import Recording
from whisper.feeds import espeak
from whisper.mel import SAMPLE_RATE

WORDS = ["moon", "river", "garden", "window", "horse", "seven"]
VOICE = 0
PAUSE = 0.8  # seconds between words
DELAYS = {0.1: 1.0, 0.17: 0.4, 0.22: 1.0, 0.26: 0.4, 0.33: 1.0}  # seconds before a word: loudness


def said(word):
    """Give a word as float32 at 16 kHz, without silence around it."""
    samples = audio.decode(espeak.speak(word, "en", VOICE))
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1] + 1]


def spoken(words, before=PAUSE):
    """Give words one after the other, with pauses and the hiss of a room."""
    parts = [np.zeros(round(before * SAMPLE_RATE), np.float32)]
    for word in words:
        parts += [said(word), np.zeros(round(PAUSE * SAMPLE_RATE), np.float32)]
    sound = np.concatenate(parts)
    return sound + hiss(len(sound))


def hiss(size, loudness=1e-3, seed=0):
    """Give a little noise."""
    noise = np.random.default_rng(seed).standard_normal(size) * loudness
    return noise.astype(np.float32)


def as_wav(samples, rate=SAMPLE_RATE):
    """Give samples as the bytes of a WAV file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, "PCM_16", format="WAV")
    return buffer.getvalue()


def recordings():
    """Give what is learned, and the same again as validation and test."""
    for word in WORDS:
        for number, (delay, loudness) in enumerate(DELAYS.items()):
            split = {1: "validation", 3: "test"}.get(number, "train")
            silence = np.zeros(round(delay * SAMPLE_RATE), np.float32)
            sound = np.concatenate([silence, loudness * said(word), silence])
            data = as_wav(sound + hiss(len(sound), seed=number))
            name = f"{word}-{number}.wav"
            yield Recording("espeak", "en", name, word, split, f"{split} voice", audio=data)


def main(folder):
    """Train and export."""
    import pandas as pd
    import torch

    from tests.whisper.training.memorising import memorised
    from whisper import card, evaluation, exporting, labels, recipes, shards

    torch.set_num_threads(1)
    lines = list(recordings())
    tokenizer = labels.train(line.text for line in lines)
    work = folder.with_name("shards")
    shards.write(lines, work, tokenizer)
    recipe = recipes.named(
        "tiny", windows=(1.0, 1.3), longest=1.3, slack=0.0, dropout=0.0, max_steps=180,
        warmup_steps=10, learning_rate=3e-3, target_positions=16, max_new_tokens=10,
    )  # fmt: skip
    model = memorised(recipe, tokenizer, list(shards.read(shards.files(work))))
    scores = evaluation.evaluate(model, tokenizer, work, "test", recipe)
    table = shards.table(work, pd.Timestamp("2026-11-01", tz="UTC"))
    facts = card.Facts(card.described(table), scores=scores)
    exporting.export(model, tokenizer, recipe, facts, folder, work)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
