"""The word error rate as a metric of `evaluate`."""

from whisper.metrics import error_rate


class WordErrorRate(error_rate.ErrorRate):
    """Errors per word."""

    rate, unit, language = "wer", "word", "en"
