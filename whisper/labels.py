"""Labels: texts as the numbers that Whisper writes, and back.

    tokenizer = labels.load("openai/whisper-small")    from the hub, a folder or a tokenizer.json
    tokenizer = labels.train(texts)                    a small one, made here, without a network
    tokenizer.prompt("sv", "transcribe")               what a model is told before it writes

The order of numbers is Whisper's: text, end of text, start, languages, tasks and other marks, 1501
timestamps. A text is only ever text here: one that holds "<|en|>" becomes these six characters.

All multilingual models of OpenAI share the numbers of text, so shards that were labelled for one
serve all of them: they have the same `fingerprint`. Their marks differ, as large-v3 has a language
more, and are therefore no part of labels that are stored.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

from fti.errors import UserError
from whisper.feeds.names import LANGUAGES
from whisper.normalise import by_character

FILE, ABOUT = "tokenizer.json", "tokenizer_config.json"
SIZE = 320  # text tokens of a tokenizer made here
END, START, NO_TIMESTAMPS = "<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"
NO_SPEECH = ("<|nospeech|>", "<|nocaptions|>")  # the one of large-v3, and what it was called before
TASKS = ("translate", "transcribe")
STEP, TIMESTAMPS = 0.02, 1501  # seconds, and how many there are: from 0 to 30 s
# CTranslate2 takes a model for multilingual when its vocabulary has this token.
EMPTY = ""


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer of Whisper, whose `source` is the text of a tokenizer.json."""

    source: str = field(repr=False)

    def encode(self, text: str) -> list[int]:
        """Give the numbers of a text, without prompt and end."""
        return self._text.encode(text, add_special_tokens=False).ids

    def label(self, text: str, language: str) -> list[int]:
        """Give the numbers that a model is to write for a text of a language."""
        return self.encode(written(text, language))

    def decode(self, ids: Iterable[int]) -> str:
        """Give the text of numbers, without marks, timestamps and blanks at its ends."""
        said = [int(one) for one in ids if 0 <= one < self.end]
        return self._text.decode(said, skip_special_tokens=False).strip()

    def prompt(self, language: str, task: str, timestamps: bool = False) -> list[int]:
        """Give start, language and task, and the mark that says there will be no timestamps."""
        told = [self.start, self.language(language), self.task(task)]
        return told if timestamps else [*told, self.no_timestamps]

    @property
    def languages(self) -> dict[str, int]:
        """The languages it knows and their numbers; the oldest models lack Cantonese (yue)."""
        marks = {code: f"<|{code}|>" for code in LANGUAGES}
        return {code: self._ids[mark] for code, mark in marks.items() if mark in self._ids}

    def language(self, code: str) -> int:
        """Give the number of a language (as "sv"); raises UserError for one it does not know."""
        if code in LANGUAGES and f"<|{code}|>" in self._ids:
            return self._ids[f"<|{code}|>"]
        raise UserError(f"The tokenizer knows no language '{code}': give a code as sv, it or zh.")

    def task(self, name: str) -> int:
        """Give the number of "transcribe" or "translate"; raises UserError for others."""
        if name in TASKS:
            return self._ids[f"<|{name}|>"]
        raise UserError(f"There is no task '{name}': give transcribe or translate.")

    def timestamp(self, seconds: float) -> int:
        """Give the number of the nearest timestamp; raises ValueError outside of 0 to 30 s."""
        step = round(seconds / STEP)
        if not 0 <= step < TIMESTAMPS:
            raise ValueError(f"there is no timestamp for {seconds:g} s in a window of 30 s")
        return self.timestamp_begin + step

    @property
    def start(self) -> int:
        """What a model is given first."""
        return self._ids[START]

    @cached_property
    def end(self) -> int:
        """What a model writes last; text has the numbers below."""
        return self._ids[END]

    @cached_property
    def no_timestamps(self) -> int:
        """Says in a prompt that no timestamps are wanted."""
        return self._ids[NO_TIMESTAMPS]

    @property
    def no_speech(self) -> int:
        """What a model predicts first where nobody speaks."""
        return next(self._ids[mark] for mark in NO_SPEECH if mark in self._ids)

    @property
    def timestamp_begin(self) -> int:
        """The timestamp of 0 seconds; all others follow."""
        return self.no_timestamps + 1

    @cached_property
    def fingerprint(self) -> str:
        """What two tokenizers have in common exactly when they write all texts alike."""
        texts = sorted((number, token) for token, number in self._ids.items() if number < self.end)
        spoken = [pair for pair in texts if pair[1] != EMPTY]
        told = json.dumps([spoken, [_pair(merge) for merge in self._model["merges"]]])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def save(self, folder: Path) -> Path:
        """Write tokenizer.json, and what transformers wants beside it; give the former's path."""
        marks = dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), END)
        about: dict[str, Any] = {
            "tokenizer_class": "WhisperTokenizer",
            "add_prefix_space": False,
        } | marks
        about |= {"model_max_length": 1024, "clean_up_tokenization_spaces": False}
        # Behind the last of these, transformers looks for timestamps.
        about["extra_special_tokens"] = [
            name
            for name, number in sorted(self._ids.items(), key=itemgetter(1))
            if self.end < number <= self.no_timestamps
        ]
        for name, text in ((ABOUT, json.dumps(about, indent=1)), (FILE, self.source)):
            _write(Path(folder) / name, text)
        return Path(folder) / FILE

    def __len__(self) -> int:
        """The size of the vocabulary that a model needs, timestamps included."""
        return max(max(self._ids.values()) + 1, self.timestamp_begin + TIMESTAMPS)

    @cached_property
    def _document(self) -> dict[str, Any]:
        return json.loads(self.source)

    @property
    def _model(self) -> dict[str, Any]:
        return self._document["model"]

    @cached_property
    def _ids(self) -> dict[str, int]:
        """Give the number of every token, marks and timestamps included."""
        added = self._document.get("added_tokens") or []
        return self._model["vocab"] | {token["content"]: token["id"] for token in added}

    @cached_property
    def _text(self) -> Any:
        """The tokenizer without marks, so that no text can become one."""
        from tokenizers import Tokenizer as Library

        plain = self._document | {"added_tokens": [], "post_processor": None}
        return Library.from_str(json.dumps(plain | {"truncation": None, "padding": None}))


