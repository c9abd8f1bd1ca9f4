"""What the training pipeline asks for and how it is told, where nothing can be trained."""

import importlib.util

import pytest

from fti.errors import UserError
from fti.training import Train
from whisper import learning, recipes
from whisper.training_pipeline import choose, is_due, main

HAVE_TORCH = importlib.util.find_spec("torch")


@pytest.mark.skipif(bool(HAVE_TORCH), reason="PyTorch is here")
def test_without_torch_one_sentence_names_what_to_install():
    with pytest.raises(UserError, match=r"pip install -r requirements/whisper-training\.txt"):
        main()


@pytest.mark.parametrize(("task", "share"), [("transcribe", 0.0), ("translate", 1.0), (None, 0.3)])
def test_a_task_is_a_share_of_translation(task, share):
    assert choose("fast", None, task).translate_share == share


def test_settings_win_over_the_task():
    assert choose("fast", ["translate_share=0.5"], "translate").translate_share == 0.5


@pytest.mark.parametrize("settings", [["speed=2"], ["max_steps=many"], ["max_steps"]])
def test_a_setting_that_there_is_not_is_one_sentence(settings):
    with pytest.raises(UserError):
        choose("tiny", settings)


def test_a_recipe_has_another_identity_with_every_knob_that_has_an_effect():
    tiny = recipes.named("tiny")
    assert learning.identity(tiny) == learning.identity(choose("tiny", ["workers=2"]))
    assert learning.identity(tiny) != learning.identity(choose("tiny", ["dropout=0.3"]))
    assert learning.identity(tiny).startswith("tiny-")


def test_the_tokenizer_of_a_recipe_is_that_of_its_model():
    assert learning.tokenizer_of(recipes.named("seed")) == "openai/whisper-small"
    assert learning.tokenizer_of(recipes.named("tiny")) == "train"


def test_checkpoints_are_where_the_setting_says(monkeypatch, tmp_path, home):
    assert learning.checkpoints() == home / "checkpoints" / "whisper"
    monkeypatch.setenv("WHISPER_CHECKPOINTS", str(tmp_path))
    assert learning.checkpoints() == tmp_path


def test_training_is_due_without_a_model_unless_never(project):
    of = {"recipe": "tiny-1", "data": "2"}
    assert is_due(project, Train.due, of, None) and is_due(project, Train.always, of, None)
    assert not is_due(project, Train.never, of, None)
