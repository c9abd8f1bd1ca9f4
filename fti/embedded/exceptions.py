"""The error types of the Hopsworks client, by the same names.

Codes are Hopsworks' own (270009 feature group not found, 270181 feature view not found,
360000 model not found, 110011 path not found).
"""


class FeatureStoreException(Exception):
    """A feature group, query or feature view was asked for something it cannot do."""


class TransformationFunctionException(Exception):
    """A transformation function does not fit the features it is attached to."""


class ModelRegistryException(Exception):
    """A model cannot be stored or found as asked."""


class DatasetException(Exception):
    """A file of the project cannot be written as asked."""


class ProjectException(Exception):
    """The project does not exist or cannot be opened."""


class RestAPIError(Exception):
    """What a Hopsworks server would have refused; `error_code` is Hopsworks' own."""

    def __init__(self, message: str, error_code: int, status_code: int = 400):
        super().__init__(message)
        self.error_code = error_code
        self.status_code = status_code


class FeatureGroupWarning(Warning):
    """A feature group was used in a way that changes what was given (names, for example)."""


class VersionWarning(Warning):
    """A version was chosen because none was given."""
