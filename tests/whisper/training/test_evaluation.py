"""A model that knows its clips by heart makes no errors, and one that knows nothing makes all."""

import math
from dataclasses import replace

import pytest
import torch

from fti.errors import UserError
from whisper import evaluation, networks, scoring, shards
from whisper.clips import TEST


@pytest.fixture(scope="module")
def clips(overfitted):
    return list(shards.read(shards.files(overfitted.shards, split=TEST)))


@pytest.fixture(scope="module")
def untrained(overfitted):
    return networks.build(overfitted.recipe, overfitted.tokenizer)


def transcribed(overfitted, clips, **options):
    options = {"max_new_tokens": 10, "slack": 0.1} | options
    return evaluation.transcribe(overfitted.model, overfitted.tokenizer, clips, **options)


@pytest.mark.parametrize("windows", ["full", (0.6, 1.0)])
@pytest.mark.parametrize("batch_size", [3, 32])
def test_texts_come_in_the_order_of_the_clips_whatever_the_batches(
    overfitted, clips, windows, batch_size
):
    heard = transcribed(overfitted, iter(clips), windows=windows, batch_size=batch_size)
    assert heard == [clip.text_raw for clip in clips]


def test_filling_up_batches_changes_no_text(overfitted, clips):
    heard = transcribed(overfitted, clips, batch_size=4, whole_batches=True)
    assert heard == [clip.text_raw for clip in clips]


def test_the_model_is_left_as_it_was(overfitted, clips):
    model = overfitted.model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    settings, state = model.generation_config.to_dict(), torch.random.get_rng_state()
    transcribed(overfitted, clips, windows=(0.6, 1.0))
    assert model.training and model.generation_config.to_dict() == settings
    assert model.config.max_source_positions == 50
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())
    model.eval()


def test_never_more_clips_than_a_batch_of_each_window_wait(overfitted, clips):
    ahead = 0

    def given():
        nonlocal ahead
        for clip in clips * 3:
            ahead += 1
            yield clip

    seen = []
    for _, numbers, _ in evaluation.batches(given(), (0.6, 1.0), 0.1, 4):
        seen += numbers
        assert ahead - len(seen) < 4
    assert sorted(seen) == list(range(30))


def test_a_clip_longer_than_the_model_hears_is_cut_off(overfitted, clips):
    assert len(transcribed(overfitted, [replace(clips[0], seconds=40.0)], windows=(0.2,))) == 1


def test_a_language_that_is_given_is_the_one_that_is_told(overfitted, clips):
    with pytest.raises(UserError, match="knows no language 'xx'"):
        transcribed(overfitted, clips[:1], language="xx")
    assert transcribed(overfitted, clips[:1], language="en") == [clips[0].text_raw]


def test_suppressed_tokens_are_never_written(overfitted, clips):
    model, tokenizer = overfitted.model, overfitted.tokenizer
    text = clips[0].text_raw
    first = tokenizer.label(text, "en")[0]
    model.generation_config.begin_suppress_tokens = [first]
    try:
        heard = transcribed(overfitted, clips[:1])
    finally:
        model.generation_config.begin_suppress_tokens = []
    assert heard != [text]


def test_a_recipe_says_which_tasks_are_scored(overfitted):
    recipe = overfitted.recipe
    asked = [evaluation.tasks(replace(recipe, translate_share=share)) for share in (0.0, 0.3, 1.0)]
    assert asked == [("transcribe",), ("transcribe", "translate"), ("translate",)]


def test_scores_of_a_split_tell_known_speakers_from_new_ones(overfitted):
    model, tokenizer, recipe = overfitted.model, overfitted.tokenizer, overfitted.recipe
    found = evaluation.evaluate(
        model, tokenizer, overfitted.shards, TEST, recipe, windows=evaluation.BOTH, silent=3
    )
    assert found["error_rate"] == found["wer"] == found["wer_normalised_full_windows"] == 0
    assert found["clips"] == 10 and found["seconds"] > 0
    assert found["clips_known_speakers"] == found["clips_new_speakers"] == 5
    assert found["wer_known_speakers"] == found["wer_new_speakers"] == 0
    assert found["silent_clips"] == 3 and 0 <= found["heard_in_silence"] <= 1
    assert "cer" not in found and "bleu" not in found
    assert 0 < found["hours"] * 3600 < 10


def test_a_trained_model_is_better_than_the_untrained_one(overfitted, untrained):
    rows = [
        evaluation.predict(
            model, overfitted.tokenizer, overfitted.shards, TEST, overfitted.recipe, windows="full"
        )
        for model in (overfitted.model, untrained)
    ]
    assert scoring.score(rows[1])["error_rate"] > 0.9
    found = scoring.compare(*rows)
    assert found["error_rate_difference_high"] < -0.5
    assert all(math.isfinite(value) for value in found.values())


def test_lora_is_heard_through_its_wrapper(overfitted, clips):
    recipe = replace(overfitted.recipe, lora_rank=2)
    model = networks.build(recipe, overfitted.tokenizer)
    assert len(evaluation.transcribe(model, overfitted.tokenizer, clips[:2], slack=0.1)) == 2
