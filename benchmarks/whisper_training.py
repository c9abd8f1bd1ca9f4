"""What training Whisper costs: step time, hours of audio an hour, share of the arithmetic floor.

    python benchmarks/whisper_training.py --device cuda [--sizes small,medium] [--compile]
    python benchmarks/whisper_training.py --device cpu

Trains models of the real sizes with random weights, as `whisper.trainer` does: log-mel on the
device, bf16 on GPUs, fused AdamW; decodes as its evaluation does, and writes a checkpoint. From
that it projects the minutes for what the seeds saw, 4000 steps of 16 clips, with four evaluations
of 1000 clips and four checkpoints. Target on one H200 for small: at most 6 minutes with windows of
30 s and 3 with those of the recipe `fast`, which puts clips into the shortest window that holds
them and 30 % of them into 30 s. On a CPU, where time is CPU time over threads, all minutes are
projections; those of an H200 are then computed from its peak.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Width, layers of encoder and decoder, heads, mel bands, tokens.
SIZES = {
    "tiny": (384, 4, 4, 6, 80, 51865),
    "base": (512, 6, 6, 8, 80, 51865),
    "small": (768, 12, 12, 12, 80, 51865),
    "medium": (1024, 24, 24, 16, 80, 51865),
    "large-v3": (1280, 32, 32, 20, 128, 51866),
    "turbo": (1280, 32, 4, 20, 128, 51866),
}
LONG, SHORT = 30, 6  # seconds; most clips of Common Voice fit into the short one
TOKENS = 32  # to be right about, of a clip
HEARD = 48  # tokens until the last clip of a batch is decoded
PASSES = 4000 * 16
EVALUATIONS, EVALUATED = 4, 1000  # clips
H200, USED = 990e12, 0.35  # dense bf16 FLOP/s, and the share of it that is a good one
TARGETS = {"long": 6.0, "fast": 3.0}  # minutes, whisper-small on one H200
screen = Console()


@dataclass
class Shape:
    """What one size costs in one window, at one batch size."""

    size: str
    window: int  # seconds
    batch: int
    step: float  # seconds
    hours_per_hour: float  # of audio in windows
    of_floor: float  # share of the FLOP/s of a matrix product here
    train: float  # minutes, for PASSES
    evaluate: float  # minutes, for all evaluations
    save: float  # minutes, for all checkpoints
    memory: float  # GB at the peak, on a GPU
    h200: float  # minutes to train, computed

    @property
    def minutes(self) -> float:
        """All of a run."""
        return self.train + self.evaluate + self.save


def main(
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "",
    sizes: Annotated[str, typer.Option(help=f"Some of {', '.join(SIZES)}.")] = "",
    batch: Annotated[int, typer.Option(help="Clips in a step, in both windows.")] = 0,
    steps: Annotated[int, typer.Option(help="Steps to measure.")] = 0,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with a JSON object.")] = False,
) -> None:
    """Measure, print, and compare with the targets where they are meant for this device."""
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    on_gpu = device == "cuda"
    names = sizes.split(",") if sizes else (["small", "medium"] if on_gpu else ["tiny"])
    if unknown := set(names) - set(SIZES):
        raise typer.BadParameter(f"{', '.join(unknown)}: give some of {', '.join(SIZES)}")
    steps = steps or (20 if on_gpu else 1)
    # The seeds' batch, and the one of `fast`; a CPU has no time for either.
    usual = [(LONG, 16), (LONG, 64), (SHORT, 64)] if on_gpu else [(LONG, 1), (SHORT, 2)]
    shapes = [(LONG, batch), (SHORT, batch)] if batch else usual
    peak = flops_of_product(device)
    named = torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} threads"
    screen.print(f"{named}; torch {torch.__version__}; a matrix product: {peak / 1e12:.3g} TFLOP/s")
    found = []
    for name in names:
        model = network(name).to(device)
        evaluated, saved = evaluation(model, device, on_gpu), checkpoint(model, device)
        for window, clips in shapes:
            step, memory = training(model, window, clips, device, steps, compiled)
            found.append(shape(name, window, clips, step, peak, evaluated, saved, memory))
            gc.collect()
        del model
    shown(found, named, on_gpu)
    verdicts = compared(found) if on_gpu else []
    if as_json:
        about = {"device": named, "torch": torch.__version__, "flops": peak, "compiled": compiled}
        kinds = [asdict(one) | {"minutes": one.minutes} for one in found]
        print(json.dumps(about | {"shapes": kinds, "targets": verdicts}))


def forward_flops(name: str, seconds: float, tokens: int) -> tuple[float, float]:
    """Give the FLOP of encoder and decoder for one clip; training takes three times as many."""
    d, encoder, decoder, _, bands, words = SIZES[name]
    frames = 100 * seconds
    t = frames / 2  # positions of the encoder
    heard = encoder * (24 * d * d * t + 4 * t * t * d) + 6 * d * frames * bands + 6 * d * d * t
    of_layer = 28 * d * d * tokens + 4 * d * d * t + 4 * tokens * t * d + 4 * tokens**2 * d
    return heard, decoder * of_layer + 2 * tokens * d * words


def training_flops(name: str, seconds: float) -> float:
    """Give the FLOP that a clip costs in training."""
    return 3 * sum(forward_flops(name, seconds, TOKENS))


def flops_of_product(device: str) -> float:
    """Give the FLOP/s of a large matrix product, in the precision that trains."""
    import torch

    size, kind = (8192, torch.bfloat16) if device == "cuda" else (2048, torch.float32)
    one, other = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    seconds = timed(lambda: one @ other, 5, device)
    return 2 * size**3 / seconds


def timed(call: Callable[[], Any], times: int, device: str, warm_up: int = 1) -> float:
    """Give the seconds of a call, the mean of several after some that do not count.

    Those of a CPU are the seconds that it works: others may work on it too.
    """
    import torch

    def finish() -> float:
        if device == "cpu":
            return time.process_time() / torch.get_num_threads()
        torch.cuda.synchronize()
        return time.perf_counter()

    for _ in range(warm_up):
        call()
    began = finish()
    for _ in range(times):
        call()
    return (finish() - began) / times


class Numbers:
    """The numbers of tokens in OpenAI's multilingual models."""

    end, start, no_timestamps = 50257, 50258, 50363

    def __init__(self, size: int):
        self._size = size

    def __len__(self) -> int:
        return self._size

    def language(self, code: str) -> int:
        """Give the number of a language."""
        from whisper.feeds.names import LANGUAGES

        return 50259 + LANGUAGES.index(code)

    def task(self, name: str) -> int:
        """Give the number of a task."""
        return {"translate": 50358, "transcribe": 50359}[name]


