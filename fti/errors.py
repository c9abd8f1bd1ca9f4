"""Errors that a person can act on: command lines print the sentence, not a traceback."""


class UserError(Exception):
    """One clear sentence: what is wrong with which file, column, value or flag, and what to do."""

    exit_code = 1


class SourceError(UserError, ValueError):
    """Raw data could not be fetched or are not what they should be; nothing was stored."""


class SourceUnreachable(SourceError):
    """The place where raw data come from does not answer; `make daily` then takes the sample."""

    exit_code = 69  # EX_UNAVAILABLE of sysexits.h
