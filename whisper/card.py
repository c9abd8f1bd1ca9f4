"""What a model tells of itself: README.md for people, scores.json and training.json for programs.

    facts = card.Facts(card.described(clips), record, scores, starting)
    card.write(facts, recipe, folder)

`training.json` says what `whisper.transcriber` has to know: `windows`, the lengths in seconds that
the model was trained on, `longest` of them, `languages` and `tasks`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from whisper import recipes
from whisper.recipes import Recipe
from whisper.scores import measure

README, SCORES, RECORD = "README.md", "scores.json", "training.json"
# Of the corpora that have names of ours; "" for speech that nobody spoke.
LICENCES = {
    "common_voice": "CC0-1.0",
    "fleurs": "CC-BY-4.0",
    "covost2": "CC-BY-NC-4.0",
    "sample": "",
    "espeak": "",
}
STRICTEST = ("CC-BY-NC-4.0", "CC-BY-4.0", "CC0-1.0")
ON_HUB = {"fleurs": "google/fleurs", "covost2": "fixie-ai/covost2"}
UNKNOWN = "other"
TASK = "automatic-speech-recognition"
RATES, POINTS = ("wer", "cer"), ("bleu", "chrf")
GROUPS = {
    "known_speakers": "new recordings of speakers it was trained on",
    "new_speakers": "speakers it was not trained on",
    "full_windows": "each clip in the longest window",
}


@dataclass(frozen=True)
class Facts:
    """All that is to be said of a model but its recipe."""

    data: Mapping[str, Any]  # see `described`
    record: Mapping[str, Any] = field(default_factory=dict)  # of the run, for training.json
    scores: Mapping[str, Any] = field(default_factory=dict)  # on test, see `scoring.score`
    starting: Mapping[str, Any] = field(default_factory=dict)  # of the starting model, there too

    @property
    def languages(self) -> list[str]:
        """What it was trained on, as "sv"."""
        return list(self.data["languages"])

    @property
    def licence(self) -> str:
        """The strictest licence of its corpora, "other" where one is not known."""
        found = {LICENCES.get(corpus, UNKNOWN) for corpus in self.data["corpora"]}
        if UNKNOWN in found:
            return UNKNOWN
        return next((name for name in STRICTEST if name in found), UNKNOWN)


def described(clips: pd.DataFrame) -> dict[str, Any]:
    """Say what clips there are.

    In: rows of `whisper_clips`. Out: languages, corpora, whether there are translations, and for
    each split clips, hours and speakers (0 where nobody says who speaks).
    """
    return {
        "languages": sorted(clips["language"].unique()),
        "corpora": sorted(clips["corpus"].unique()),
        "translations": int((clips["translation"] != "").sum()),
        "splits": {
            split: {
                "clips": len(rows),
                "hours": round(float(rows["seconds"].sum()) / 3600, 5),
                "speakers": int(rows["speaker"][rows["speaker"] != ""].nunique()),
            }
            for split, rows in clips.groupby("split")
        },
    }


def write(facts: Facts, recipe: Recipe, folder: Path, name: str = "whisper") -> None:
    """Write README.md, scores.json and training.json into a model's folder."""
    told = {SCORES: {"test": facts.scores, "starting": facts.starting}}
    told[RECORD] = record(facts, recipe)
    for file, value in told.items():
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / file).write_text(text, encoding="utf-8")
    (folder / README).write_text(text_of(facts, recipe, name), encoding="utf-8")


def record(facts: Facts, recipe: Recipe) -> dict[str, Any]:
    """Give what training.json holds; what the run tells comes last and wins."""
    translating = recipe.translate_share > 0 and facts.data["translations"] > 0
    return {
        "recipe": recipe.name,
        "knobs": recipes.described(recipe),
        "windows": sorted({*recipe.windows, recipe.longest}),
        "longest": recipe.longest,
        "languages": facts.languages,
        "tasks": ["transcribe", *(["translate"] if translating else [])],
        **{key: facts.data[key] for key in ("corpora", "splits", "translations")},
        **facts.record,
    }


