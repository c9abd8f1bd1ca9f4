"""How good transcripts and translations are: error rates, BLEU and chrF, with 95 % intervals.

Each score comes twice, on the texts as they are and normalised (`whisper.normalise`), because
neither alone can be compared with what others report. Rates are shares (0.12 is 12 %) of errors
pooled over all clips, not means over clips; they exceed 1 when more is heard than was said.
Intervals are bootstraps over clips: how much the score would vary with other clips of the kind.

The metric modules of whisper/metrics/ give the same numbers to whoever works with `evaluate`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np

from fti.errors import UserError
from whisper.normalise import by_character, normalise

RESAMPLES = 1000
LEVEL = 0.95
METRICS = Path(__file__).parent / "metrics"

_AT_ONCE = 1_000_000  # drawn numbers in memory


@dataclass(frozen=True)
class Counts:
    """The errors of each clip, and how many words or characters its reference has."""

    errors: np.ndarray
    units: np.ndarray

    @property
    def rate(self) -> float:
        """Errors per unit, pooled over the clips."""
        return float(self.errors.sum() / self.units.sum())


def measure(language: str) -> str:
    """Name the error rate that a language is scored by: `cer` without blanks, `wer` with them."""
    return "cer" if by_character(language) else "wer"


def transcription(
    references: Sequence[str],
    hypotheses: Sequence[str],
    language: str,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, float | int]:
    """Score transcripts by the error rate of their language: the keys of `error_rate`."""
    return error_rate(measure(language), references, hypotheses, language, resamples, seed)


def error_rate(
    name: str,
    references: Sequence[str],
    hypotheses: Sequence[str],
    language: str | Sequence[str],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, float | int]:
    """Score transcripts by the rate `name`, "wer" or "cer"; `language` may be one for each clip.

    Gives `name`, `name_low`, `name_high`, the same of the normalised texts as `name_normalised`,
    `name_normalised_low` and so on, `clips`, and of the clips whose reference is empty (silence,
    noise): `silent_clips` and `heard_in_silence`, the share for which something was heard. An
    empty reference has no unit, and each unit heard for it is an error.

    Raises UserError for lists of different lengths and where no reference holds a word.
    """
    count = {"wer": word_counts, "cer": character_counts}[name]
    _check_pairs(references, hypotheses)
    languages = [language] * len(references) if isinstance(language, str) else language
    plain = [normalise(*pair) for pair in zip(references, languages, strict=True)]
    heard = [normalise(*pair) for pair in zip(hypotheses, languages, strict=True)]
    scores: dict[str, float | int] = {}
    for key, pair in ((name, (references, hypotheses)), (f"{name}_normalised", (plain, heard))):
        counts = count(*pair)
        if not counts.units.sum():
            raise UserError(
                f"none of {len(references)} references holds a word: {key} needs some speech"
            )
        low, high = rate_interval(counts, resamples, seed)
        scores |= {key: counts.rate, f"{key}_low": low, f"{key}_high": high}
    silent = [text for text, said in zip(heard, plain, strict=True) if not said]
    return scores | {
        "clips": len(references),
        "silent_clips": len(silent),
        "heard_in_silence": sum(map(bool, silent)) / len(silent) if silent else 0.0,
    }


def word_counts(references: Sequence[str], hypotheses: Sequence[str]) -> Counts:
    """Count the words substituted, deleted and inserted in each clip; words end at blanks."""
    return _counts(jiwer.process_words(_tidy(references), _tidy(hypotheses)))


def character_counts(references: Sequence[str], hypotheses: Sequence[str]) -> Counts:
    """The same for characters; single blanks inside a text are characters too."""
    return _counts(jiwer.process_characters(_tidy(references), _tidy(hypotheses)))


def _tidy(texts: Sequence[str]) -> list[str]:
    """Make every run of blanks one blank; jiwer takes tabs and line ends for part of a word."""
    return [" ".join(text.split()) for text in texts]


def _counts(found: jiwer.WordOutput | jiwer.CharacterOutput) -> Counts:
    errors = [sum(map(_errors, clip)) for clip in found.alignments]
    return Counts(np.array(errors), np.array([len(units) for units in found.references]))


def _errors(chunk: jiwer.AlignmentChunk) -> int:
    if chunk.type == "equal":
        return 0
    said = chunk.ref_end_idx - chunk.ref_start_idx
    return max(said, chunk.hyp_end_idx - chunk.hyp_start_idx)


def rate_interval(counts: Counts, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Give the 95 % percentile interval of a rate over resampled clips."""
    errors, units = _resampled([counts.errors, counts.units], resamples, seed)
    spoken = units > 0  # a resample of silent clips alone has no rate
    return _percentiles(errors[spoken] / units[spoken])


