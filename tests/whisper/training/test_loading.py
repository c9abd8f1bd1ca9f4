"""Batches hold each clip as often as planned, in a window that fits, also after an interruption."""

import pickle
from collections import Counter
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from accelerate import skip_first_batches
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from torch.utils.data import DataLoader

from fti.errors import SourceError, UserError
from tests.whisper import corpora
from whisper import (
    audio,
    augment,
    clips,
    labels,
    loading,
    mel,
    recipes,
    shard_files,
    shards,
    torch_mel,
)
from whisper.clips import Recording
from whisper.loading import Buckets, Examples, Request, collate, to_features
from whisper.sounds import Sounds

SECONDS = (0.4, 0.7, 1.1, 1.6, 1.9, 2.6)
SAID = {"sv": "hej på dig", "zh": "你好"}
PLAIN = recipes.Recipe(
    name="plain",
    model=recipes.SCRATCH,
    windows=(1.0, 2.0),
    longest=3.0,
    slack=0.05,
    translate_share=0,
    batch_size=4,
)
BUSY = replace(
    PLAIN,
    full_share=0.4,
    pack_share=0.5,
    timestamps_share=0.5,
    silence_share=0.1,
    translate_share=0.5,
    augmentation=augment.Recipe(noise=0.5, speed=0.5, pitch=0.5, gain=0.5, masks=0.5),
)
KEYS = ("waveforms", "labels", "heard", "times", "bands")


def recordings(count=42, split="train"):
    """Give clips of six lengths and two languages, every third with a translation."""
    sounds = [corpora.written(corpora.sound(seconds, seed=n)) for n, seconds in enumerate(SECONDS)]
    for n in range(count):
        language = "zh" if n % 7 == 0 else "sv"
        yield Recording(
            "made",
            language,
            f"{split}/{n}.wav",
            f"{SAID[language]} {n}",
            split,
            translation=f"hello {n}" if n % 3 == 0 else "",
            audio=sounds[n % len(sounds)],
        )


@pytest.fixture(scope="session")
def tokenizer():
    return labels.train([*SAID.values(), "hello 0123456789"])


@pytest.fixture(scope="session")
def folder(tmp_path_factory, tokenizer):
    """Shards in several parts, with several row groups in some files."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_files, "GROUP_BYTES", 60_000)
        shards.write(recordings(), folder, tokenizer, part_clips=25)
    return folder


@pytest.fixture
def examples(folder, tokenizer):
    """Make the examples of a recipe."""

    def made(recipe=PLAIN, seed=1, **more):
        return Examples(folder, tokenizer, "train", recipe, seed, **more)

    return made


def plan(buckets, epoch=0):
    buckets.set_epoch(epoch)
    return list(buckets)


def same(one, other):
    """Whether two lists of batches are equal to the last bit."""
    return len(one) == len(other) and all(
        a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
        for a, b in zip(one, other, strict=True)
    )


def loader(examples, workers=0, epoch=0):
    buckets = Buckets(examples)
    buckets.set_epoch(epoch)
    return DataLoader(examples, batch_sampler=buckets, collate_fn=collate, num_workers=workers)


def copied(value):
    """Give what a process that is spawned gets."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301


def test_sounds_are_those_of_the_shards_in_any_order(folder):
    paths = shards.files(folder)
    assert max(parquet.read_metadata(path).num_row_groups for path in paths) > 1
    assert len(paths) == 3
    written = [clip.audio for clip in shards.read(paths)]
    sounds = Sounds(paths)
    assert len(sounds) == len(written) == 42
    order = np.random.default_rng(0).permutation(42).tolist()
    assert [sounds[row] for row in order] == [written[row] for row in order]
    again = copied(sounds)
    assert [again[row] for row in order] == [written[row] for row in order]
    with pytest.raises(IndexError, match="none of number 42"):
        sounds[42]


def test_a_shard_whose_audio_was_compressed_is_refused(folder, tmp_path):
    path = tmp_path / "04s-000.parquet"
    table = parquet.read_table(shards.files(folder)[0])
    parquet.write_table(table, path, compression="ZSTD", use_dictionary=False)
    with pytest.raises(SourceError, match="its audio is compressed"):
        Sounds([path])[0]


def test_a_clip_is_heard_and_written_as_it_is_in_its_shard(examples, folder, tokenizer):
    made = examples()
    stored = {clip.clip_id: clip for clip in shards.read(shards.files(folder))}
    for number in range(len(made)):
        item, clip = made[Request((number,), 300, epoch=0)], stored[made.clip_id(number)]
        assert np.array_equal(item.audio / np.float32(32768), audio.samples(clip.audio))
        prompt = tokenizer.prompt(clip.language, "transcribe")
        written = tokenizer.label(clip.text_raw, clip.language)
        assert [tokenizer.start, *item.labels] == [*prompt, *written, tokenizer.end]
        assert tokenizer.decode(item.labels) == clip.text_raw
        assert not item.times[:, 0].any()


