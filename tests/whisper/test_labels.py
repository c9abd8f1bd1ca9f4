"""Texts become the numbers that Whisper writes, and only that, and come back."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fti.errors import UserError
from whisper import labels
from whisper.feeds.names import LANGUAGES

TEXTS = [labels.written(text, "sv") for text in ("vinden drog över åkern", "en räv sov")]
TOKENIZER = labels.train(TEXTS)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text):
    ids = TOKENIZER.encode(text)
    assert all(0 <= one < TOKENIZER.end for one in ids)
    assert TOKENIZER.decode(ids) == text.strip()


@pytest.mark.parametrize("text", ["<|en|>", "<|endoftext|>", "<|0.00|> a", "<|notimestamps|>"])
def test_no_text_becomes_a_mark(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text
    assert max(TOKENIZER.encode(text)) < TOKENIZER.end


def test_numbers_are_in_whispers_order():
    end = TOKENIZER.end
    assert TOKENIZER.start == end + 1
    assert [TOKENIZER.language(code) for code in ("en", "zh", "yue")] == [
        end + 2,
        end + 3,
        end + 101,
    ]
    assert [TOKENIZER.task(name) for name in ("translate", "transcribe")] == [end + 102, end + 103]
    assert (TOKENIZER.no_speech, TOKENIZER.no_timestamps) == (end + 106, end + 107)
    assert TOKENIZER.timestamp(0) == TOKENIZER.timestamp_begin == end + 108
    assert TOKENIZER.timestamp(30) == end + 1608 == len(TOKENIZER) - 1
    assert TOKENIZER.timestamp(0.029) == TOKENIZER.timestamp_begin + 1
    assert end <= labels.SIZE + 1
    for seconds in (-0.02, 30.02):
        with pytest.raises(ValueError, match="no timestamp"):
            TOKENIZER.timestamp(seconds)


def test_a_prompt_says_language_task_and_whether_there_are_timestamps():
    start, swedish = TOKENIZER.start, TOKENIZER.language("sv")
    task, mark = TOKENIZER.task("translate"), TOKENIZER.no_timestamps
    assert TOKENIZER.prompt("sv", "translate") == [start, swedish, task, mark]
    assert TOKENIZER.prompt("sv", "translate", timestamps=True) == [start, swedish, task]
    for language, name in (("xx", "transcribe"), ("sv", "sing"), ("endoftext", "transcribe")):
        with pytest.raises(UserError, match=r"no language 'xx'|no task 'sing'|'endoftext'"):
            TOKENIZER.prompt(language, name)


def test_what_is_written_is_decoded_without_marks_and_timestamps():
    text = TOKENIZER.label("en räv", "sv")
    times = [TOKENIZER.timestamp(0), *text, TOKENIZER.timestamp(1), *text, TOKENIZER.end]
    assert TOKENIZER.decode([*TOKENIZER.prompt("sv", "transcribe"), *times]) == "en räv en räv"
    assert TOKENIZER.decode([-100, *text, -100]) == "en räv"


def test_a_text_begins_with_a_blank_where_words_have_them():
    assert TOKENIZER.label(" en  räv ", "sv") == TOKENIZER.encode(" en räv")
    assert TOKENIZER.label("山上", "zh") == TOKENIZER.encode("山上")
    assert TOKENIZER.label(" ", "sv") == []


def test_the_same_texts_give_the_same_tokenizer_in_any_order_and_process():
    again = labels.train(reversed(TEXTS))
    code = f"from whisper import labels; print(labels.train({TEXTS!r}).fingerprint)"
    root = Path(labels.__file__).parents[1]
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == again.fingerprint == TOKENIZER.fingerprint
    assert again.source == TOKENIZER.source
    assert labels.train([" other texts"]).fingerprint != TOKENIZER.fingerprint


def test_a_trained_tokenizer_writes_frequent_words_as_one():
    many = labels.train([" fem"] * 3 + [" sex"] * 3)
    assert len(many.label("fem", "sv")) == 1
    assert len(labels.train([]).label("fem", "sv")) == 4


def test_marks_of_other_models_leave_the_fingerprint_as_it_is(tmp_path):
    # Models before large-v3 lack a language, and their files write merges as one text.
    document = json.loads(TOKENIZER.source)
    added = [token for token in document["added_tokens"] if token["content"] != "<|yue|>"]
    for number, token in enumerate(added, TOKENIZER.end):
        token["id"] = number
        token["content"] = token["content"].replace("<|nospeech|>", "<|nocaptions|>")
    document["added_tokens"] = [token for token in added if not token["content"][2:3].isdigit()]
    document["model"]["merges"] = [" ".join(pair) for pair in document["model"]["merges"]]
    (tmp_path / labels.FILE).write_text(json.dumps(document), encoding="utf-8")
    small = labels.load(tmp_path)
    assert small.fingerprint == TOKENIZER.fingerprint
    assert small.encode(TEXTS[0]) == TOKENIZER.encode(TEXTS[0])
    assert small.no_speech == TOKENIZER.no_speech - 1
    assert len(small) == len(TOKENIZER) - 1
    with pytest.raises(UserError, match="no language 'yue'"):
        small.language("yue")


def test_ctranslate2_will_take_its_models_for_multilingual():
    assert "" in json.loads(TOKENIZER.source)["model"]["vocab"]
    assert len(LANGUAGES) == 100


def test_a_saved_tokenizer_is_the_same(tmp_path):
    path = TOKENIZER.save(tmp_path)
    for where in (tmp_path, str(path)):
        assert labels.load(where) == TOKENIZER
    assert {one.name for one in tmp_path.iterdir()} == {labels.FILE, labels.ABOUT}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"model": {"vocab": {}}}', "cannot be read|no tokenizer"),
        (
            '{"model": {"vocab": {"a": 0}, "merges": []}, "added_tokens": []}',
            r"has no <\|start",
        ),
    ],
)
def test_what_is_no_tokenizer_of_whisper_is_one_sentence(tmp_path, text, says):
    (tmp_path / labels.FILE).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        labels.load(tmp_path)


def test_an_english_only_tokenizer_is_refused(tmp_path):
    document = json.loads(TOKENIZER.source)
    kept = [one for one in document["added_tokens"] if one["content"] != "<|translate|>"]
    (tmp_path / labels.FILE).write_text(
        json.dumps(document | {"added_tokens": kept}), encoding="utf-8"
    )
    with pytest.raises(UserError, match=r"no <\|translate\|>.*multilingual"):
        labels.load(tmp_path)


@pytest.mark.parametrize("name", ["openai/whisper-small", "no/such/name/at/all", "nothing"])
def test_without_a_network_one_sentence_names_the_flag(name, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=rf"--tokenizer {name}: .*train, which makes"):
        labels.load(name)
