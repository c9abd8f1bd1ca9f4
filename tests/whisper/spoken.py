"""Recordings of generated words as a folder with metadata.csv, for tests that need a source."""

import csv

from whisper import audio, sample

WORDS = ["heron", "waits", "mill", "evening", "rain", "stream"]


def recordings(folder, count=30, speakers=3):
    """Make a folder of short recordings, each of a word by one of the speakers."""
    (folder / "clips").mkdir(parents=True)
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "sentence", "speaker"])
        for number in range(count):
            word, voice = WORDS[number // speakers % len(WORDS)], number % speakers
            path = folder / "clips" / f"{number:03}.flac"
            path.write_bytes(audio.encode(sample.speak(word, voice, seed=number)))
            table.writerow([f"clips/{path.name}", word, f"voice {voice}"])
    return folder
