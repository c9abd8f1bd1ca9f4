"""Recipes: every knob of a training run, and the three that have a name.

    recipes.named("fast")                                   ours, for a GPU
    recipes.named("seed", model="openai/whisper-tiny")      what the course's notebooks did
    recipes.changed(recipe, ["learning_rate=2e-5", "windows=6,12,30", "augmentation.noise=0.5"])

A recipe and the data decide what a run learns, to the last bit on the same kind of machine;
`WITHOUT_EFFECT` are the knobs that do not. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from math import isfinite
from typing import Any, get_args, get_origin, get_type_hints

from fti.errors import UserError
from whisper import augment

SCRATCH = "scratch"  # the model that nothing has been learned by yet
WITHOUT_EFFECT = ("name", "workers", "tensorboard", "logging_steps")
PRECISIONS = ("bf16", "fp16", "fp32")
SCHEDULERS = ("linear", "cosine", "constant_with_warmup", "inverse_sqrt")
OPTIMIZERS = ("adamw_torch", "adamw_torch_fused", "adafactor", "sgd")
NOT_AT_ALL = augment.Recipe(noise=0, speed=0, pitch=0, gain=0, masks=0)  # no augmentation
OFF = ("off", "none")


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; raises UserError for a value that makes no sense.

    Shares are from 0 to 1, windows and slack in seconds, steps are of the optimizer.
    """

    name: str

    # The model to start from: a hub name, a folder, or SCRATCH with these sizes.
    model: str = "openai/whisper-small"
    d_model: int = 64
    encoder_layers: int = 2
    decoder_layers: int = 2
    heads: int = 4
    ffn: int = 256
    bands: int = 80  # of the log-mel
    target_positions: int = 64  # tokens, the prompt and the end included

    # What it hears: clips in the shortest window that holds them and the slack.
    windows: tuple[float, ...] = (30.0,)  # ascending
    longest: float = 30.0  # the full window, which some clips are put into whatever their length
    slack: float = 0.3
    full_share: float = 0.0  # of examples that get the full window
    pack_share: float = 0.0  # of full windows that hold 2 to 6 clips with their times
    timestamps_share: float = 0.0  # of single clips that are to be written with their times
    silence_share: float = 0.0  # of examples in which nothing is said
    translate_share: float = 0.3  # of examples of clips with a translation that ask for it
    data_share: float = 1.0  # of the training clips that are used, always the same ones
    augmentation: augment.Recipe = field(default=NOT_AT_ALL)

    # How it learns.
    batch_size: int = 16  # of one step on one device
    accumulation: int = 1  # batches in a step of the optimizer
    learning_rate: float = 1e-5
    warmup_steps: int = 500
    max_steps: int = 4000
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    dropout: float = 0.0
    scheduler: str = "linear"
    optimizer: str = "adamw_torch_fused"
    precision: str = "bf16"  # on GPUs; CPUs always compute in fp32
    gradient_checkpointing: bool = False  # less memory, a third more work
    freeze_encoder: bool = False
    lora_rank: int = 0  # 0 trains all weights
    compile: bool = False
    static_shapes: bool = False  # whole batches only, so that compiled graphs stay few
    label_multiple: int = 1  # labels are padded to a multiple of this
    seed: int = 42

    # When it is looked at: the best checkpoint by validation is what a run gives.
    eval_steps: int = 1000
    save_steps: int = 1000
    eval_batch_size: int = 64
    max_new_tokens: int = 100
    eval_clips: int = 0  # of validation, at most; 0 takes all
    patience: int = 0  # evaluations without a better one until training stops; 0 never stops
    logging_steps: int = 25
    workers: int = 0  # processes that load audio; never more than there are cores
    tensorboard: bool = False

    def __post_init__(self) -> None:
        for knob, fits, wanted in _RULES:
            value = getattr(self, knob)
            if not fits(value):
                raise UserError(f"recipe {self.name}: {knob} is {value!r}, but {wanted}.")
        if list(self.windows) != sorted(set(self.windows)):
            raise UserError(f"recipe {self.name}: windows is {self.windows}: let them ascend.")
        if not self.windows or self.windows[0] <= 0 or self.windows[-1] > self.longest:
            raise UserError(
                f"recipe {self.name}: windows is {self.windows}: give some that are longer than"
                f" 0 s and no longer than the full one of {self.longest:g} s (longest)."
            )
        if any(round(50 * seconds, 6) % 1 for seconds in (*self.windows, self.longest)):
            raise UserError(f"recipe {self.name}: windows and longest go in steps of 0.02 s.")
        if self.d_model % (2 * self.heads):
            raise UserError(
                f"recipe {self.name}: d_model is {self.d_model}, but it must be divisible by twice"
                f" the heads ({self.heads})."
            )

    @property
    def from_scratch(self) -> bool:
        """Whether the model starts from random weights."""
        return self.model == SCRATCH


