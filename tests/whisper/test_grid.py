"""Grids as they are written; that they are trained is tested in tests/whisper/training."""

from pathlib import Path

import pytest

from fti.errors import UserError
from whisper import grid, recipes

GRID = Path(__file__).parents[2] / "whisper" / "grid.toml"


def test_a_grid_is_its_base_each_value_and_each_named_variant():
    found = grid.read(
        """
        recipe = "fast"
        [set]
        max_steps = 300
        [each]
        learning_rate = [1e-4, 1e-3]
        augmentation = ["off"]
        "augmentation.noise" = [1.0]
        windows = [[30], [6, 30]]
        gradient_checkpointing = [true]
        [variants."twice as wide"]
        d_model = 128
        ffn = 512
        """
    )
    assert list(found) == [
        "base", "learning_rate=0.0001", "learning_rate=0.001", "augmentation=off",
        "augmentation.noise=1.0", "windows=30", "windows=6,30", "gradient_checkpointing=yes",
        "twice as wide",
    ]  # fmt: skip
    base = recipes.changed(recipes.named("fast"), ["max_steps=300"])
    assert found["base"] == base
    wide = recipes.changed(base, ["d_model=128", "ffn=512"])
    assert found["twice as wide"] == wide and found["windows=6,30"].windows == (6.0, 30.0)
    assert found["augmentation=off"].augmentation == recipes.NOT_AT_ALL


def test_an_empty_grid_is_the_tiny_recipe():
    assert grid.read("") == {"base": recipes.named("tiny")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recipe =", "not TOML"),
        ("recipe = 1", "recipe is the name"),
        ('recipe = "huge"', "no recipe 'huge'"),
        ("steps = 3", "it has 'steps'"),
        ("[each]\ndropout = 0.1", "list of values"),
        ("[each]\nspeed = [1]", "no knob 'speed'"),
        ("[each]\ndropout = [2.0]", "dropout is 2.0"),
        ("variants = 1", r"write \[set\]"),
        ("[variants]\nwide = 1", r"write \[set\]"),
        ("[variants.base]\nd_model = 128", "'base' is in it twice"),
        ("[each]\nseed = [1, 1]", "'seed=1' is in it twice"),
    ],
)
def test_what_is_no_grid_is_one_sentence_before_anything_is_trained(text, said):
    with pytest.raises(UserError, match=said):
        grid.read(text)


def test_a_grid_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"--grid .*none\.toml: it cannot be read"):
        grid.load(tmp_path / "none.toml")


def test_the_grid_that_comes_along_asks_what_the_course_asked():
    found = grid.load(GRID)
    changed = " ".join(found)
    for knob in ("learning_rate", "weight_decay", "dropout", "augmentation", "data_share"):
        assert knob in changed
    assert {recipe.name for recipe in found.values()} == {"tiny"}