def network(name: str) -> Any:
    """Give a model of that size with random weights."""
    from whisper import networks, recipes

    d, encoder, decoder, heads, bands, words = SIZES[name]
    recipe = recipes.named(
        "fast",
        model=recipes.SCRATCH,
        d_model=d,
        encoder_layers=encoder,
        decoder_layers=decoder,
        heads=heads,
        ffn=4 * d,
        bands=bands,
        target_positions=448,
    )
    return networks.build(recipe, Numbers(words))


def waveforms(window: int, clips: int) -> Any:
    """Draw clips as a loader gives them: int16, and in memory that a GPU reads quickly."""
    import torch

    samples = torch.randint(-3000, 3000, (clips, window * 16_000), dtype=torch.int16)
    return samples.pin_memory() if torch.cuda.is_available() else samples


def training(
    model: Any, window: int, clips: int, device: str, steps: int, compiled: bool
) -> tuple[float, float]:
    """Give the seconds of a step, and the GB that it needs on a GPU."""
    import torch
    from transformers.models.whisper.modeling_whisper import shift_tokens_right

    from whisper import loading, optimizing

    torch.set_float32_matmul_precision("high")
    model.train()
    run = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    labels = torch.randint(0, 50_000, (clips, TOKENS))
    heard = torch.full((clips,), 100 * window)
    batch = {"waveforms": waveforms(window, clips), "labels": labels, "heard": heard}

    def step() -> None:
        there = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
        features = loading.to_features(there, model.config.num_mel_bins)
        told = shift_tokens_right(features["labels"], Numbers.end, Numbers.start)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            outputs = run(features["input_features"], decoder_input_ids=told, use_cache=False)
        outputs.logits = outputs.logits.float()
        optimizing.token_loss(outputs, features["labels"]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = timed(step, steps, device, warm_up=3 if device == "cuda" else 1)
    memory = torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else 0.0
    return seconds, memory


def evaluation(model: Any, device: str, on_gpu: bool) -> float:
    """Give the minutes of an evaluation: greedy, in short windows, until the last clip ends."""
    import torch

    from whisper.torch_mel import log_mel
    from whisper.windows import generation_window

    clips, tokens = (256, HEARD) if on_gpu else (2, 8)
    model.eval()
    sounds = waveforms(SHORT, clips)

    def hear() -> None:
        with (
            torch.inference_mode(),
            torch.autocast(device, torch.bfloat16, enabled=on_gpu),
            generation_window(model, 100 * SHORT),
        ):
            features = log_mel(sounds.to(device), model.config.num_mel_bins)
            model.generate(
                features,
                language="sv",
                task="transcribe",
                max_new_tokens=tokens,
                min_new_tokens=tokens,
                num_beams=1,
                do_sample=False,
                force_unique_generate_call=True,
            )

    seconds = timed(hear, 1, device) * HEARD / tokens
    batches = -(-EVALUATED // clips) if on_gpu else EVALUATED / clips
    return seconds * batches / 60


def checkpoint(model: Any, device: str) -> float:
    """Give the minutes of a checkpoint: weights, and twice as much state of the optimizer."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, fused=True)
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    optimizer.zero_grad()
    with tempfile.TemporaryDirectory() as folder:

        def save() -> None:
            model.save_pretrained(folder)
            torch.save(optimizer.state_dict(), Path(folder, "optimizer.pt"))

        return timed(save, 1, device, warm_up=0) / 60


def shape(
    name: str,
    window: int,
    clips: int,
    step: float,
    peak: float,
    evaluated: float,
    saved: float,
    memory: float,
) -> Shape:
    """Put together what was measured."""
    work = training_flops(name, window)
    return Shape(
        size=name,
        window=window,
        batch=clips,
        step=step,
        hours_per_hour=clips * window / step,
        of_floor=clips * work / step / peak,
        train=PASSES / clips * step / 60,
        evaluate=EVALUATIONS * evaluated,
        save=EVALUATIONS * saved,
        memory=memory,
        h200=PASSES * work / (USED * H200) / 60,
    )


def mixed(found: list[Shape], size: str) -> float:
    """Give the minutes of a run of `fast`, by its share of full windows; both of one batch size."""
    from whisper import recipes

    share = recipes.named("fast").full_share
    short = next(one for one in found if (one.size, one.window) == (size, SHORT))
    full = [one for one in found if (one.size, one.window) == (size, LONG)]
    full = min(full, key=lambda one: abs(one.batch - short.batch))
    train = share * full.train + (1 - share) * short.train
    return train + short.evaluate + short.save


def shown(found: list[Shape], named: str, on_gpu: bool) -> None:
    """Print the table."""
    table = Table(
        title=f"training with random weights, {named}",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    columns = ("size", "window", "batch", "ms/step", "h/h", "floor", "min", "score", "save", "GB")
    for name in (*columns, "H200"):
        table.add_column(name, justify="left" if name == "size" else "right")
    for one in found:
        table.add_row(
            one.size,
            f"{one.window} s",
            str(one.batch),
            f"{1000 * one.step:,.0f}",
            f"{one.hours_per_hour:,.0f}",
            f"{one.of_floor:.0%}",
            f"{one.minutes:,.1f}",
            f"{one.evaluate:,.1f}",
            f"{one.save:,.1f}",
            f"{one.memory:.0f}" if on_gpu else "",
            f"{one.h200:.1f}",
        )
    screen.print(table)
    for size in dict.fromkeys(one.size for one in found):
        screen.print(f"{size}, windows of `fast`: {mixed(found, size):,.1f} min, projected")
    screen.print(
        "h/h: hours of windows an hour; floor: share of what a matrix product here reaches;"
        f"\nmin: projected from the step, for {PASSES:,} clips, with {EVALUATIONS} evaluations"
        f" of {EVALUATED} clips (score) and checkpoints (save);"
        f"\nH200: minutes to train, computed, at {USED:.0%} of {H200 / 1e12:.0f} TFLOP/s"
    )


def compared(found: list[Shape]) -> list[dict[str, Any]]:
    """Say whether whisper-small meets its targets, where it was measured."""
    long = [one.minutes for one in found if (one.size, one.window) == ("small", LONG)]
    if not long:
        return []
    values = {"long": min(long), "fast": mixed(found, "small")}
    verdicts = []
    for name, minutes in values.items():
        met = minutes <= TARGETS[name]
        verdicts.append({"target": name, "minutes": minutes, "most": TARGETS[name], "met": met})
        word = "PASS" if met else "FAIL"
        said = f"{minutes:.1f} min, target {TARGETS[name]:g} (for an H200)"
        screen.print(f"{word}: small, {name} windows: {said}")
    return verdicts


if __name__ == "__main__":
    typer.run(main)
