"""Training learns what it is to learn, chooses by validation, and stops when it should."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from fti.errors import UserError
from tests.whisper.training.runs import RECIPE, trained
from whisper import networks, optimizing
from whisper.recipes import NOT_AT_ALL

STILL = replace(RECIPE, dropout=0.0, augmentation=NOT_AT_ALL, silence_share=0.0, logging_steps=1)
SHORT = replace(STILL, max_steps=4, warmup_steps=0, eval_steps=4)


@pytest.fixture
def fit(digits_shards, digits_tokenizer, tmp_path):
    """Train by a recipe; unless it is asked to, nothing is decoded."""

    def run(recipe, evaluate=lambda model: {"error_rate": 0.5}):
        return trained(digits_shards, digits_tokenizer, tmp_path, recipe, evaluate=evaluate)

    return run


def losses(fitted):
    return [row["loss"] for row in fitted.history if "loss" in row]


def test_the_model_given_is_the_one_that_validation_found_best_and_of_equals_the_last(fit):
    seen = []

    def score(model):
        seen.append({name: weight.clone() for name, weight in model.state_dict().items()})
        return {"error_rate": [0.9, 0.4, 0.4, 0.6][len(seen) - 1], "seconds": 1.0, "text": "one"}

    fitted = fit(RECIPE, score)
    assert (fitted.best_step, fitted.best_score, fitted.steps) == (18, 0.4, 20)
    best = fitted.model.state_dict()
    assert all(torch.equal(best[name], seen[2][name]) for name in best)
    assert not torch.equal(best["proj_out.weight"], seen[3]["proj_out.weight"])
    assert not fitted.model.training
    scored = [row for row in fitted.history if "error_rate" in row]
    assert scored[1] == {"error_rate": 0.4, "epoch": 1.5, "step": 12}


def test_training_stops_when_validation_is_no_better_for_long_enough(fit):
    rates = iter([0.9, 0.5, 0.6, 0.5, 0.5])
    recipe = replace(RECIPE, eval_steps=2, patience=2)
    fitted = fit(recipe, lambda model: {"error_rate": next(rates)})
    assert (fitted.best_step, fitted.steps) == (8, 8)
    again = fit(recipe, lambda model: {"error_rate": next(rates)})
    assert (again.best_step, again.steps, next(rates)) == (8, 8, 0.5)


def test_a_frozen_encoder_stays_as_it_was(fit, digits_tokenizer):
    recipe = replace(SHORT, freeze_encoder=True)
    changed = differing(networks.build(recipe, digits_tokenizer), fit(recipe).model)
    assert changed and not any("encoder." in name for name in changed)


def test_lora_changes_queries_and_values_only(fit, digits_tokenizer):
    recipe = replace(SHORT, lora_rank=2)
    plain = networks.build(replace(recipe, lora_rank=0), digits_tokenizer)
    changed = differing(plain, fit(recipe).model)
    assert {name.split(".")[-2] for name in changed} == {"q_proj", "v_proj"}
    assert {name.split(".")[1] for name in changed} == {"encoder", "decoder"}


def test_gradient_checkpointing_changes_memory_and_not_the_loss(fit):
    assert losses(fit(replace(SHORT, gradient_checkpointing=True))) == pytest.approx(
        losses(fit(SHORT)), rel=1e-6
    )


def test_two_halves_of_a_batch_learn_what_the_whole_does():
    logits = torch.randn(4, 3, 7, requires_grad=True)
    labels = torch.randint(0, 7, (4, 3))
    labels[0, 1:] = labels[1, 2:] = -100  # the halves have 3 and 6 tokens

    class Outputs:
        def __init__(self, part):
            self.logits = logits[part]

    whole = optimizing.token_loss(Outputs(slice(None)), labels)
    assert whole.item() == pytest.approx(
        functional.cross_entropy(logits.flatten(0, 1), labels.flatten()).item()
    )
    halves = [optimizing.token_loss(Outputs(h), labels[h], 9) for h in (slice(2), slice(2, 4))]
    assert sum(halves).item() == pytest.approx(whole.item())


def test_accumulated_batches_count_as_many_tokens_as_they_have(fit):
    fitted = fit(replace(SHORT, batch_size=8, accumulation=2))
    first = losses(fit(replace(SHORT, batch_size=16)))[0]
    assert losses(fitted)[0] == pytest.approx(first, rel=0.02)  # other clips, the same weights


def test_a_loss_that_is_no_number_ends_training_in_one_sentence(fit):
    with pytest.raises(UserError, match=r"loss is .* at step .*learning_rate lower"):
        fit(replace(SHORT, learning_rate=1e30, max_grad_norm=0, max_steps=20, eval_steps=20))


def test_an_error_rate_that_is_no_number_ends_training_in_one_sentence(fit):
    with pytest.raises(UserError, match="error_rate is nan at step 4"):
        fit(SHORT, lambda model: {"error_rate": float("nan")})


def test_loaders_of_several_processes_give_the_same_run(fit, tmp_path):
    alone = fit(SHORT)
    (tmp_path / alone.run_id).rename(tmp_path / "alone")
    assert fit(replace(SHORT, workers=2)).history == alone.history


def test_tensorboard_is_told_when_it_is_asked_for(fit, tmp_path):
    fitted = fit(replace(SHORT, tensorboard=True))
    assert list((tmp_path / fitted.run_id / "runs").rglob("events.out.tfevents.*"))


def differing(one, other):
    """Names of the weights in which two models differ."""
    others = other.state_dict()
    return [n for n, w in one.state_dict().items() if not torch.equal(w, others[n])]
