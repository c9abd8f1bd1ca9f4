"""Fixtures of the Iris tests: the flowers that scikit-learn brings."""

import pytest

from iris import features, sources


@pytest.fixture(scope="session")
def flowers():
    """The feature table of the 150 real flowers."""
    return features.build_features(sources.built_in())
