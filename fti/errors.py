"""Errors that are the user's to solve: command lines print their one sentence, not a traceback."""


class UserError(Exception):
    """Something outside the code is not as it should be; the message says what to do about it."""


class SourceError(UserError, ValueError):
    """Raw data are missing or are not what they should be."""
