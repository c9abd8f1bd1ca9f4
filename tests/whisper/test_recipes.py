"""Recipes have the seeds' values, take settings from a command line, and refuse nonsense."""

import json
from dataclasses import fields

import pytest

from fti.errors import UserError
from whisper import recipes
from whisper.recipes import NOT_AT_ALL, RECIPES, Recipe, changed, named


def test_the_recipe_seed_is_what_the_notebooks_did():
    seed = named("seed")
    assert seed.model == "openai/whisper-small"
    assert (seed.batch_size, seed.accumulation, seed.max_steps) == (16, 1, 4000)
    assert (seed.learning_rate, seed.warmup_steps, seed.scheduler) == (1e-5, 500, "linear")
    assert (seed.weight_decay, seed.dropout, seed.optimizer) == (0, 0, "adamw_torch")
    assert (seed.gradient_checkpointing, seed.precision) == (True, "fp16")
    assert (seed.eval_steps, seed.save_steps) == (1000, 1000)
    assert (seed.eval_batch_size, seed.max_new_tokens, seed.eval_clips) == (8, 225, 0)
    assert (seed.windows, seed.longest) == ((30,), 30)
    assert seed.augmentation == NOT_AT_ALL
    assert seed.tensorboard
    shares = ("pack_share", "timestamps_share", "silence_share", "translate_share")
    assert [getattr(seed, share) for share in shares] == [0, 0, 0, 0]


def test_the_recipe_fast_sees_as_many_clips_as_the_recipe_seed():
    passes = [r.batch_size * r.accumulation * r.max_steps for r in (named("fast"), named("seed"))]
    assert passes == [64_000, 64_000]


def test_named_changes_knobs():
    assert named("fast", lora_rank=8).lora_rank == 8


def test_settings_are_read_as_their_knobs_are_typed():
    settings = [
        "learning_rate=2e-5",
        "windows=6, 12,30",
        "compile=yes",
        "tensorboard=no",
        "batch_size=128",
        "model=folder/of=mine",
        "augmentation.noise=0.5",
        "augmentation.snr_db=0,20",
    ]
    recipe = changed(named("fast"), settings)
    assert recipe.learning_rate == 2e-5
    assert recipe.windows == (6.0, 12.0, 30.0)
    assert recipe.compile and not recipe.tensorboard
    assert recipe.batch_size == 128
    assert recipe.model == "folder/of=mine"
    assert (recipe.augmentation.noise, recipe.augmentation.snr_db) == (0.5, (0.0, 20.0))


def test_settings_that_make_sense_together_may_come_in_any_order():
    together = ["windows=1,3", "longest=3", "augmentation.noise=0.5", "augmentation.speed=0.5"]
    recipe = changed(named("tiny"), together)
    assert recipe == changed(named("tiny"), together[::-1])
    assert (recipe.longest, recipe.augmentation.noise, recipe.augmentation.speed) == (3, 0.5, 0.5)


def test_augmentation_can_be_turned_off():
    assert changed(named("fast"), ["augmentation=off"]).augmentation == NOT_AT_ALL


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("learning_rate", "name=value"),
        ("lerning_rate=1", "no knob 'lerning_rate'"),
        ("name=mine", "no knob 'name'"),
        ("augmentation.noize=1", "no knob 'augmentation.noize'"),
        ("augmentation=loud", "augmentation=off"),
        ("augmentation.noise=2", "noise is 2"),
        ("seed.high=1", "no knobs of its own"),
        ("batch_size=many", "not a whole number"),
        ("learning_rate=fast", "not a number"),
        ("learning_rate=nan", "learning_rate is nan"),
        ("compile=perhaps", "yes or no"),
        ("augmentation.snr_db=5", "2 values"),
        ("max_steps=0", "max_steps is 0"),
        ("full_share=1.5", "full_share is 1.5"),
        ("data_share=0", "data_share is 0"),
        ("precision=int8", "bf16, fp16, fp32"),
        ("windows=6,4", "ascend"),
        ("windows=0,4", "longer than 0 s"),
        ("windows=4,31", "no longer than the full one"),
        ("windows=4.01,30", "steps of 0.02 s"),
        ("d_model=30", "divisible"),
        ("model=", "model is ''"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_in_one_sentence(setting, said):
    with pytest.raises(UserError, match=said) as caught:
        changed(named("fast"), [setting])
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="seed, fast, tiny"):
        named("slow")
    with pytest.raises(UserError, match="no knob 'speed'"):
        named("fast", speed=2)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_comes_back_from_json(name):
    assert recipes.restored(json.loads(json.dumps(recipes.described(named(name))))) == named(name)


def test_every_knob_can_be_set_as_it_is_written():
    recipe = named("fast")
    for knob in fields(Recipe):
        value = getattr(recipe, knob.name)
        if knob.name in ("name", "augmentation"):
            continue
        written = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert changed(recipe, [f"{knob.name}={written}"]) == recipe
