"""Audio datasets as Parquet, as the Hugging Face Hub keeps them: local files, or a folder of them.

`audio` is a struct of `bytes` and `path`, or bytes; it is not decoded by `datasets`. Known by their
columns are

    FLEURS        raw_transcription, id; no speakers. With the folder `en_us` beside that of the
                  language, sentences of the same `id` are the translation
    CoVoST 2      sentence, client_id, translation
    Common Voice  sentence, client_id, as others have put it into Parquet

and for others `Columns` says which is which: `Columns.parse("text=words,speaker=reader")`. The
split is that of a column, or else of the names of files and folders: `sv_se/train/0000.parquet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath

from fti.errors import SourceError, UserError
from whisper.clips import NO_AUDIO, Recording
from whisper.feeds import names

ROWS = 16  # given at a time; in memory is what libraries write as one page, at most a row group
BUFFER = 2**20  # bytes of a column read at a time
ENGLISH = "en_us"  # FLEURS' folder


@dataclass(frozen=True)
class Columns:
    """Which column of a dataset is what; "" for what it does not have."""

    text: str
    audio: str = "audio"
    speaker: str = ""
    translation: str = ""
    split: str = ""
    file: str = ""
    sentence: str = ""  # the number that a sentence has in all languages

    @classmethod
    def parse(cls, said: str) -> Columns:
        """Read "text=words,speaker=reader"; raises UserError."""
        pairs = [part.partition("=") for part in said.split(",")]
        found = {ours.strip(): theirs.strip() for ours, _, theirs in pairs}
        ours = [column.name for column in fields(cls)]
        if not set(found) <= set(ours) or not all(found.values()) or "text" not in found:
            raise UserError(
                f"The columns '{said}' are not understood: write text=NAME and, where there are "
                f"such, {', '.join(ours[1:])}, with commas between."
            )
        return cls(**found)

    def named(self) -> list[str]:
        """Give the columns that the dataset has."""
        return [said for column in fields(self) if (said := getattr(self, column.name))]


FLEURS = Columns(text="raw_transcription", file="path", sentence="id")
KNOWN = (
    ("fleurs", FLEURS, {"lang_id"}),
    ("covost2", Columns("sentence", speaker="client_id", translation="translation"), set()),
    ("common_voice", Columns("sentence", speaker="client_id", file="path"), set()),
)


@dataclass(frozen=True)
class Parquet:
    """The recordings of some files, in their order."""

    paths: tuple[Path, ...]
    root: Path
    corpus: str
    columns: Columns
    language: str
    english: Mapping[str, str] = field(default_factory=dict, repr=False)  # by FLEURS' number

    def lines(self) -> Iterator[Recording]:
        """Give the rows without their audio, whose column is not read."""
        for path in self.paths:
            for _, row in self._rows(path, without_audio=True):
                yield self._recording(path, *row)

    def recordings(self) -> Iterator[Recording]:
        """Give the rows with the bytes of their audio."""
        for path in self.paths:
            for audio, row in self._rows(path):
                yield self._with_audio(self._recording(path, *row), audio, path)

    def _rows(self, path, without_audio=False):
        """Give of each row the audio, and number and values by our names."""
        ours = {name: said for name, said in vars(self.columns).items() if said and name != "audio"}
        wanted = [*ours.values(), *([] if without_audio else [self.columns.audio])]
        number = 0
        for batch in _batches(path, list(dict.fromkeys(wanted))):
            size = len(batch[self.columns.text])
            audio = [None] * size if without_audio else batch[self.columns.audio]
            for place in range(size):
                values = {name: batch[said][place] for name, said in ours.items()}
                yield audio[place], (number, values)
                number += 1

    def _recording(self, path, number, values):
        said = {name: "" if value is None else str(value) for name, value in values.items()}
        split = (
            names.split(said["split"], f"{path}, row {number}")
            if self.columns.split
            else names.split_of_path(*_parts(self.root, path))
        )
        file = PurePosixPath(said.get("file", "")).name
        file = file or f"{'/'.join(_parts(self.root, path)[1:])}:{number}"
        return Recording(
            corpus=self.corpus,
            language=self.language,
            file=f"{self.language}/{file}",
            text=said["text"],
            split=split,
            speaker=said.get("speaker", ""),
            translation=said.get("translation", "")
            or self.english.get(said.get("sentence", ""), ""),
        )

    def _with_audio(self, recording, audio, path):
        if isinstance(audio, dict):
            inside = audio.get("path") or ""
            audio = audio.get("bytes") or self._beside(path, inside)
        return replace(recording, audio=audio) if audio else replace(recording, problem=NO_AUDIO)

    def _beside(self, path, name):
        """Give the path of audio that lies beside the Parquet file rather than in it."""
        if not name or "\0" in name or ".." in PurePosixPath(name).parts:
            return None
        return None if PurePosixPath(name).is_absolute() else path.parent / name


def feed(
    root: Path,
    language: str | None,
    columns: Columns | None = None,
    *,
    corpus: str = "",
    english: Mapping[str, str] | None = None,
) -> Parquet:
    """Open a Parquet file, or all in a folder; raises SourceError for what is no audio dataset.

    `columns` are those of a dataset that is not known, and `corpus` what to call it (default: as
    the folder or file); `english` are the translations of FLEURS (default: what lies beside it).
    """
    paths = _of_language(root, language)
    found = set(_schema(paths[0]).names)
    name, columns = _known(paths[0], found) if columns is None else (corpus or _name(root), columns)
    language = language or _language(root, paths[0])
    if not language:
        raise SourceError(f"{root}: nothing says its language; say it with --language, as sv.")
    for path in paths:
        _check(path, columns)
    if english is None:
        english = _english(root) if columns == FLEURS and language != "en" else {}
    return Parquet(paths, root, name, columns, language, english)


def _english(root):
    """Give FLEURS' sentences in English by their number, if they lie beside a folder or in it."""
    beside = root / ENGLISH if root.is_dir() else root.parent
    beside = beside if beside.is_dir() else root.parent / ENGLISH
    if beside.name != ENGLISH:
        return {}
    found: dict[str, str] = {}
    for path in sorted(beside.rglob("*.parquet")):
        for batch in _batches(path, [FLEURS.sentence, FLEURS.text]):
            found |= zip(map(str, batch[FLEURS.sentence]), batch[FLEURS.text], strict=True)
    return found


