"""Short windows are the beginning of long ones: exact at full length, and decoded as they are."""

import pytest
import torch
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from whisper import labels, networks, recipes
from whisper.windows import generation_window, use_windows

FRAMES = 240


@pytest.fixture
def model():
    """A tiny model with windows of 2.4 s, in the state in which transformers makes it."""
    recipe = recipes.named("tiny", d_model=16, heads=2, ffn=32)
    torch.manual_seed(0)
    return networks.from_scratch(recipe, labels.train(["one two"])).eval()


@pytest.fixture
def features():
    return torch.randn(2, 80, FRAMES, generator=torch.Generator().manual_seed(0))


def test_a_full_window_is_heard_as_before_to_the_last_bit(model, features):
    before = model.get_encoder()(features).last_hidden_state
    after = use_windows(model).get_encoder()(features).last_hidden_state
    assert torch.equal(before, after)


def test_the_gradients_of_a_full_window_are_as_before_to_the_last_bit(model, features):
    model.get_encoder()(features).last_hidden_state.square().mean().backward()
    before = {name: weight.grad for name, weight in model.named_parameters()}
    model.zero_grad()
    use_windows(model).get_encoder()(features).last_hidden_state.square().mean().backward()
    for name, weight in model.named_parameters():
        if before[name] is not None:
            assert torch.equal(before[name], weight.grad), name


def test_weights_keep_their_names(model):
    names = list(model.state_dict())
    assert list(use_windows(model).state_dict()) == names
    assert isinstance(model.get_encoder(), WhisperEncoder)


def test_a_short_window_is_heard_as_by_a_model_of_that_length(model, features):
    short = networks.from_scratch(
        recipes.named("tiny", d_model=16, heads=2, ffn=32, windows=(0.8,), longest=0.8),
        labels.train(["one two"]),
    ).eval()
    weights = model.state_dict()
    positions = "model.encoder.embed_positions.weight"
    short.load_state_dict(weights | {positions: weights[positions][:40]})
    expected = short.get_encoder()(features[..., :80]).last_hidden_state
    assert torch.equal(
        use_windows(model).get_encoder()(features[..., :80]).last_hidden_state, expected
    )


def test_stock_models_refuse_short_windows_and_ours_too_long_ones(model, features):
    with pytest.raises(ValueError, match="length 240"):
        model.get_encoder()(features[..., :80])
    with pytest.raises(ValueError, match="knows positions for 240"):
        use_windows(model).get_encoder()(torch.zeros(1, 80, FRAMES + 2))


def test_positions_are_the_sinusoids_of_whisper(model):
    positions = model.get_encoder().embed_positions.weight
    assert positions[0].tolist() == [0.0] * 8 + [1.0] * 8
    assert positions[7, 0].item() == pytest.approx(torch.tensor(7.0).sin().item())
    assert not positions.requires_grad


def test_generate_takes_a_short_window_as_it_is(model, features):
    heard = []
    use_windows(model).get_encoder().conv1.register_forward_pre_hook(
        lambda module, inputs: heard.append(inputs[0].shape[-1])
    )
    asked = {"language": "en", "task": "transcribe", "max_new_tokens": 2}
    with generation_window(model, 80):
        model.generate(features[..., :80], **asked)
    model.generate(features, **asked)
    assert heard == [80, FRAMES]


def test_the_window_is_put_back_after_an_error(model):
    with pytest.raises(RuntimeError), generation_window(model, 80):
        raise RuntimeError
    assert model.config.max_source_positions == FRAMES // 2
