"""BLEU and chrF as one metric of `evaluate`; `whisper.scores` computes them with sacrebleu."""

import datasets
import evaluate

from whisper import scores

DESCRIPTION = """
BLEU and chrF of translations, 0 to 100, on raw and on normalised texts, with 95 % bootstrap
intervals over clips.
"""
INPUTS = """
Args:
    predictions: translations, one a clip.
    references: what they should be; clips with an empty one are left out.
    language: ISO 639-1 of the language translated into.
    resamples: of sacrebleu's bootstrap.

Returns:
    bleu, bleu_low, bleu_high, bleu_normalised, bleu_normalised_low, bleu_normalised_high.
    The same for chrf, and the signatures of both.
    clips and without_reference.
"""


class Translation(evaluate.Metric):
    """`compute(predictions=, references=, language=)`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions, references, language="en", resamples=1000):
        return scores.translation(references, predictions, language, resamples)
