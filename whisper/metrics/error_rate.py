"""What word and character error rate have in common as metrics of `evaluate`."""

import datasets
import evaluate

from whisper import scores

DESCRIPTION = """
Errors per {unit} of the references, pooled over all clips, on raw and on normalised texts,
with 95 % bootstrap intervals over clips.
"""
INPUTS = """
Args:
    predictions: texts that were heard, one a clip.
    references: texts that were said; an empty one is a clip without speech.
    language: ISO 639-1, says how texts are normalised; one, or one for each text.
    resamples, seed: of the bootstrap.

Returns:
    {name}, {name}_low, {name}_high: of the raw texts, as shares (0.12 is 12 %).
    {name}_normalised, {name}_normalised_low, {name}_normalised_high.
    clips, silent_clips, and heard_in_silence: the share of silent clips with a text.
"""


class ErrorRate(evaluate.Metric):
    """`compute(predictions=, references=, language=)`; `whisper.scores` computes it."""

    rate: str  # as `scores.error_rate` calls it
    unit: str
    language: str  # when none is given

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=DESCRIPTION.format(unit=self.unit),
            citation="",
            inputs_description=INPUTS.format(name=self.rate),
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions, references, language=None, resamples=1000, seed=0):
        language = language or self.language
        return scores.error_rate(self.rate, references, predictions, language, resamples, seed)