def text_of(facts: Facts, recipe: Recipe, name: str = "whisper") -> str:
    """Give the model card, with the front matter that the hub reads."""
    parts = [
        f"---\n{_front_matter(facts, recipe, name)}\n---",
        f"# {name}",
        _what(facts, recipe),
        "## Scores",
        _scores(facts),
        "## Data",
        _data(facts),
        "## Training",
        _training(facts, recipe),
        "## Use and limits",
        _limits(facts, recipe),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(facts, recipe, name):
    from huggingface_hub import EvalResult, ModelCardData

    found = [key for key in (*RATES, *POINTS) if _normalised(key) in facts.scores]
    corpora = facts.data["corpora"]
    results = [
        EvalResult(
            task_type=TASK,
            dataset_type=ON_HUB.get(corpora[0], corpora[0]),
            dataset_name=", ".join(corpora),
            dataset_split="test",
            metric_type=key,
            metric_name=f"{key}, normalised",
            metric_value=round(float(facts.scores[_normalised(key)]), 4),
        )
        for key in found
    ]
    about = ModelCardData(
        language=facts.languages,
        license=facts.licence.lower(),
        license_name=None,
        library_name="transformers",
        pipeline_tag=TASK,
        base_model=recipe.model if _on_hub(recipe) else None,
        datasets=[ON_HUB[corpus] for corpus in corpora if corpus in ON_HUB] or None,
        metrics=found or None,
        tags=["whisper", "ctranslate2"],
        model_name=name if results else None,
        eval_results=results or None,
    )
    return about.to_yaml()


def _what(facts, recipe):
    languages = ", ".join(facts.languages)
    what = f"A Whisper model that writes down speech ({languages})"
    if "translate" in record(facts, recipe)["tasks"]:
        what += " and translates it into English"
    return f"{what}, {_begun(recipe)}."


def _begun(recipe):
    return "trained from random weights" if recipe.from_scratch else f"trained from {recipe.model}"


def _on_hub(recipe):
    return (
        not recipe.from_scratch and recipe.model.count("/") == 1 and not Path(recipe.model).exists()
    )


def _scores(facts):
    """Give a table: rates of errors with intervals, beside those of the starting model."""
    rows = [_row(facts, *one) for one in _keys(facts)]
    lines = [
        "On the test split, used once, in %; 95 % intervals by bootstrap over clips. Normalised is "
        "without case and punctuation, by rules of the project's own (`whisper/normalise.py`).",
        "",
        "| | this model | starting model |",
        "|---|---|---|",
        *rows,
    ]
    if "heard_in_silence" in facts.scores:
        silent = facts.scores["silent_clips"]
        share = facts.scores["heard_in_silence"]
        lines += ["", f"In {share:.0%} of {silent} clips of silence or noise it wrote something."]
    if "error_rate_difference" in facts.scores:
        lines += ["", _difference(facts)]
    if "int8_same_text" in facts.scores:
        lines += ["", _int8(facts.scores)]
    return "\n".join(lines)


def _keys(facts):
    """Give what is in the table: a label, a score, the suffix of its group."""
    names = {"": "", **dict.fromkeys(facts.languages), **GROUPS}
    for suffix, group in names.items():
        for key in (*RATES, *POINTS):
            for form, said in (("_normalised", ", normalised"), ("", "")):
                if f"{key}{form}{_end(suffix)}" in facts.scores:
                    of = suffix if group is None else group
                    label = {"chrf": "chrF"}.get(key, key.upper())
                    yield f"{label}{said}{': ' if of else ''}{of}", f"{key}{form}", suffix


def _row(facts, label, key, suffix):
    cells = (_cell(scores, key, suffix) for scores in (facts.scores, facts.starting))
    return f"| {label} | {' | '.join(cells)} |"


def _cell(scores, key, suffix):
    ends = [scores.get(f"{key}{end}{_end(suffix)}") for end in ("", "_low", "_high")]
    if ends[0] is None:
        return ""
    share = 100 if key.startswith(RATES) else 1
    value, low, high = (f"{share * one:.1f}" for one in ends)
    return f"{value} ({low} to {high})"


def _difference(facts):
    value, low, high = (
        f"{100 * facts.scores[f'error_rate_difference{end}']:+.1f}" for end in ("", "_low", "_high")
    )
    return f"Error rate less that of the starting model: {value} points ({low} to {high})."


def _int8(scores):
    return (
        f"`ctranslate2/` holds the same in int8: on {scores['int8_clips']} clips of validation it"
        f" wrote the same text in {scores['int8_same_text']:.0%} of cases, and its error rate was"
        f" {100 * scores['int8_error_rate_difference']:+.1f} points."
    )


def _data(facts):
    told = [f"{corpus} ({_licence(corpus)})" for corpus in facts.data["corpora"]]
    lines = [f"{'; '.join(told)}.", "", "| split | clips | hours | speakers |", "|---|---|---|---|"]
    for split, one in facts.data["splits"].items():
        speakers = one["speakers"] or "not known"
        lines.append(f"| {split} | {one['clips']:,} | {one['hours']:.3g} | {speakers} |")
    return "\n".join(lines)


def _licence(corpus):
    licence = LICENCES.get(corpus)
    if licence is None:
        return "ask its publisher for the licence"
    return licence or "generated, of nobody's voice"


def _training(facts, recipe):
    """Name the recipe and what was set otherwise than in the one of the name."""
    named = recipes.RECIPES.get(recipe.name)
    told = recipes.described(recipe)
    usual = recipes.described(named) if named else {}
    changed = {key: value for key, value in told.items() if value != usual.get(key)}
    lines = [f"{_begun(recipe).capitalize()} by the recipe `{recipe.name}`"]
    lines[0] += f", with {_settings(changed)}." if changed else "."
    run = [
        f"{key.replace('_', ' ')}: {value}"
        for key, value in facts.record.items()
        if isinstance(value, str | int | float)
    ]
    return "\n".join([*lines, *(f"- {one}" for one in run)])


def _settings(values):
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _limits(facts, recipe):
    measures = " and ".join(sorted({measure(language).upper() for language in facts.languages}))
    windows = ", ".join(f"{window:g}" for window in record(facts, recipe)["windows"])
    return (
        "For speech like that of the data; with other microphones, accents, subjects and noises"
        f" {measures} will be higher. It hears at most {recipe.longest:g} s at a time, in windows"
        f" of {windows} s; in others it may repeat itself. It may leave out and invent words, most"
        " of all in noise, and does not tell who speaks: let a person read what matters."
    )


def _normalised(key):
    return f"{key}_normalised"


def _end(suffix):
    return f"_{suffix}" if suffix else ""