def difference_interval(
    ours: Counts, theirs: Counts, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Give the 95 % interval of the rate of `ours` less that of `theirs` on the same clips.

    The same clips are drawn for both, so what makes a clip hard for either cancels. Below 0
    throughout: ours is better, and not by the luck of these clips.
    """
    if not np.array_equal(ours.units, theirs.units):
        raise UserError("two models can be compared only on the same references, in one order")
    drawn = _resampled([ours.errors - theirs.errors, ours.units], resamples, seed)
    spoken = drawn[1] > 0
    return _percentiles(drawn[0][spoken] / drawn[1][spoken])


def _resampled(columns: Sequence[np.ndarray], resamples: int, seed: int) -> np.ndarray:
    """Give each column's sum over each resample: columns x resamples."""
    rng = np.random.default_rng(seed)
    clips = len(columns[0])
    rows = max(1, _AT_ONCE // clips)
    table = np.stack(columns, axis=1)
    sums = [
        rng.multinomial(clips, np.full(clips, 1 / clips), min(rows, resamples - done)) @ table
        for done in range(0, resamples, rows)
    ]
    return np.concatenate(sums).T


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def translation(
    references: Sequence[str],
    hypotheses: Sequence[str],
    language: str = "en",
    resamples: int = RESAMPLES,
) -> dict[str, float | int | str]:
    """Score translations into `language` by BLEU and chrF of sacrebleu, 0 to 100.

    Gives `bleu`, `bleu_low`, `bleu_high`, the same of normalised texts as `bleu_normalised` and
    so on, the same for `chrf`, sacrebleu's signatures as `bleu_signature` and `chrf_signature`,
    `clips`, and `without_reference`: the clips whose reference is empty, as nobody translated
    them; they are left out. The intervals are sacrebleu's: the mean of its own bootstrap, seeded
    by the variable SACREBLEU_SEED, and the same distance to both sides, inside 0 to 100.

    Raises UserError for lists of different lengths and where no reference holds a word.
    """
    from sacrebleu.metrics import BLEU, CHRF

    _check_pairs(references, hypotheses)
    pairs = list(zip(references, hypotheses, strict=True))
    kept = [pair for pair in pairs if normalise(pair[0], language)]
    if not kept:
        raise UserError(f"none of {len(pairs)} references holds a word: there is no translation")
    plain = [tuple(normalise(text, language) for text in pair) for pair in kept]
    scores: dict[str, float | int | str] = {}
    for name, metric in {"bleu": BLEU(tokenize=_cut(language)), "chrf": CHRF()}.items():
        scores |= _corpus_scores(name, metric, kept, resamples)
        scores |= _corpus_scores(f"{name}_normalised", metric, plain, resamples)
        scores[f"{name}_signature"] = metric.get_signature().format()
    return scores | {"clips": len(kept), "without_reference": len(pairs) - len(kept)}


def _cut(language: str) -> str:
    """Name sacrebleu's way to cut a language into words that needs no further library."""
    if language == "zh":
        return "zh"
    return "char" if by_character(language) else "13a"


def _corpus_scores(key: str, metric, pairs: list, resamples: int) -> dict[str, float]:
    said, heard = zip(*pairs, strict=True)
    score = metric.corpus_score(heard, [said], n_bootstrap=resamples)
    signature = metric.get_signature().format()
    told = json.loads(score.format(width=6, is_json=True, signature=signature))
    # sacrebleu leaves both out where no resample scores anything.
    middle, reach = told.get("confidence_mean", 0.0), told.get("confidence_var", 0.0)
    low, high = max(0.0, middle - reach), min(100.0, middle + reach)
    return {key: score.score, f"{key}_low": low, f"{key}_high": high}


def load_metric(name: str):
    """Load a metric of whisper/metrics/ for `evaluate`, which then asks no hub for it."""
    import evaluate

    return evaluate.load(str(METRICS / name))


def _check_pairs(references: Sequence[str], hypotheses: Sequence[str]) -> None:
    if len(references) != len(hypotheses):
        raise UserError(
            f"{len(references)} references and {len(hypotheses)} hypotheses:"
            " each clip needs one of both"
        )
    if not references:
        raise UserError("there are no clips to score")