def _from(least: float, most: float = float("inf")) -> tuple[Callable[[Any], bool], str]:
    upper = "" if most == float("inf") else f" and at most {most:g}"
    return lambda value: isfinite(value) and least <= value <= most, (
        f"must be at least {least:g}{upper}"
    )


def _one_of(choices: tuple[str, ...]) -> tuple[Callable[[Any], bool], str]:
    return lambda value: value in choices, f"must be one of {', '.join(choices)}"


_SHARES = (
    "full_share", "pack_share", "timestamps_share", "silence_share", "translate_share", "dropout",
)  # fmt: skip
_COUNTS = (
    "d_model", "encoder_layers", "decoder_layers", "heads", "ffn", "target_positions",
    "batch_size", "accumulation", "max_steps", "label_multiple", "eval_steps", "save_steps",
    "eval_batch_size", "max_new_tokens", "logging_steps",
)  # fmt: skip
_NOT_NEGATIVE = (
    "slack", "learning_rate", "warmup_steps", "weight_decay", "max_grad_norm", "lora_rank", "seed",
    "eval_clips", "patience", "workers",
)  # fmt: skip
_RULES = (
    *((knob, *_from(0, 1)) for knob in _SHARES),
    *((knob, *_from(1)) for knob in _COUNTS),
    *((knob, *_from(0)) for knob in _NOT_NEGATIVE),
    ("data_share", lambda value: 0 < value <= 1, "must be above 0 and at most 1"),
    ("longest", lambda value: 0 < value <= 30, "must be above 0 and at most 30"),
    ("bands", lambda value: value in (80, 128), "must be 80 or 128"),
    ("model", bool, "must be a name, a folder or " + SCRATCH),
    ("precision", *_one_of(PRECISIONS)),
    ("scheduler", *_one_of(SCHEDULERS)),
    ("optimizer", *_one_of(OPTIMIZERS)),
)

# What the seeds' notebooks set, and nothing that they did not have.
SEED = Recipe(
    name="seed",
    batch_size=16,
    learning_rate=1e-5,
    warmup_steps=500,
    max_steps=4000,
    gradient_checkpointing=True,
    precision="fp16",
    optimizer="adamw_torch",
    translate_share=0.0,
    eval_steps=1000,
    save_steps=1000,
    eval_batch_size=8,
    max_new_tokens=225,
    tensorboard=True,
)

# As many clips seen as in SEED (64 000), in a fifth of the arithmetic.
FAST = Recipe(
    name="fast",
    windows=(4.0, 6.0, 8.0, 12.0, 20.0, 30.0),
    full_share=0.3,
    pack_share=0.5,
    timestamps_share=0.4,
    silence_share=0.02,
    augmentation=augment.Recipe(),
    batch_size=64,
    learning_rate=2e-5,  # the square root of the batch's growth
    warmup_steps=100,
    max_steps=1000,
    weight_decay=0.01,
    label_multiple=8,
    eval_steps=250,
    save_steps=250,
    eval_batch_size=256,
    max_new_tokens=100,
    eval_clips=1000,
    workers=8,
)