def _of_language(root, language):
    """Give the files in a folder, and only those of a language where folders are named by it."""
    paths = [root] if root.is_file() else sorted(root.rglob("*.parquet"))
    if not paths:
        raise SourceError(f"{root}: there is no Parquet file in it.")
    found = {path: _language(root, path) for path in paths}
    told = sorted(set(filter(None, found.values())))
    if len(told) > 1 and language not in told:
        asked = f"'{language}' was asked for" if language else "say which with --language"
        raise SourceError(f"{root}: it has the languages {', '.join(told)}; {asked}.")
    if len(told) > 1:
        paths = [path for path in paths if found[path] == language]
    return tuple(paths)


def _language(root, path):
    """Give the language that a folder says, "" if none does.

    In the corpus a folder may be called "sv"; the one around it has to be a locale, as "sv_se":
    else what lies in a folder "my" would be Burmese.
    """
    around, *inside, _ = _parts(root, path)
    said = [*(names.language(part) for part in reversed(inside)), names.language_of_locale(around)]
    return next(filter(None, said), "")


def _parts(root, path):
    """Give the folder that holds the corpus, the folders in it, and the name of a file."""
    folder = root if root.is_dir() else root.parent
    return (folder.resolve().name, *path.relative_to(folder).parts)


def _known(path, found):
    for corpus, columns, also in KNOWN:
        if {*columns.named(), *also} <= found:
            return corpus, columns
    there = ", ".join(sorted(found)[:12])
    raise SourceError(
        f"{path}: no known dataset has its columns {there}; say which is which with "
        "--columns text=NAME,speaker=NAME."
    )


def _name(root):
    return root.resolve().stem


def _check(path, columns):
    """Refuse a file that lacks a column, or whose audio is none."""
    import pyarrow as pa

    schema = _schema(path)
    for column in columns.named():
        if column not in schema.names:
            raise SourceError(f"{path}: there is no column '{column}' in it.")
    kind = schema.field(columns.audio).type
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    if not binary and not (pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0):
        reason = f"the column '{columns.audio}' is {kind}, not bytes or a struct of bytes and path"
        raise SourceError(f"{path}: {reason}.")


def _schema(path):
    from pyarrow import parquet

    with _refused(path):
        return parquet.read_schema(path)


def _batches(path, columns):
    """Give some rows at a time, as lists by column."""
    from pyarrow import parquet

    with _refused(path), parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
        for batch in file.iter_batches(ROWS, columns=columns, use_threads=False):
            yield batch.to_pydict()


@contextmanager
def _refused(path):
    """Turn what pyarrow says of a damaged file into a sentence."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:120].rstrip(".")
        raise SourceError(f"{path}: it is no Parquet, or is cut off ({reason}).") from error
