"""The character error rate as a metric of `evaluate`; `whisper.scores` computes it."""

import datasets
import evaluate

from whisper import scores

DESCRIPTION = """
Errors per character of the references, pooled over all clips, on raw and on normalised texts,
with 95 % bootstrap intervals over clips.
"""
INPUTS = """
Args:
    predictions: texts that were heard, one a clip.
    references: texts that were said; an empty one is a clip without speech.
    language: ISO 639-1, says how texts are normalised.
    resamples, seed: of the bootstrap.

Returns:
    cer, cer_low, cer_high: of the raw texts, as shares (0.12 is 12 %).
    cer_normalised, cer_normalised_low, cer_normalised_high.
    clips, silent_clips, and heard_in_silence: the share of silent clips with a text.
"""


class CharacterErrorRate(evaluate.Metric):
    """`compute(predictions=, references=, language=)`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions, references, language="zh", resamples=1000, seed=0):
        return scores.error_rate("cer", references, predictions, language, resamples, seed)
