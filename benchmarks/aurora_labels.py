"""What labelling a keogram costs, beside the seed's way; and which rule agrees with a person.

    python benchmarks/aurora_labels.py [--folder FOLDER] [--pictures 3]

Times `aurora.labels` for each rule, from the file to 24 hours, on pictures of a folder or on drawn
ones. The peer reads the same file and goes through the pixels of each hour in nested Python loops
with `colorsys`, for the rule `newer`; its labels have to be ours. Target: 20 times faster, by every
rule; exits with 1 when it is missed. With a folder of Kiruna's pictures of 2021 it also prints how
the rules agree with the hours in tests/aurora/hand_labels.csv.
"""

from __future__ import annotations

import colorsys
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aurora import keogram, labels
from aurora.label_rules import NO, YES

TARGET = 20.0  # times
REPEATS = 5
HAND = Path(__file__).resolve().parents[1] / "tests" / "aurora" / "hand_labels.csv"
screen = Console(width=None if sys.stdout.isatty() else 120)


def main(
    folder: Annotated[Path | None, typer.Option(help="Keograms, otherwise drawn.")] = None,
    pictures: Annotated[int, typer.Option(min=1, help="How many are timed.")] = 3,
) -> None:
    """Measure, print and compare with the target."""
    with tempfile.TemporaryDirectory() as drawn:
        paths = readable(folder) if folder else draw(Path(drawn), pictures)
        slowest = timed(paths[:pictures])
    if folder:
        agreement(paths)
    if slowest < TARGET:
        raise typer.Exit(1)


def readable(folder: Path) -> list[Path]:
    """Give the pictures of a folder that are keograms."""
    tables = map(labels.label_file, labels.pictures(folder)[0])
    return [folder / table["image"][0] for table in tables if not table["problem"][0]]


def draw(folder: Path, number: int) -> list[Path]:
    """Draw nights with as many colours and as much noise as real ones have."""
    noise = np.random.default_rng(0)
    paths = [folder / f"202101{day:02}.png" for day in range(1, number + 1)]
    for path in paths:
        colours = noise.integers(0, 256, (1, 90, 3)) + noise.integers(0, 40, (360, 90, 3))
        night = Image.fromarray(colours.clip(0, 255).astype(np.uint8)).resize((3600, 360))
        picture = Image.new("RGB", (keogram.WIDTH, keogram.HEIGHT))
        picture.paste(night, (1000, 0))
        picture.quantize(256).save(path)
    return paths


def timed(paths: list[Path]) -> float:
    """Print seconds for each picture by each rule and by the peer; give the smallest ratio."""
    peer = statistics.median(seconds(nested_loops, path) for path in track(paths, "peer"))
    for path in paths:
        mine = labels.label_file(path, "newer")["aurora"].eq(YES)
        assert mine.tolist() == nested_loops(path), f"{path.name}: the peer labels otherwise"
    table = Table(title=f"one keogram, from file to labels; median of {len(paths)}")
    for name in ("rule", "ours, s", "nested loops, s", "times faster", "target"):
        table.add_column(name, justify="left" if name == "rule" else "right")
    ratios = []
    for rule in labels.RULES:
        times = [seconds(labels.label_file, path, rule) for path in paths * REPEATS]
        ours = statistics.median(times)
        ratios.append(peer / ours)
        table.add_row(rule, f"{ours:.4f}", f"{peer:.3f}", f"{ratios[-1]:.0f}", f">= {TARGET:g}")
    screen.print(table)
    return min(ratios)


def seconds(label: Callable, *arguments) -> float:
    """Give the time that a call takes."""
    began = time.perf_counter()
    label(*arguments)
    return time.perf_counter() - began


def nested_loops(path: Path) -> list[bool]:
    """Label 24 hours the seed's way: each pixel of the upper half is converted and compared."""
    pixels = np.asarray(Image.open(path).convert("RGB")).tolist()
    seen = []
    for hour in range(24):
        green = 0
        for row in range(180):
            for column in range(240 * hour, 240 * hour + 240):
                red, leaf, blue = pixels[row][column]
                hue, saturation, value = colorsys.rgb_to_hsv(red / 255, leaf / 255, blue / 255)
                hue, saturation, value = round(hue * 180), round(saturation * 255), value * 255
                if 32 <= hue <= 100 and saturation >= 64 and value >= 32:
                    green += 1
        seen.append(green / (180 * 240) > 0.015)
    return seen


def agreement(paths: list[Path]) -> None:
    """Print how many of the hours that a person could decide each rule labels alike."""
    hand = pd.read_csv(HAND, parse_dates=["time"]).query("aurora != 'unknown'")
    table = Table(title="hours decided by hand (a rule's `unknown` counts as wrong)")
    for name in ("rule", "hours", "alike", "missed", "false alarms", "kappa"):
        table.add_column(name, justify="left" if name == "rule" else "right")
    for rule in labels.RULES:
        ruled = pd.concat([labels.label_file(path, rule) for path in paths])
        both = hand.merge(ruled, on="time", suffixes=("", "_rule"))
        said, true = both["aurora_rule"], both["aurora"]
        missed = ((true == YES) & (said != YES)).sum()
        false = ((true == NO) & (said == YES)).sum()
        cells = (len(both), (said == true).sum(), missed, false, f"{kappa(said, true):.2f}")
        table.add_row(rule, *map(str, cells))
    screen.print(table)


def kappa(one: pd.Series, other: pd.Series) -> float:
    """Give Cohen's kappa: agreement beyond what chance would give."""
    alike = (one == other).mean()
    shares = [series.value_counts(normalize=True) for series in (one, other)]
    chance = shares[0].mul(shares[1], fill_value=0).sum()
    return (alike - chance) / (1 - chance)


if __name__ == "__main__":
    typer.run(main)
