"""transformers reads the tokenizers that are made here, and gives the same numbers."""

import pytest
from transformers import WhisperTokenizer

from whisper import labels

TEXTS = ["Vinden drog över åkern.", "山上有雨", "don't  stop", " five"]


@pytest.fixture
def both(tmp_path):
    tokenizer = labels.train(labels.written(text, "sv") for text in TEXTS)
    tokenizer.save(tmp_path)
    return tokenizer, WhisperTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("text", TEXTS)
def test_texts_have_the_same_numbers(both, text):
    ours, theirs = both
    assert theirs.encode(text, add_special_tokens=False) == ours.encode(text)
    assert theirs.decode(ours.encode(text)) == text


def test_marks_and_timestamps_have_the_same_numbers(both):
    ours, theirs = both
    theirs.set_prefix_tokens(language="swedish", task="translate")
    assert theirs.prefix_tokens == ours.prompt("sv", "translate")
    assert theirs.convert_tokens_to_ids("<|nospeech|>") == ours.no_speech
    assert theirs.convert_tokens_to_ids("<|0.00|>") == theirs.all_special_ids[-1] + 1
    assert theirs.convert_tokens_to_ids("<|30.00|>") == ours.timestamp(30)
    assert {theirs.pad_token_id, theirs.eos_token_id, theirs.bos_token_id} == {ours.end}
    assert len(theirs) == len(ours)


def test_timestamps_are_dropped_and_shown_alike(both):
    ours, theirs = both
    said = [ours.timestamp(0), *ours.encode(" five"), ours.timestamp(1.5)]
    assert theirs.decode(said, skip_special_tokens=True).strip() == ours.decode(said) == "five"
    assert theirs.decode(said, decode_with_timestamps=True) == "<|0.00|> five<|1.50|>"


def test_what_transformers_saves_is_read_back(both, tmp_path):
    ours, theirs = both
    theirs.save_pretrained(tmp_path / "again")
    again = labels.load(tmp_path / "again")
    assert again.fingerprint == ours.fingerprint
    assert again.prompt("zh", "transcribe") == ours.prompt("zh", "transcribe")
    assert len(again) == len(ours)
