"""Models from scratch have what others expect, those in folders are read, others are refused."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from fti.errors import UserError
from whisper import labels, networks, recipes
from whisper.windows import WindowedEncoder

RECIPE = recipes.named("tiny", d_model=16, heads=2, ffn=32)
FEATURES = torch.randn(1, 80, 240, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def tokenizer():
    return labels.train(["one two three"])


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    """A model in a folder, as it would come from the hub."""
    place = tmp_path_factory.mktemp("model")
    networks.build(RECIPE, tokenizer).save_pretrained(place)
    return place


def heard(model):
    return model.get_encoder()(FEATURES).last_hidden_state


def test_a_model_from_scratch_tells_languages_and_tasks(tokenizer):
    config = networks.build(RECIPE, tokenizer).generation_config
    assert config.lang_to_id["<|sv|>"] == tokenizer.language("sv")
    assert config.task_to_id["translate"] == tokenizer.task("translate")
    assert len(config.lang_to_id) == 100
    assert config.no_timestamps_token_id == tokenizer.no_timestamps
    assert (config.eos_token_id, config.decoder_start_token_id) == (tokenizer.end, tokenizer.start)
    assert (config.suppress_tokens, config.begin_suppress_tokens) == ([], [])
    assert config.alignment_heads == [[1, 0], [1, 1]]


def test_random_weights_depend_on_the_seed_only(tokenizer):
    torch.manual_seed(1)
    one = networks.build(RECIPE, tokenizer).state_dict()
    state = torch.get_rng_state()
    other = networks.build(RECIPE, tokenizer).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), state)
    third = networks.build(recipes.named("tiny", d_model=16, heads=2, ffn=32, seed=7), tokenizer)
    assert not torch.equal(one["proj_out.weight"], third.state_dict()["proj_out.weight"])


def test_a_model_is_read_from_a_folder_to_listen_and_to_train(folder, tokenizer):
    recipe = recipes.named("tiny", model=str(folder), dropout=0.25)
    trained, listening = networks.build(recipe, tokenizer), networks.load(folder)
    assert (trained.config.dropout, trained.get_encoder().dropout) == (0.25, 0.25)
    assert not listening.training
    assert isinstance(listening.get_encoder(), WindowedEncoder)
    assert torch.equal(heard(trained.eval()), heard(listening))
    assert listening.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("files", [[], ["config.json"]])
def test_a_folder_without_a_model_is_refused(tmp_path, folder, files):
    for name in files:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(UserError, match="it holds no Whisper model"):
        networks.load(tmp_path)


def test_a_model_that_is_not_to_be_had_is_refused_in_one_sentence():
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set") as caught:
        networks.load("nobody/whisper-nothing")
    assert "nobody/whisper-nothing" in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_of_another_tokenizer_is_refused(folder):
    other = labels.train(["vier fünf sechs sieben"], size=300)
    with pytest.raises(UserError, match="not that of"):
        networks.build(recipes.named("tiny", model=str(folder)), other)


def test_a_recipe_with_longer_windows_than_the_model_is_refused(folder, tokenizer):
    recipe = recipes.named("tiny", model=str(folder), longest=4, windows=(4,))
    with pytest.raises(UserError, match="longest is 4 s"):
        networks.build(recipe, tokenizer)


def test_a_model_that_learns_silence_may_end_at_once(folder, tokenizer, tmp_path):
    stock = networks.load(folder)
    stock.generation_config.begin_suppress_tokens = [220, tokenizer.end]
    stock.save_pretrained(tmp_path)
    for share, suppressed in ((0.0, [220, tokenizer.end]), (0.1, [220])):
        recipe = recipes.named("tiny", model=str(tmp_path), silence_share=share)
        model = networks.build(recipe, tokenizer)
        assert model.generation_config.begin_suppress_tokens == suppressed


def test_a_frozen_encoder_does_not_learn(tokenizer):
    model = networks.build(recipes.named("tiny", freeze_encoder=True), tokenizer)
    learning = networks.trained_state(model)
    assert learning and not any("encoder." in name for name in learning)


def test_lora_learns_adapters_only_and_becomes_part_of_the_weights(tokenizer):
    recipe = recipes.named("tiny", d_model=16, heads=2, ffn=32, lora_rank=2)
    model = networks.build(recipe, tokenizer)
    learning = networks.trained_state(model)
    assert learning and all("lora_" in name for name in learning)
    assert any("encoder.layers" in name for name in learning)
    start = networks.build(RECIPE, tokenizer)
    assert torch.equal(heard(model.eval()), heard(start.eval()))
    with torch.no_grad():
        for weight in learning.values():
            weight += 0.1
    after = heard(model)
    merged = networks.plain(model)
    assert list(merged.state_dict()) == list(start.state_dict())
    torch.testing.assert_close(heard(merged), after)
    assert not torch.equal(after, heard(start))


def test_lora_leaves_a_frozen_encoder_alone(tokenizer):
    model = networks.build(recipes.named("tiny", lora_rank=2, freeze_encoder=True), tokenizer)
    assert not any("model.encoder." in name for name in networks.trained_state(model))


def test_a_model_in_a_folder_is_known_by_its_weights(folder, tmp_path):
    weights = load_file(folder / networks.WEIGHTS)
    save_file(weights, tmp_path / networks.WEIGHTS, {"format": "pt"})
    same, copy = (recipes.named("tiny", model=str(place)) for place in (folder, tmp_path))
    assert networks.identity(same) == networks.identity(copy)
    weights["model.encoder.conv1.bias"] += 1
    save_file(weights, tmp_path / networks.WEIGHTS, {"format": "pt"})
    assert networks.identity(same) != networks.identity(copy)
    assert networks.identity(recipes.named("fast")) == "openai/whisper-small"
