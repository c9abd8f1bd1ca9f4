"""Small corpora as their publishers lay them out, with sound that is made here."""

import csv
import io
import tarfile

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from whisper import sample

HEADER = (
    "client_id\tpath\tsentence_id\tsentence\tsentence_domain\tup_votes\tdown_votes\tage\tgender\t"
    "accents\tvariant\tlocale\tsegment"
)
RELEASE = "cv-corpus-24.0-2026-09-01"


def sound(seconds=1.0, rate=16_000, channels=1, seed=0, level=0.3):
    """Give a hum with noise: float32, (samples,) or (samples, channels)."""
    rng, time = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    hum = np.sin(2 * np.pi * 220 * time) + 0.1 * rng.standard_normal(len(time))
    one = (level * hum / 1.5).astype(np.float32)
    return one if channels == 1 else np.stack([one * (1 - 0.1 * c) for c in range(channels)], 1)


def written(samples, rate=16_000, kind="WAV", subtype=None):
    """Give samples as the bytes of a file."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def as_video(seconds=1.0, kind="mp4", codec="aac", rate=44_100, picture=False):
    """Give a hum in stereo as the bytes of a container of ffmpeg."""
    import av

    buffer, samples = io.BytesIO(), sound(seconds, rate, channels=2).T
    with av.open(buffer, "w", format=kind) as container:
        pictures = container.add_stream("mpeg4", rate=25) if picture else None
        stream = container.add_stream(codec, rate=rate)
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", "stereo")
        frame.sample_rate, frame.pts = rate, 0
        if pictures:
            container.mux(list(black(pictures)))
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return buffer.getvalue()


def black(stream, count=3):
    """Give the packets of some black pictures."""
    import av

    stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
    for _ in range(count):
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
        yield from stream.encode(picture)
    yield from stream.encode(None)


def line(speaker, path, sentence):
    """Give a line of a table of Common Voice."""
    return f"{speaker}\t{path}\tabc\t{sentence}\t\t2\t0\t\t\t\t\tsv-SE\t"


def swedish(extra=()):
    """Give the tables of a small Common Voice, by name."""
    lines = {
        "train": [line(f"s{n % 4}", f"cv_{n}.mp3", f'Han sa "nej" {n}.') for n in range(8)],
        "dev": [line("d0", f"cv_{n}.mp3", "Fönstret är öppet.") for n in (20, 21)],
        "test": [line("t0", "cv_30.mp3", "Vintern är lång."), *extra],
    }
    lines["validated"] = [*lines["dev"], *lines["test"], *lines["train"]]
    lines["validated"] += [line("s9", "cv_40.mp3", "Hej."), line("t0", "cv_41.mp3", "Hej då.")]
    return {name: "\n".join([HEADER, *rows, ""]) for name, rows in lines.items()}


def common_voice(folder, tables=None, locale="sv-SE", clip=None, missing=()):
    """Write a release with its clips as MP3 at 32 kHz."""
    tables = swedish() if tables is None else tables
    place = folder / RELEASE / locale
    (place / "clips").mkdir(parents=True)
    clip = clip or written(sound(1.5, 32_000), 32_000, "MP3")
    for name, text in tables.items():
        (place / f"{name}.tsv").write_text(text, encoding="utf-8", newline="")
        for row in csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE):
            if len(row) > 1 and row[1].endswith(".mp3") and row[1] not in missing:
                (place / "clips" / row[1]).write_bytes(clip)
    return folder / RELEASE


def packed(release, path, clips_first=True, mode="w:gz"):
    """Put a release into an archive, its clips before its tables or behind them."""
    files = sorted(
        (file for file in release.rglob("*") if file.is_file()),
        key=lambda file: ((file.suffix == ".tsv") == clips_first, file.name),
    )
    with tarfile.open(path, mode) as tar:
        for file in files:
            tar.add(file, file.relative_to(release.parent).as_posix())
    return path


def metadata_folder(folder, rows, header="file_name,sentence,speaker"):
    """Write a folder with a table; each file that it names is a hum."""
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([header.split(","), *rows])
    for number, row in enumerate(rows):
        if row and row[0].startswith("clips/"):
            (folder / row[0]).write_bytes(written(sound(1.0, 8_000, seed=number), 8_000))
    return folder


def spoken(count, speakers=5):
    """Give rows for `metadata_folder`."""
    return [[f"clips/{n}.wav", f"words number {n}", f"voice {n % speakers}"] for n in range(count)]


def as_parquet(path, columns, audio=None, group=100):
    """Write columns and, as Hugging Face does, `audio` as a struct of bytes and path."""
    count = len(next(iter(columns.values())))
    audio = audio or [{"bytes": written(sound(seed=n)), "path": f"{n}.wav"} for n in range(count)]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({**columns, "audio": pa.array(audio, kind)})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, row_group_size=group)
    return path


def speech(text="vinden drog över åkern", speaker=0):
    """Give generated speech as FLAC."""
    return written(sample.speak(text, speaker), kind="FLAC")