def test_a_request_gives_the_same_again_and_something_else_in_another_epoch(examples):
    made, again = examples(BUSY), copied(examples(BUSY))
    request = Request((3, 5), 300, epoch=2)
    one, other = made[request], again[request]
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    later, seeded = made[request._replace(epoch=3)], examples(BUSY, seed=2)[request]
    assert not np.array_equal(one.audio, later.audio)
    assert not np.array_equal(one.audio, seeded.audio)


def test_how_a_clip_sounds_does_not_depend_on_what_it_is_packed_with(examples):
    made = examples(replace(BUSY, timestamps_share=1))
    alone, first = made[Request((3,), 300, 0)], made[Request((3, 1), 300, 0)]
    assert np.array_equal(alone.audio, first.audio[: alone.audio.size])


def test_every_clip_comes_once_in_the_shortest_window_that_holds_it(examples):
    made = examples()
    buckets = Buckets(made)
    for epoch in range(3):
        found = Counter()
        for batch in plan(buckets, epoch):
            (frames,) = {request.frames for request in batch}
            for request in batch:
                found[request.clips] += 1
                assert made.samples[request.clips[0]] / mel.SAMPLE_RATE + 0.05 <= frames / 100
        assert set(found) == {(number,) for number in range(len(made))}
        assert sum(found.values()) == 44  # eleven batches of four, the last one filled up
        longer = Counter(request.frames for batch in plan(buckets, epoch) for request in batch)
        assert longer == {100: 12, 200: 20, 300: 12}  # of 14, 21 and 7 clips


@settings(max_examples=40)
@given(
    shares=st.tuples(*[st.floats(0, 1)] * 4),
    silence=st.floats(0, 0.5),
    batch=st.integers(1, 9),
    alike=st.integers(1, 3),
    windows=st.sampled_from([(3.0,), (1.0,), (0.5, 1.0, 2.5), (1.0, 2.0, 3.0)]),
    seed=st.integers(0, 1000),
)
def test_all_batches_are_whole_and_every_epoch_has_as_many(
    folder, tokenizer, shares, silence, batch, alike, windows, seed
):
    full, pack, times, translate = shares
    recipe = replace(
        PLAIN,
        windows=windows,
        full_share=full,
        pack_share=pack,
        timestamps_share=times,
        translate_share=translate,
        silence_share=silence,
        batch_size=batch,
    )
    made = Examples(folder, tokenizer, "train", recipe, seed)
    buckets = Buckets(made, alike)
    first, second = plan(buckets, 0), plan(buckets, 1)
    assert len(buckets) == len(first) == len(second)
    assert len(first) % alike == 0
    assert {len(requests) for requests in first} == {batch}
    for start in range(0, len(first), alike):
        assert len({one.frames for some in first[start : start + alike] for one in some}) == 1
    requests = [request for some in first for request in some]
    assert {one.clips[0] for one in requests if not one.silent} == set(range(42))
    silent = {one.clips for one in requests if one.silent}
    assert len(silent) <= round(silence * 42) <= sum(one.silent for one in requests)
    for one in requests:
        assert made.samples[one.clips[0]] <= one.frames * mel.HOP
        assert len(one.clips) == 1 or one.frames == 300


def test_the_shares_of_the_recipe_are_kept(examples):
    made = examples(replace(BUSY, batch_size=1))
    requests = [request for (request,) in plan(Buckets(made))]
    spoken = [request for request in requests if not request.silent]
    full = [request for request in requests if request.frames == 300]
    assert (len(requests), len(spoken)) == (46, 42)  # a tenth more is silent
    assert len(full) == pytest.approx(7 + 0.4 * 39, abs=2)
    assert sum(request.translate for request in spoken) == 7  # of 14 that have a translation
    packed = [request for request in full if len(request.clips) > 1]
    assert 0 < len(packed) <= 0.5 * len(full) + 1


def test_another_epoch_has_another_order_and_the_same_epoch_the_same(examples):
    buckets = Buckets(examples(BUSY))
    first, second = plan(buckets, 0), plan(buckets, 1)
    assert first != second
    assert first == plan(Buckets(examples(BUSY)), 0)