# From nothing, on two cores and in three minutes: words, each spoken alone.
TINY = Recipe(
    name="tiny",
    model=SCRATCH,
    windows=(0.8, 1.2, 2.4),
    longest=2.4,
    slack=0.1,
    full_share=0.05,
    silence_share=0.02,
    # Few voices teach one of them each by heart: what tells microphones and mouths apart has to go.
    augmentation=augment.Recipe(noise=0.7, speed=0.7, factor=(0.85, 1.2), pitch=0.0, tone=0.8),
    batch_size=32,
    learning_rate=2e-3,
    warmup_steps=50,
    max_steps=1200,
    weight_decay=0.01,
    dropout=0.1,
    precision="fp32",
    target_positions=32,
    max_new_tokens=24,
    eval_steps=300,
    save_steps=300,
    eval_batch_size=32,
    workers=1,
)

RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in (SEED, FAST, TINY)}


def named(name: str, **changes: Any) -> Recipe:
    """Give the recipe of that name with some knobs changed; raises UserError for unknown ones."""
    if name not in RECIPES:
        raise UserError(f"There is no recipe '{name}': --recipe takes {', '.join(RECIPES)}.")
    for knob in changes:
        _known(Recipe, knob, knob)
    return replace(RECIPES[name], **changes)


def changed(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Set knobs as the command line gives them, each as `name=value`.

    Lists are written with commas (`windows=6,30`), truths as yes or no, knobs of the augmentation
    with a dot (`augmentation.noise=0.5`); `augmentation=off` leaves the audio as it is. Raises
    UserError for knobs that there are not and for values that do not fit them.
    """
    changes: dict[str, Any] = {}  # all at once: some make sense together only
    for setting in settings:
        knob, equals, text = (part.strip() for part in setting.partition("="))
        if not equals:
            raise UserError(f"--set {setting}: write it as name=value.")
        outer, dot, inner = knob.partition(".")
        hint = _known(Recipe, outer, knob)
        if dot:
            if not is_dataclass(hint):
                raise UserError(f"--set {setting}: {outer} has no knobs of its own.")
            kind = _known(hint, inner, knob)
            before = changes.get(outer, getattr(recipe, outer))
            value: Any = replace(before, **{inner: _parsed(text, kind, setting)})
        elif is_dataclass(hint):
            if text.lower() not in OFF:
                raise UserError(f"--set {setting}: write {outer}=off, or {outer}.KNOB=VALUE.")
            value = NOT_AT_ALL
        else:
            value = _parsed(text, hint, setting)
        changes[outer] = value
    return replace(recipe, **changes)


def described(recipe: Recipe) -> dict[str, Any]:
    """Give all knobs as plain values, as they are kept with a model."""
    return asdict(recipe)


def restored(values: Mapping[str, Any]) -> Recipe:
    """Give the recipe that `described` has described, also after a way through JSON."""
    plain = {name: _untupled(value) for name, value in values.items()}
    plain["augmentation"] = augment.Recipe(
        **{name: _untupled(value) for name, value in values["augmentation"].items()}
    )
    return Recipe(**plain)


def _untupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _known(cls: type, knob: str, said: str) -> Any:
    """Give the type of a knob; raises UserError where there is none of that name."""
    hints = get_type_hints(cls)
    settable = [one.name for one in fields(cls) if one.name != "name"]
    if knob not in settable:
        raise UserError(f"A recipe has no knob '{said}'; it has {', '.join(settable)}.")
    return hints[knob]


def _parsed(text: str, hint: Any, setting: str) -> Any:
    if get_origin(hint) is tuple:
        kind, *rest = get_args(hint)
        values = tuple(_parsed(part.strip(), kind, setting) for part in text.split(","))
        if Ellipsis not in rest and len(values) != 1 + len(rest):
            raise UserError(f"--set {setting}: give {1 + len(rest)} values with a comma between.")
        return values
    if hint is bool:
        if text.lower() in ("yes", "true", "1", "on", "no", "false", "0", "off"):
            return text.lower() in ("yes", "true", "1", "on")
        raise UserError(f"--set {setting}: write yes or no.")
    try:
        return hint(text)
    except ValueError:
        kind = "a whole number" if hint is int else "a number"
        raise UserError(f"--set {setting}: '{text}' is not {kind}.") from None
