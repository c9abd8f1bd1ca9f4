"""Transformation functions: what a feature view does to features, with training statistics.

The four that Hopsworks brings (`min_max_scaler`, `standard_scaler`, `label_encoder`,
`one_hot_encoder`) and `@udf` for one's own. Statistics are those of the training split, kept with
the training dataset version, so batch inference sees the same scale.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from fti.embedded.exceptions import FeatureStoreException, TransformationFunctionException

NAME_LENGTH = 63  # characters that Hopsworks allows in the name of a column


@dataclass
class FeatureTransformationStatistics:
    """Statistics of one feature in a training split; None where they do not apply."""

    feature_name: str
    count: int | None = None
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    std_dev: float | None = None  # of the population, as Hopsworks' profiler computes it
    unique_values: list[Any] | None = None

    @classmethod
    def of(cls, name: str, column: pd.Series) -> FeatureTransformationStatistics:
        """Compute them from a column; missing values do not count."""
        known = column.dropna()
        found = cls(name, count=len(column))
        kind = pd.api.types.infer_dtype(known)
        if kind in ("string", "integer", "boolean", "empty"):
            found.unique_values = sorted(known.unique().tolist())
        if kind in ("integer", "floating", "decimal"):
            known = known.astype(float)
            found.min, found.max = float(known.min()), float(known.max())
            found.mean, found.std_dev = float(known.mean()), float(known.std(ddof=0))
        return found


class TransformationStatistics:
    """The statistics that a function's `statistics` argument holds, one attribute per feature."""

    def __init__(self, *features: str):
        self._features = features
        for feature in features:
            setattr(self, feature, FeatureTransformationStatistics(feature))


class HopsworksUdf:
    """A function of columns that feature views can apply; calling it names its features."""

    def __init__(
        self,
        func: Callable[..., Any],
        return_types: list[type] | type,
        dropped_argument_names: str | list[str] | None = None,
        execution_mode: str = "default",
    ):
        if execution_mode not in ("default", "python", "pandas"):
            raise FeatureStoreException(
                f"udf mode {execution_mode!r} is not known: use default, python or pandas"
            )
        self.func = func
        self.function_name = func.__name__
        self.return_types = return_types if isinstance(return_types, list) else [return_types]
        dropped = dropped_argument_names or []
        self.dropped = [dropped] if isinstance(dropped, str) else list(dropped)
        self.execution_mode = execution_mode
        names = list(inspect.signature(func).parameters)
        self.arguments = [name for name in names if name not in ("statistics", "context")]
        self.uses_statistics = "statistics" in names
        self.uses_context = "context" in names

    def __call__(self, *features: str) -> TransformationFunction:
        if len(features) != len(self.arguments):
            raise FeatureStoreException(
                f"The transformation function '{self.function_name}' takes the features "
                f"{', '.join(self.arguments)}: {len(self.arguments)}, not {len(features)}."
            )
        return TransformationFunction(self, list(features))

    @property
    def reference(self) -> str:
        """Where the function is defined, as `module:name`."""
        return f"{self.func.__module__}:{self.func.__qualname__}"


