"""The character error rate as a metric of `evaluate`, for languages without blanks."""

from whisper.metrics import error_rate


class CharacterErrorRate(error_rate.ErrorRate):
    """Errors per character."""

    rate, unit, language = "cer", "character", "zh"
