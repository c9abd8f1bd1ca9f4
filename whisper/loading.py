"""Training data: clips of shards as batches of one window length, changed anew in each epoch.

    examples = Examples(folder, tokenizer, "train", recipe, seed=42)
    buckets = Buckets(examples)
    for batch in DataLoader(examples, batch_sampler=buckets, collate_fn=collate):
        model(**to_features(batch, bands=80))

`Buckets` plans an epoch: which clips are in a batch, in which window, what they are asked for.
`Examples` carries out one line of the plan, a `Request`. Both depend on the seed and the epoch
only, so that a run that was interrupted goes on as if it had not been. Batches hold waveforms; the
log-mel is made of them where the model is.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from fti.errors import UserError
from whisper import audio, augment, clips, shard_files, shards, torch_mel
from whisper.labels import Tokenizer
from whisper.mel import FRAMES_PER_SECOND, HOP, SAMPLE_RATE, frames_of
from whisper.recipes import Recipe
from whisper.sounds import Sounds

log = logging.getLogger(__name__)

POSITIONS = 448  # tokens that OpenAI's models can write
IGNORED = -100  # labels that the loss leaves out
STATIC_LABELS = 32  # what lengths of labels are a multiple of when shapes are to stay few
MARKS = 4  # tokens beside those of a text: language, task, no timestamps, end
TIMES = 2  # and with each text of a window with times
MOST_PACKED = 6  # clips in a window
TOO_LONG = "longer than the full window"
TOO_MANY_TOKENS = "more tokens than the model can write"
_COLUMNS = ("clip_id", "language", "seconds", *shard_files.LABELS)
_SCHEMA = pa.schema([shard_files.SCHEMA.field(name) for name in _COLUMNS])


class Request(NamedTuple):
    """What is wanted in one row of a batch."""

    clips: tuple[int, ...]  # numbers of examples; several are said one behind the other
    frames: int  # of the window
    epoch: int
    translate: bool = False
    silent: bool = False  # nothing is said, for as long as the clip lasts


class Item(NamedTuple):
    """One row of a batch."""

    audio: np.ndarray  # int16
    labels: list[int]
    frames: int
    times: np.ndarray  # masks, as `augment.masks` draws them
    bands: np.ndarray
    tract: float  # as `augment.tract` draws it


class Examples(Dataset):
    """The clips of a split that a recipe trains on, by `Request`.

    In: the folder of the shards; the tokenizer, whose text must be the shards' own; a split; the
    recipe; the seed of all that is drawn; how many tokens the model can write, the prompt and the
    end included. In memory there are labels and lengths, some hundred bytes a clip, and no audio.
    `left_out` counts clips that the model has no room for, by reason. Raises UserError where there
    are no clips, or those of another tokenizer.
    """

    def __init__(
        self,
        folder: Path,
        tokenizer: Tokenizer,
        split: str,
        recipe: Recipe,
        seed: int,
        positions: int | None = None,
    ):
        paths = shards.files(folder, split=split)
        _check_tokenizer(paths, tokenizer)
        self.recipe, self.seed, self.tokenizer = recipe, seed, tokenizer
        self.positions = positions or (
            recipe.target_positions if recipe.from_scratch else POSITIONS
        )
        self.longest = _frames(recipe.longest)
        self._sounds = Sounds(paths)
        read = (batch for path in paths for batch in shard_files.batches(path, _COLUMNS))
        rows = pa.Table.from_batches(read, _SCHEMA).combine_chunks()
        self.left_out: Counter[str] = Counter()
        kept = self._kept(rows, split)
        if not kept.size:
            reasons = "".join(f"; {count} are {why}" for why, count in self.left_out.items())
            raise UserError(
                f"{folder} has no clips to use in the split {split}{reasons}: give another source"
                " to the feature pipeline, or change windows in the recipe"
            )
        rows = rows.take(pa.array(kept)).combine_chunks()
        self._rows, self._places = rows.select(["clip_id", *shard_files.LABELS]), kept
        self.samples = _samples(rows)
        self.tokens = pc.list_value_length(rows["label_ids"]).to_numpy()
        words = pc.list_value_length(rows["translation_ids"]).to_numpy()
        self.translated = (words > 0) & (words + MARKS <= self.positions)
        languages = rows["language"].combine_chunks().dictionary_encode()
        self.languages: list[str] = languages.dictionary.to_pylist()
        self.language = languages.indices.to_numpy()  # of each clip, a number of `languages`
        for reason, count in self.left_out.items():
            log.info("%s clips of %s are left out: %s", f"{count:,}", split, reason)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, request: Request) -> Item:
        """Give a row of a batch; the same for the same request, wherever it is asked."""
        first, recipe = request.clips[0], self.recipe
        rng = self._generator(first, request.epoch, " window")
        written = [] if request.silent else self._text(first, request.translate)
        timed = len(request.clips) > 1 or (
            rng.random() < recipe.timestamps_share
            and not request.silent
            and len(written) + MARKS - 1 + TIMES <= self.positions
        )
        if request.silent:
            sound = augment.nothing_said(self.samples[first], rng)
        elif timed:
            sounds = (self._sound(one, request) for one in request.clips)
            sound, times = augment.pack(sounds, rng, request.frames * HOP)
            written = self._with_times(request, times)
        else:
            sound = self._sound(first, request)
        prompt = self.tokenizer.prompt(
            self.languages[self.language[first]],
            "translate" if request.translate else "transcribe",
            timestamps=timed,
        )
        # The model itself puts the start token in front of its labels.
        labels = self._padded([*prompt[1:], *written, self.tokenizer.end])
        whole = np.clip(np.rint(sound * torch_mel.FULL_SCALE), -32768, 32767).astype(np.int16)
        hidden = augment.masks(recipe.augmentation, rng)
        tract = augment.tract(recipe.augmentation, rng)
        return Item(whole, labels, request.frames, *hidden, tract)

    def clip_id(self, number: int) -> str:
        """Name a clip."""
        return self._rows["clip_id"][number].as_py()

    def _kept(self, rows, split):
        """Give the rows that the recipe uses and the model has room for."""
        samples = _samples(rows)
        tokens = pc.list_value_length(rows["label_ids"]).to_numpy() + MARKS
        used = np.ones(len(samples), dtype=bool)
        if split == clips.TRAIN and self.recipe.data_share < 1:
            names = rows["clip_id"].to_pylist()
            used = np.array([clips.share(name) for name in names]) < self.recipe.data_share
        too_long = used & (samples > self.longest * HOP)
        too_many = used & ~too_long & (tokens > self.positions)
        counts = {TOO_LONG: too_long.sum(), TOO_MANY_TOKENS: too_many.sum()}
        self.left_out.update({why: int(count) for why, count in counts.items() if count})
        return np.flatnonzero(used & ~too_long & ~too_many)

    def _generator(self, number, epoch, purpose=""):
        return augment.generator(self.seed, epoch, self.clip_id(number) + purpose)

    def _sound(self, number, request):
        """Give a clip as it sounds in that epoch."""
        sound = audio.samples(self._sounds[self._places[number]])
        rng = self._generator(number, request.epoch)
        return augment.augment(sound, self.recipe.augmentation, rng, request.frames * HOP)

    def _text(self, number, translate=False):
        column = "translation_ids" if translate else "label_ids"
        return self._rows[column][number].as_py()

    def _with_times(self, request, times):
        """Write the texts of the clips that are heard, each between its timestamps."""
        written = []
        for number, (start, end) in zip(request.clips, times, strict=False):
            text = self._text(number, request.translate)
            stamps = self.tokenizer.timestamp(start), self.tokenizer.timestamp(end)
            written += [stamps[0], *text, stamps[1]]
        return written

    def _padded(self, labels):
        multiple = self.recipe.label_multiple
        multiple = max(multiple, STATIC_LABELS) if self.recipe.static_shapes else multiple
        length = min(-(-len(labels) // multiple) * multiple, self.positions)
        return labels + [IGNORED] * (length - len(labels))


class Buckets(Sampler[list[Request]]):
    """Batches of an epoch: lists of `batch_size` requests for one window length.

    Each clip comes once: in the shortest window that holds it and some slack, or, for the share
    `full_share`, in the full window, of which the share `pack_share` holds further clips of its
    language. Silent examples come in addition. What does not fill a batch goes into the next longer
    window, and the last batch is filled up with other clips. So all batches are whole, and each
    epoch has as many.

    `alike` neighbouring batches have the same window: as many as devices train together.
    """

    drop_last = True  # for accelerate: no batch is ever short

    def __init__(self, examples: Examples, alike: int = 1):
        recipe = examples.recipe
        self.examples, self.alike, self.epoch = examples, alike, 0
        self.batch_size = recipe.batch_size
        self.windows = np.array(sorted({*map(_frames, recipe.windows), examples.longest}))
        silent = round(recipe.silence_share * len(examples))
        # Silence is as long as clips are, from the shortest to the longest.
        ranks = (np.arange(silent) + 0.5) / max(silent, 1) * len(examples)
        self._silent = np.argsort(examples.samples, kind="stable")[ranks.astype(int)]
        samples = np.concatenate([examples.samples, examples.samples[self._silent]])
        needed = samples / HOP + recipe.slack * FRAMES_PER_SECOND
        self._window = np.searchsorted(self.windows, needed).clip(max=len(self.windows) - 1)
        rng = np.random.default_rng(0)  # which clips are where differs, how many does not
        self._length = len(self._batches(rng, self._drawn_windows(rng)))

    def __len__(self) -> int:
        return self._length

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that is gone through next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[Request]]:
        epoch, rng = self.epoch, np.random.default_rng([self.examples.seed, self.epoch])
        windows = self._drawn_windows(rng)
        translated = self._drawn_translations(rng)
        packed = self._drawn_packs(rng, windows, translated)
        for window, numbers in self._batches(rng, windows):
            frames = int(self.windows[window])
            batch = numbers.tolist()
            yield [self._request(one, frames, epoch, translated, packed) for one in batch]

    def _request(self, number, frames, epoch, translated, packed):
        beyond = number - len(self.examples)
        if beyond >= 0:
            return Request((int(self._silent[beyond]),), frames, epoch, silent=True)
        together = packed.get(number, (number,))
        return Request(together, frames, epoch, bool(translated[number]))

    def _drawn_windows(self, rng):
        """Put a share of each window's examples into the full one: as many in each epoch."""
        drawn = self._window.copy()
        for window in range(len(self.windows) - 1):
            inside = np.flatnonzero(self._window == window)
            count = round(self.examples.recipe.full_share * len(inside))
            drawn[rng.permutation(inside)[:count]] = len(self.windows) - 1
        return drawn

    def _drawn_translations(self, rng):
        """Say which clips are asked for their translation."""
        able = np.flatnonzero(self.examples.translated)
        asked = np.zeros(len(self.examples), dtype=bool)
        count = round(self.examples.recipe.translate_share * len(able))
        asked[rng.permutation(able)[:count]] = True
        return asked

    def _drawn_packs(self, rng, windows, translated):
        """Give some clips of full windows others of their language that fit behind them."""
        examples = self.examples
        full = windows[: len(examples)] == len(self.windows) - 1
        chosen = rng.permutation(np.flatnonzero(full & ~translated))
        chosen = chosen[: round(examples.recipe.pack_share * full.sum())]
        others = {
            language: cycle(rng.permutation(np.flatnonzero(examples.language == language)))
            for language in np.unique(examples.language[chosen])
        }
        packed = {}
        for first in chosen.tolist():
            more = islice(others[examples.language[first]], int(rng.integers(1, MOST_PACKED)))
            together = [first, *(int(one) for one in more if one != first)]
            samples = np.cumsum(examples.samples[together] + 5 * augment.TICK)
            tokens = np.cumsum(examples.tokens[together] + TIMES) + MARKS - 1
            fitting = (samples <= examples.longest * HOP) & (tokens <= examples.positions)
            packed[first] = tuple(together[: max(1, int(fitting.sum()))])
        return packed

    def _batches(self, rng, windows):
        """Give a window and the numbers in it for each batch, in an order that is drawn."""
        unit, batches = self.batch_size * self.alike, []
        left = np.zeros(0, dtype=np.int64)
        present = np.unique(windows)
        for window in present:
            inside = rng.permutation(np.concatenate([left, np.flatnonzero(windows == window)]))
            whole = len(inside) // unit * unit
            left = inside[whole:]
            batches += [(window, some) for some in inside[:whole].reshape(-1, unit)]
        if left.size:
            others = rng.permutation(np.setdiff1d(np.arange(len(windows)), left))
            batches.append((present[-1], np.resize(np.concatenate([left, others]), unit)))
        return [
            (window, part)
            for window, some in (batches[place] for place in rng.permutation(len(batches)))
            for part in some.reshape(self.alike, self.batch_size)
        ]