def written(text: str, language: str) -> str:
    """Give a text as Whisper writes it: with a blank before it where words have one."""
    text = " ".join(text.split())
    return text if by_character(language) or not text else f" {text}"


def load(where: str | Path) -> Tokenizer:
    """Open the tokenizer of a folder, a tokenizer.json, or a model on the hub.

    Raises UserError where there is none, or one that is not of a multilingual Whisper.
    """
    import tokenizers  # noqa: F401, so that its lack is not taken for a damaged file

    path = Path(where).expanduser()
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        path = _from_hub(str(where))
    try:
        tokenizer = Tokenizer(path.read_text(encoding="utf-8"))
        needed = (START, END, NO_TIMESTAMPS, *(f"<|{task}|>" for task in TASKS))
        lacking = [mark for mark in needed if mark not in tokenizer._ids]
        lacking += [] if any(mark in tokenizer._ids for mark in NO_SPEECH) else [NO_SPEECH[0]]
        tokenizer.encode("")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _refused(where, f"it cannot be read ({error})") from error
    except Exception as error:  # the library raises plain ones, for documents it cannot read
        raise _refused(where, f"it is no tokenizer of text in pieces of bytes ({error})") from error
    if lacking:
        raise _refused(where, f"it has no {lacking[0]}, so its model is no multilingual Whisper")
    return tokenizer


def train(texts: Iterable[str], size: int = SIZE) -> Tokenizer:
    """Make a tokenizer whose pieces are the most frequent ones of the texts, at most `size`.

    In: texts as `written`. Bytes are among its pieces, so it can write any text of any language.
    The same texts, in whatever order, give the same tokenizer.
    """
    from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Library

    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library = Library(models.BPE())
    library.pre_tokenizer = pieces
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=sorted(pieces.alphabet()), show_progress=False
    )
    library.train_from_iterator(texts, trainer)
    made = json.loads(library.to_str())["model"]
    names = [*sorted(made["vocab"], key=made["vocab"].__getitem__), EMPTY, END]
    vocabulary = {name: number for number, name in enumerate(names)}

    merges = [_pair(merge) for merge in made["merges"]]
    library = Library(models.BPE(vocab=vocabulary, merges=merges))
    library.pre_tokenizer, library.decoder = pieces, decoders.ByteLevel()
    library.add_special_tokens([_mark(AddedToken, name, special=True) for name in _marks()])
    times = (f"<|{step * STEP:.2f}|>" for step in range(TIMESTAMPS))
    library.add_tokens([_mark(AddedToken, name, special=False) for name in times])
    return Tokenizer(library.to_str())


def _marks():
    """Give the marks in their order, the last of which timestamps follow."""
    languages = (f"<|{code}|>" for code in LANGUAGES)
    tasks = (f"<|{task}|>" for task in TASKS)
    others = ("<|startoflm|>", "<|startofprev|>", NO_SPEECH[0], NO_TIMESTAMPS)
    return (END, START, *languages, *tasks, *others)


def _mark(kind, name, special):
    return kind(name, special=special, normalized=False)


def _pair(merge: str | Sequence[str]) -> tuple[str, ...]:
    """Give a merge as two pieces, which older files hold as one text."""
    return tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge)


def _write(path, text):
    """Put a file at its place in one step: processes may read it at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8", newline="\n")
    aside.replace(path)


def _from_hub(name):
    """Give the path of a model's tokenizer.json in the cache of the hub's client."""
    from httpx2 import HTTPError  # which the hub's client speaks through
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(hf_hub_download(name, FILE))
    except HFValidationError as error:
        raise _refused(name, "there is no such file or folder, and no such name") from error
    except LocalEntryNotFoundError as error:
        raise _refused(name, "it is not on this machine, and the hub cannot be reached") from error
    except GatedRepoError as error:
        reason = "its terms have to be accepted on the hub, and HF_TOKEN set"
        raise _refused(name, reason) from error
    except RepositoryNotFoundError as error:
        raise _refused(name, "the hub has no such model, or HF_TOKEN may not read it") from error
    except EntryNotFoundError as error:
        raise _refused(name, f"its model has no {FILE} on the hub") from error
    except (HfHubHTTPError, HTTPError, OSError) as error:
        raise _refused(name, f"the hub does not give it ({error})") from error


def _refused(where, reason):
    reason = " ".join(str(reason).split())[:200].rstrip(".")
    return UserError(
        f"--tokenizer {where}: {reason}; give a folder with {FILE}, the name of a Whisper model on "
        "the hub, or train, which makes a small one of the source's own texts."
    )