def test_packed_clips_are_written_in_order_with_the_times_at_which_they_are_heard(
    examples, tokenizer
):
    made = examples(replace(PLAIN, full_share=1, pack_share=1, longest=6.0, windows=(6.0,)))
    requests = [request for batch in plan(Buckets(made)) for request in batch]
    assert max(len(request.clips) for request in requests) >= 4
    for request in requests:
        item, texts = made[request], [made._text(number) for number in request.clips]
        assert len(item.labels) <= made.positions
        assert len({made.language[number] for number in request.clips}) == 1
        if len(request.clips) == 1:
            continue
        assert tokenizer.no_timestamps not in item.labels
        stamps = [one - tokenizer.timestamp_begin for one in item.labels]
        stamps = [one for one in stamps if one >= 0]
        assert stamps == sorted(stamps)
        heard = len(stamps) // 2
        written = [one for one in item.labels[2:-1] if one < tokenizer.timestamp_begin]
        assert written == list(chain.from_iterable(texts[:heard]))
        for start, end in zip(stamps[::2], stamps[1::2], strict=True):
            clip = item.audio[start * augment.TICK : end * augment.TICK]
            assert np.abs(clip).mean() > 1000
            between = item.audio[end * augment.TICK : (end + 5) * augment.TICK]
            assert not between.any()


def test_single_clips_are_written_with_times_as_often_as_the_recipe_says(examples, tokenizer):
    made = examples(replace(PLAIN, timestamps_share=0.5))
    items = [made[Request((number,), 300, epoch)] for number in range(42) for epoch in range(10)]
    timed = [item for item in items if tokenizer.no_timestamps not in item.labels]
    assert len(timed) == pytest.approx(210, abs=45)
    item = timed[0]
    stamps = [one for one in item.labels if one >= tokenizer.timestamp_begin]
    assert stamps[0] == tokenizer.timestamp(0) == item.labels[2]
    ticks = stamps[1] - stamps[0]
    assert item.labels[-2:] == [stamps[1], tokenizer.end]
    assert 0 <= ticks * augment.TICK - item.audio.size < augment.TICK


def test_where_nothing_is_said_nothing_is_written(examples, tokenizer):
    made = examples(replace(PLAIN, silence_share=0.5))
    silent = [r for batch in plan(Buckets(made)) for r in batch if r.silent]
    assert len({made.samples[request.clips[0]] for request in silent}) == len(SECONDS)
    for request in silent:
        item = made[request]
        assert item.labels[1:] == [
            tokenizer.task("transcribe"),
            tokenizer.no_timestamps,
            tokenizer.end,
        ]
        assert item.audio.size == made.samples[request.clips[0]]
        assert np.abs(item.audio).mean() < 5000


def test_a_clip_is_translated_where_asked(examples, tokenizer):
    made = examples(replace(PLAIN, translate_share=1))
    requests = [r for batch in plan(Buckets(made)) for r in batch if r.translate]
    assert {r.clips[0] for r in requests} == set(np.flatnonzero(made.translated))
    item = made[requests[0]]
    assert item.labels[1] == tokenizer.task("translate")
    assert tokenizer.decode(item.labels).startswith("hello")


def test_a_share_of_the_data_is_always_the_same_clips(examples):
    def names(share):
        made = examples(replace(PLAIN, data_share=share))
        return {made.clip_id(number) for number in range(len(made))}

    some, more = names(0.3), names(0.7)
    assert some < more < names(1.0)
    assert some == {name for name in more if clips.share(name) < 0.3}


def test_clips_without_room_are_counted(examples):
    room = int(examples().tokens.max()) + loading.MARKS - 1
    recipe = replace(PLAIN, longest=2.0, target_positions=room, timestamps_share=1)
    made = examples(recipe)
    assert made.left_out[loading.TOO_LONG] == 7
    assert made.left_out[loading.TOO_MANY_TOKENS] > 0
    assert len(made) + sum(made.left_out.values()) == 42
    assert len(examples(PLAIN, positions=room)) == len(examples(replace(recipe, longest=3.0)))


@pytest.mark.parametrize("positions", [10, 11, 12, 14, 20])
def test_no_labels_are_longer_than_the_model_can_write(examples, positions):
    shares = dict.fromkeys(("timestamps_share", "translate_share", "pack_share", "full_share"), 1)
    made = examples(replace(PLAIN, **shares, label_multiple=8), positions=positions)
    requests = [
        request for epoch in (0, 1) for batch in plan(Buckets(made), epoch) for request in batch
    ]
    assert {request.translate for request in requests} == {True, False}
    assert max(len(made[request].labels) for request in requests) <= positions


def test_nothing_to_train_on_is_told(folder, tokenizer):
    with pytest.raises(UserError, match="no clips to use in the split test:"):
        Examples(folder, tokenizer, "test", PLAIN, 0)
    short = replace(PLAIN, windows=(0.2,), longest=0.2)
    with pytest.raises(UserError, match="42 are longer than the full window"):
        Examples(folder, tokenizer, "train", short, 0)
    with pytest.raises(UserError, match="labelled by another tokenizer"):
        Examples(folder, labels.train(["något annat"]), "train", PLAIN, 0)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # Python 3.12 and 3.13
