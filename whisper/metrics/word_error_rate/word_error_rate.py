"""The word error rate as a metric of `evaluate`; `whisper.scores` computes it."""

import datasets
import evaluate

from whisper import scores

DESCRIPTION = """
Errors per word of the references, pooled over all clips, on raw and on normalised texts,
with 95 % bootstrap intervals over clips.
"""
INPUTS = """
Args:
    predictions: texts that were heard, one a clip.
    references: texts that were said; an empty one is a clip without speech.
    language: ISO 639-1, says how texts are normalised.
    resamples, seed: of the bootstrap.

Returns:
    wer, wer_low, wer_high: of the raw texts, as shares (0.12 is 12 %).
    wer_normalised, wer_normalised_low, wer_normalised_high.
    clips, silent_clips, and heard_in_silence: the share of silent clips with a text.
"""


class WordErrorRate(evaluate.Metric):
    """`compute(predictions=, references=, language=)`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions, references, language="en", resamples=1000, seed=0):
        return scores.error_rate("wer", references, predictions, language, resamples, seed)