@dataclass
class TransformationFunction:
    """A function attached to features."""

    udf: HopsworksUdf
    features: list[str]
    output_names: list[str] | None = field(default=None)

    @property
    def hopsworks_udf(self) -> HopsworksUdf:
        """The function itself."""
        return self.udf

    def __call__(self, *features: str) -> TransformationFunction:
        return self.udf(*features)

    def alias(self, *names: str) -> TransformationFunction:
        """Name the columns it gives."""
        self.output_names = list(names)
        return self

    @property
    def uses_statistics(self) -> bool:
        """Tell whether it needs statistics of a training split."""
        return self.udf.uses_statistics

    def fit(self, table: pd.DataFrame) -> dict[str, dict[str, Any]]:
        """Give the statistics of its features, ready for JSON."""
        return {
            name: asdict(FeatureTransformationStatistics.of(name, self._column(table, name)))
            for name in self.features
        }

    def apply(
        self,
        table: pd.DataFrame,
        statistics: dict[str, dict[str, Any]],
        context: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Give the table with the function's columns in place of those it drops."""
        columns = [self._column(table, name) for name in self.features]
        result = self._results(columns, self._arguments(statistics, context))
        result.columns = self._output_names(result)
        dropped = self._dropped()
        kept = table.drop(columns=[*dropped, *(c for c in result.columns if c in table.columns)])
        return pd.concat([kept, result], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Give what the catalog keeps of it."""
        return {
            "udf": self.udf.reference,
            "features": self.features,
            "output_names": self.output_names,
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> TransformationFunction:
        """Find the function again; FeatureStoreException when its module no longer has it."""
        return cls(find(document["udf"]), document["features"], document["output_names"])

    def _column(self, table: pd.DataFrame, name: str) -> pd.Series:
        if name not in table.columns:
            raise TransformationFunctionException(
                f"The feature {name} of transformation function '{self.udf.function_name}' is not "
                "in the data."
            )
        return table[name]

    def _arguments(
        self, statistics: dict[str, dict[str, Any]], context: dict[str, Any] | None
    ) -> dict[str, Any]:
        given: dict[str, Any] = {}
        if self.udf.uses_statistics:
            given["statistics"] = TransformationStatistics(*self.udf.arguments)
            for argument, feature in zip(self.udf.arguments, self.features, strict=True):
                found = FeatureTransformationStatistics(**statistics[feature])
                setattr(given["statistics"], argument, found)
        if self.udf.uses_context:
            given["context"] = context or {}
        return given

    def _results(self, columns: list[pd.Series], given: dict[str, Any]) -> pd.DataFrame:
        if self.udf.execution_mode == "python":
            rows = [self.udf.func(*row, **given) for row in zip(*columns, strict=True)]
            width = len(self.udf.return_types)
            cells = [row if width > 1 else [row] for row in rows]
            return pd.DataFrame(cells, index=columns[0].index, columns=range(width))
        result = self.udf.func(*columns, **given)
        if isinstance(result, tuple | list):
            return pd.concat(list(result), axis=1)
        return result.to_frame() if isinstance(result, pd.Series) else result

    def _output_names(self, result: pd.DataFrame) -> list[str]:
        """Name the result as Hopsworks does: <function>_<features>_, numbered when several."""
        if self.output_names:
            return self.output_names
        own = self.udf.function_name
        many = result.shape[1] > 1 or own == "one_hot_encoder"
        if not many and own in self.features and own not in self._dropped():
            return [own]
        base = f"{own}_{'_'.join(self.features)}_"
        if not many:
            return [base[:NAME_LENGTH]]
        width = result.shape[1]
        cut = base[: NAME_LENGTH - width - 1]  # as much as Hopsworks cuts off, if it must
        names = [(f"{base}{i}", f"{cut}_{i}") for i in range(width)]
        return [name if len(name) <= NAME_LENGTH else shorter for name, shorter in names]

    def _dropped(self) -> list[str]:
        places = dict(zip(self.udf.arguments, self.features, strict=True))
        return [places[argument] for argument in self.udf.dropped]


def udf(
    return_type: list[type] | type,
    drop: str | list[str] | None = None,
    mode: str = "default",
) -> Callable[[Callable[..., Any]], HopsworksUdf]:
    """Make a function of columns (pandas Series) a transformation function.

    `drop` names arguments that are left out of the result; an argument called `statistics` gets
    the training statistics, one called `context` the transformation context.
    """

    def wrap(func: Callable[..., Any]) -> HopsworksUdf:
        return HopsworksUdf(func, return_type, drop, mode)

    return wrap


def find(reference: str) -> HopsworksUdf:
    """Give the transformation function at `module:name`."""
    module, _, name = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise FeatureStoreException(
            f"The transformation function {reference} cannot be found: keep it at the top level "
            "of an importable module."
        ) from error
    return found


@udf(float, drop="feature")
def min_max_scaler(feature, statistics=None):
    """Scale to 0..1 between the smallest and the largest training value."""
    low, high = statistics.feature.min, statistics.feature.max
    if low is None or high is None or low == high:
        return feature - (low or 0)
    return (feature - low) / (high - low)


@udf(float, drop="feature")
def standard_scaler(feature, statistics=None):
    """Scale to mean 0 and standard deviation 1 of the training values."""
    mean, deviation = statistics.feature.mean, statistics.feature.std_dev
    if mean is None:
        return feature
    return (feature - mean) / (deviation or 1)


@udf(int, drop="feature", mode="pandas")
def label_encoder(feature, statistics=None):
    """Number the training categories in sorted order; -1 for one not seen in training."""
    numbers = {value: i for i, value in enumerate(sorted(statistics.feature.unique_values))}
    codes = [pd.NA if pd.isna(value) else numbers.get(value, -1) for value in feature]
    return pd.Series(codes, dtype="Int64", index=feature.index)


@udf(bool, drop="feature", mode="pandas")
def one_hot_encoder(feature, statistics=None):
    """Give one boolean column per training category, in sorted order."""
    values = sorted(statistics.feature.unique_values)
    return pd.DataFrame({value: feature == value for value in values}, index=feature.index)


BUILT_IN: dict[str, HopsworksUdf] = {
    function.function_name: function
    for function in (min_max_scaler, standard_scaler, label_encoder, one_hot_encoder)
}


def attached(
    functions: Sequence[TransformationFunction | HopsworksUdf] | None,
) -> list[TransformationFunction]:
    """Give functions with their features: those of a bare udf are named like its arguments."""
    return [
        function(*function.arguments) if isinstance(function, HopsworksUdf) else function
        for function in functions or []
    ]