def test_workers_change_nothing(examples):
    alone = list(loader(examples(BUSY)))
    assert same(alone, list(loader(examples(BUSY), workers=2)))
    assert same(alone, list(loader(copied(examples(BUSY)))))
    assert copied(collate) is collate


def test_a_run_goes_on_in_the_middle_of_an_epoch(examples):
    straight = list(loader(examples(BUSY), epoch=3))
    resumed = list(skip_first_batches(loader(examples(BUSY), epoch=3), 5))
    assert same(straight[5:], resumed)
    assert not same(straight, list(loader(examples(BUSY), epoch=2)))


def test_devices_share_the_batches_of_an_epoch(examples):
    buckets = Buckets(examples(BUSY), alike=2)
    first, second = (list(BatchSamplerShard(buckets, 2, rank)) for rank in range(2))
    assert len(first) == len(second) == len(BatchSamplerShard(buckets, 2, 0))
    assert [batch for pair in zip(first, second, strict=True) for batch in pair] == plan(buckets)
    assert [batch[0].frames for batch in first] == [batch[0].frames for batch in second]


@pytest.mark.parametrize(
    ("changes", "multiple"), [({}, 1), ({"label_multiple": 8}, 8), ({"static_shapes": True}, 32)]
)
def test_labels_are_padded_with_what_the_loss_ignores(examples, tokenizer, changes, multiple):
    made = examples(replace(BUSY, **changes))
    for batch in loader(made):
        assert batch["labels"].shape[1] % multiple == 0
        assert batch["labels"].dtype == torch.int64
        for row in batch["labels"].tolist():
            ends = row.index(tokenizer.end)
            assert set(row[ends + 1 :]) <= {loading.IGNORED}
            assert min(row[:ends]) >= 0


def test_a_batch_becomes_the_log_mel_of_its_window(examples):
    made = examples()
    for requests in plan(Buckets(made)):
        batch = collate([made[request] for request in requests])
        assert batch["waveforms"].shape == (4, requests[0].frames * mel.HOP)
        assert batch["waveforms"].dtype == torch.int16
        features = to_features(batch, bands=128)
        sounds = [made[request].audio / np.float32(32768) for request in requests]
        wanted = mel.padded(sounds, 128, requests[0].frames)
        assert np.abs(features["input_features"].numpy() - wanted).max() < 1e-4
        assert torch.equal(features["labels"], batch["labels"])


def test_another_tract_reaches_the_log_mel_and_is_drawn_anew_in_each_epoch(examples):
    recipe = replace(PLAIN, augmentation=replace(recipes.NOT_AT_ALL, tract=1.0))
    changed, plain = examples(recipe), examples(PLAIN)
    asked = [[Request((n,), 3000, epoch) for n in range(4)] for epoch in (0, 0, 1)]
    batches = [collate([changed[one] for one in some]) for some in asked]
    tracts = [batch["tracts"] for batch in batches]
    assert torch.equal(tracts[0], tracts[1]) and not torch.equal(tracts[0], tracts[2])
    assert all(((some >= 0.85) & (some <= 1.15)).all() for some in tracts)
    before = collate([plain[one] for one in asked[0]])
    assert torch.equal(before["waveforms"], batches[0]["waveforms"]) and "tracts" not in before
    mels = [to_features(batch, 80)["input_features"] for batch in (before, batches[0])]
    assert torch.equal(torch_mel.stretch(mels[0], tracts[0]), mels[1])


def test_masks_reach_the_log_mel(examples):
    recipe = replace(PLAIN, augmentation=replace(recipes.NOT_AT_ALL, masks=1, time_share=0.5))
    made = examples(recipe)
    batch = collate([made[request] for request in plan(Buckets(made))[0]])
    assert set(batch) == set(KEYS)
    hidden = to_features(batch, 80)["input_features"]
    heard = to_features({key: batch[key] for key in KEYS[:3]}, 80)["input_features"]
    changed = (hidden != heard).any(1)
    assert changed.any(1).all()
    assert not any(row[frames:].any() for row, frames in zip(changed, batch["heard"], strict=True))


def test_the_spoken_digits_are_loaded(digits_shards, digits_tokenizer):
    made = Examples(digits_shards, digits_tokenizer, "train", recipes.named("tiny"), 1)
    batches = list(loader(made))
    assert len(batches) == len(Buckets(made))
    assert all(batch["waveforms"].any() for batch in batches)
    texts = {digits_tokenizer.decode(row) for batch in batches for row in batch["labels"].tolist()}
    assert texts == {
        *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        "",
    }
