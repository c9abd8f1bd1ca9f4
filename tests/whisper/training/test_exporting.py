"""What is exported writes what was trained, for everyone who reads such folders."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from transformers import (
    AutoTokenizer,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from whisper import audio, card, evaluation, exporting, labels, networks, registry, shards
from whisper.clips import TEST

FILES = {
    "model.safetensors", "config.json", "generation_config.json", "tokenizer.json",
    "tokenizer_config.json", "preprocessor_config.json", "processor_config.json", "README.md",
    "scores.json", "training.json",
}  # fmt: skip
CTRANSLATE2 = {
    "model.bin", "config.json", "vocabulary.json", "tokenizer.json", "preprocessor_config.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def clips(overfitted):
    return list(shards.read(shards.files(overfitted.shards, split=TEST)))


@pytest.fixture(scope="module")
def facts(overfitted):
    rows = shards.table(overfitted.shards, pd.Timestamp("2026-11-20", tz="UTC"))
    scores = evaluation.evaluate(
        overfitted.model, overfitted.tokenizer, overfitted.shards, TEST, overfitted.recipe
    )
    return card.Facts(card.described(rows), {"run": "tiny-1", "data": "abc"}, scores)


@pytest.fixture(scope="module")
def exported(overfitted, facts, tmp_path_factory):
    """The folder of the model, and what its export said of it."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    model, tokenizer, recipe = overfitted.model, overfitted.tokenizer, overfitted.recipe
    return folder, exporting.export(model, tokenizer, recipe, facts, folder, overfitted.shards)


def wrong(heard, clips):
    """Give the share of clips of which another text was written."""
    return sum(text != clip.text_raw for text, clip in zip(heard, clips, strict=True)) / len(clips)


def test_a_folder_has_the_files_that_each_reader_wants(exported):
    folder, _ = exported
    assert {path.name for path in folder.iterdir() if path.is_file()} == FILES
    assert {path.name for path in (folder / exporting.CTRANSLATE2).iterdir()} == CTRANSLATE2


def test_transformers_alone_writes_the_same_from_the_folder(exported, clips):
    folder, _ = exported
    model = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    processor = WhisperProcessor.from_pretrained(folder)
    sounds = [audio.samples(clip.audio) for clip in clips]
    features = processor(sounds, sampling_rate=16_000, return_tensors="pt").input_features
    ids = model.generate(features)  # the language and the task are in the folder
    heard = processor.batch_decode(ids, skip_special_tokens=True)
    assert [text.strip() for text in heard] == [clip.text_raw for clip in clips]


def test_tokenizer_and_extractor_are_read_back_as_they_were(exported, overfitted):
    folder, _ = exported
    assert labels.load(folder).source == overfitted.tokenizer.source
    assert len(AutoTokenizer.from_pretrained(folder)) == len(overfitted.tokenizer)
    assert WhisperFeatureExtractor.from_pretrained(folder).chunk_length == 1


def test_a_model_is_loaded_to_listen_as_it_was_trained(exported, overfitted, clips):
    folder, _ = exported
    model = networks.load(folder)
    heard = evaluation.transcribe(model, overfitted.tokenizer, clips, windows=(0.6, 1.0), slack=0.1)
    assert heard == [clip.text_raw for clip in clips]


def test_float32_under_ctranslate2_gives_the_same_texts(exported, overfitted, clips, tmp_path):
    folder, _ = exported
    exporting.convert(folder, tmp_path / "float", quantization="float32")
    heard = exporting.transcribe(
        tmp_path / "float", overfitted.tokenizer, clips,
        windows=(0.6, 1.0), slack=0.1, max_new_tokens=10, compute_type="float32",
    )  # fmt: skip
    assert heard == [clip.text_raw for clip in clips]


def test_int8_agrees_with_the_model_on_nearly_all_texts(exported, overfitted):
    folder, alike = exported
    recipe = overfitted.recipe
    assert alike["int8_clips"] == 5 and alike["int8_same_text"] >= 0.8
    ours = evaluation.predict(
        overfitted.model, overfitted.tokenizer, overfitted.shards, TEST, recipe
    )
    rows = exporting.predict(
        folder / exporting.CTRANSLATE2, overfitted.tokenizer, overfitted.shards, TEST, recipe
    )
    assert rows.drop(columns="heard").equals(ours.drop(columns="heard"))
    assert exporting.compare(ours, rows)["int8_same_text"] >= 0.9


def test_int8_that_hears_worse_is_not_exported(overfitted):
    ours = evaluation.predict(
        overfitted.model, overfitted.tokenizer, overfitted.shards, TEST, overfitted.recipe
    )
    alike = exporting.compare(ours, ours.assign(heard="noise"))
    assert alike["int8_same_text"] == 0 and alike["int8_error_rate_difference"] == 1
    with pytest.raises(exporting.ExportError, match=r"error rate on 10 clips is higher by 1\.000"):
        exporting.check(alike)
    exporting.check(exporting.compare(ours, ours))


def test_one_error_of_many_may_be_chance(overfitted):
    ours = evaluation.predict(
        overfitted.model, overfitted.tokenizer, overfitted.shards, TEST, overfitted.recipe
    )
    one = ours["clip_id"] == ours["clip_id"].iloc[0]
    alike = exporting.compare(ours, ours.assign(heard=ours["heard"].mask(one, "noise")))
    assert alike["int8_error_rate_difference"] == pytest.approx(0.1)
    exporting.check(alike)


def test_lora_is_merged_into_what_is_exported(overfitted, tmp_path):
    recipe = replace(overfitted.recipe, lora_rank=2)
    model = networks.build(recipe, overfitted.tokenizer)
    exporting.write(networks.plain(model), overfitted.tokenizer, ["en"], tmp_path)
    names = networks.load(tmp_path).state_dict()
    assert not [name for name in names if "lora" in name]


def test_what_a_program_has_to_know_is_in_the_folder(exported):
    folder, alike = exported
    record = json.loads((folder / "training.json").read_text())
    assert record["windows"] == [0.6, 1.0] and record["longest"] == 1.0
    assert record["languages"] == ["en"] and record["tasks"] == ["transcribe"]
    assert record["data"] == "abc" and record["recipe"] == "tiny"
    assert json.loads((folder / "scores.json").read_text())["test"].items() >= alike.items()


def test_the_registry_gives_back_what_was_exported(exported, project, overfitted, clips):
    folder, alike = exported
    assert registry.register(project, folder) == 1
    fetched = registry.fetch(project)
    assert fetched.version == 1 and fetched.record["run"] == "tiny-1"
    assert fetched.scores.items() >= alike.items()
    heard = exporting.transcribe(
        fetched.folder / exporting.CTRANSLATE2, overfitted.tokenizer, clips,
        windows=(1.0,), max_new_tokens=10,
    )  # fmt: skip
    assert wrong(heard, clips) <= 0.1


def test_faster_whisper_takes_the_folder(exported, overfitted):
    from faster_whisper import WhisperModel

    folder, _ = exported
    model = WhisperModel(str(folder / exporting.CTRANSLATE2), device="cpu", compute_type="int8")
    assert model.model.is_multilingual and model.feature_extractor.nb_max_frames == 100
    transcribe = overfitted.tokenizer.task("transcribe")
    assert model.hf_tokenizer.token_to_id("<|transcribe|>") == transcribe