def collate(items: Sequence[Item]) -> dict[str, Tensor]:
    """Put rows into a batch.

    Out: `waveforms` (int16, clips x samples of the window), `labels` (int64, without the start
    token, -100 behind their end), `heard` (frames that each clip has) and, if something of some
    clip is to be hidden, `times` and `bands` (float32, clips x masks x 2), and if the tract of some
    is another one, `tracts` (float32, a factor each).
    """
    waveforms = torch.zeros((len(items), items[0].frames * HOP), dtype=torch.int16)
    labels = torch.full((len(items), max(len(item.labels) for item in items)), IGNORED)
    for row, item in enumerate(items):
        waveforms[row, : item.audio.size] = torch.from_numpy(item.audio)
        labels[row, : len(item.labels)] = torch.tensor(item.labels)
    heard = torch.tensor([frames_of(item.audio.size) for item in items])
    batch = {"waveforms": waveforms, "labels": labels, "heard": heard}
    masks = {name: np.stack([getattr(item, name) for item in items]) for name in ("times", "bands")}
    if any(mask[..., 0].any() for mask in masks.values()):
        batch |= {name: torch.from_numpy(mask) for name, mask in masks.items()}
    if any(item.tract != 1 for item in items):
        batch["tracts"] = torch.tensor([item.tract for item in items])
    return batch


def to_features(batch: dict[str, Any], bands: int) -> dict[str, Tensor]:
    """Give what a model takes, `input_features` and `labels`, on the device of the batch."""
    mels = torch_mel.log_mel(batch["waveforms"], bands)
    if "tracts" in batch:
        mels = torch_mel.stretch(mels, batch["tracts"])
    if "times" in batch:
        mels = torch_mel.hide(mels, batch["heard"], batch["times"], batch["bands"])
    return {"input_features": mels, "labels": batch["labels"]}


def _check_tokenizer(paths, tokenizer):
    for path in paths:
        found = shard_files.tokenizer_of(path)
        if found != tokenizer.fingerprint:
            raise UserError(
                f"{path} was labelled by another tokenizer ({found or 'none'}) than the model's"
                f" ({tokenizer.fingerprint}): run the feature pipeline with the model's --tokenizer"
            )


def _frames(seconds: float) -> int:
    return round(seconds * FRAMES_PER_SECOND)


def _samples(rows: pa.Table) -> np.ndarray:
    return np.rint(rows["seconds"].to_numpy() * SAMPLE_RATE).astype(np.int64)
