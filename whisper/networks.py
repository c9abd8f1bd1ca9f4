"""Whisper models: from random weights of any size, from the hub, or from a folder.

    model = networks.build(recipe, tokenizer)    to train, with windows of any length
    model = networks.plain(model)                after it: LoRA is part of the weights
    model = networks.load(folder)                to listen

A model from scratch has what others expect of one, so that CTranslate2 and faster-whisper take it
too: languages and tasks by id, heads whose attention tells times, nothing suppressed.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration
from transformers.utils import logging as library

from fti.errors import UserError
from whisper.recipes import Recipe
from whisper.windows import use_windows

if TYPE_CHECKING:
    from whisper.labels import Tokenizer

POSITIONS_PER_SECOND = 50
LORA_TARGETS = ("q_proj", "v_proj")  # of all attention, as the paper found best
ATTENTION = "sdpa"
WEIGHTS = "model.safetensors"


def build(recipe: Recipe, tokenizer: Tokenizer) -> Any:
    """Give the model that a recipe starts from, ready to train.

    The random weights of a model from scratch, and of LoRA, depend on the recipe's seed only.
    Raises UserError where the model is not there or reads other tokens.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = from_scratch(recipe, tokenizer) if recipe.from_scratch else _pretrained(recipe)
        _check(model, recipe, tokenizer)
        _may_say_nothing(model, recipe)
        use_windows(model)
        if recipe.freeze_encoder:
            model.get_encoder().requires_grad_(False)
        return _with_lora(model, recipe) if recipe.lora_rank else model


def from_scratch(recipe: Recipe, tokenizer: Tokenizer) -> WhisperForConditionalGeneration:
    """Give a model of the recipe's sizes with random weights."""
    special = {
        "pad_token_id": tokenizer.end,
        "bos_token_id": tokenizer.end,
        "eos_token_id": tokenizer.end,
        "decoder_start_token_id": tokenizer.start,
    }
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=recipe.bands,
        d_model=recipe.d_model,
        encoder_layers=recipe.encoder_layers,
        decoder_layers=recipe.decoder_layers,
        encoder_attention_heads=recipe.heads,
        decoder_attention_heads=recipe.heads,
        encoder_ffn_dim=recipe.ffn,
        decoder_ffn_dim=recipe.ffn,
        max_source_positions=round(POSITIONS_PER_SECOND * recipe.longest),
        max_target_positions=recipe.target_positions,
        dropout=recipe.dropout,
        suppress_tokens=[],
        begin_suppress_tokens=None,
        **special,
    )
    config._attn_implementation = ATTENTION
    model = WhisperForConditionalGeneration(config)
    model.generation_config = _generation(recipe, tokenizer, special)
    return model


def load(where: str | Path, dtype: torch.dtype = torch.float32) -> Any:
    """Give a model from a folder or the hub, ready to listen to windows of any length.

    Raises UserError where it is not there.
    """
    return use_windows(_read(str(where), dtype=dtype).eval())


def plain(model: Any) -> Any:
    """Give the model without LoRA's adapters: what they learned is in its weights."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def trained_state(model: Any) -> dict[str, torch.Tensor]:
    """Give the weights that training changes, each once, by name."""
    return {
        name: weight.detach() for name, weight in model.named_parameters() if weight.requires_grad
    }


def identity(recipe: Recipe) -> str:
    """Give what tells the starting model from others: its name, and for a folder its weights."""
    weights = Path(recipe.model, WEIGHTS)
    if recipe.from_scratch or not weights.is_file():
        return recipe.model
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pretrained(recipe):
    changes = {"dropout": recipe.dropout, "apply_spec_augment": False}
    return _read(recipe.model, dtype=torch.float32, **changes)


def _read(name, **settings):
    library.disable_progress_bar()  # for each of hundreds of tensors
    try:
        return WhisperForConditionalGeneration.from_pretrained(
            name, attn_implementation=ATTENTION, **settings
        )
    except (OSError, ValueError) as error:
        if Path(name).is_dir():
            reason = str(error).splitlines()[0][:160].rstrip(".")
            raise UserError(f"{name}: it holds no Whisper model ({reason}).") from error
        offline = " HF_HUB_OFFLINE is set: unset it to download." if _offline() else ""
        raise UserError(
            f"The model '{name}' is neither a folder nor to be had from the hub.{offline}"
        ) from error


def _offline():
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _generation(recipe, tokenizer, special):
    """Say how a model from scratch writes; languages are those of Whisper, as in all others."""
    config = GenerationConfig(max_length=recipe.target_positions, **special)
    config.lang_to_id = {f"<|{code}|>": token for code, token in tokenizer.languages.items()}
    config.task_to_id = {task: tokenizer.task(task) for task in ("transcribe", "translate")}
    config.no_timestamps_token_id = tokenizer.no_timestamps
    config.is_multilingual, config.return_timestamps = True, False
    config.suppress_tokens, config.begin_suppress_tokens = [], []
    half = recipe.decoder_layers // 2  # heads of the upper layers follow what is said
    config.alignment_heads = [
        [layer, head]
        for layer in range(half, recipe.decoder_layers)
        for head in range(recipe.heads)
    ]
    return config


def _check(model, recipe, tokenizer):
    """Raise UserError where the clips' tokens are not those of the model."""
    ids = (model.config.decoder_start_token_id, model.config.eos_token_id)
    if ids != (tokenizer.start, tokenizer.end) or model.config.vocab_size < len(tokenizer):
        raise UserError(
            f"The clips were written with a tokenizer of {len(tokenizer):,} tokens, which is not"
            f" that of {recipe.model}: make the features with --tokenizer {recipe.model}."
        )
    longest = model.config.max_source_positions / POSITIONS_PER_SECOND
    if recipe.longest > longest:
        raise UserError(
            f"recipe {recipe.name}: longest is {recipe.longest:g} s, but {recipe.model} hears"
            f" {longest:g} s at a time."
        )


def _may_say_nothing(model, recipe):
    """Let a model that learns to hear silence end at once, which stock ones are kept from."""
    config = model.generation_config
    if recipe.silence_share and config.begin_suppress_tokens:
        end = model.config.eos_token_id
        config.begin_suppress_tokens = [t for t in config.begin_suppress_tokens if t != end]


def _with_lora(model, recipe):
    from peft import LoraConfig, get_peft_model

    part = r"model\.decoder\." if recipe.freeze_encoder else ""
    targets = rf"{part}.*({'|'.join(LORA_TARGETS)})"
    rank = recipe.lora_rank
    with warnings.catch_warnings():  # peft 0.21 asks by a name that transformers 5.23 has changed
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return get_peft_model(
            model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets)
        )
