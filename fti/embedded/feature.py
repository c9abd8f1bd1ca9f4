"""Features (columns) of a feature group, and the filters that comparisons of them make."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from fti.embedded.exceptions import FeatureStoreException
from fti.embedded.unsupported import Unsupported

# Hopsworks' offline type for each Arrow type, and the Arrow type it is stored as.
OFFLINE_TYPES: dict[str, pa.DataType] = {
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
    "binary": pa.binary(),
}


def offline_type(arrow: pa.DataType) -> str:
    """Give Hopsworks' name for an Arrow type; ValueError when it has none."""
    types = pa.types
    for test, name in (
        (types.is_boolean, "boolean"),
        (lambda t: t in (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16()), "int"),
        (types.is_integer, "bigint"),
        (lambda t: t in (pa.float16(), pa.float32()), "float"),
        (types.is_floating, "double"),
        (types.is_timestamp, "timestamp"),
        (types.is_date, "date"),
        (lambda t: types.is_string(t) or types.is_large_string(t), "string"),
        (lambda t: types.is_binary(t) or types.is_large_binary(t), "binary"),
    ):
        if test(arrow):
            return name
    if types.is_dictionary(arrow):
        return offline_type(arrow.value_type)
    if types.is_decimal(arrow):
        return f"decimal({arrow.precision},{arrow.scale})"
    if types.is_list(arrow) or types.is_large_list(arrow):
        return f"array<{offline_type(arrow.value_type)}>"
    if types.is_struct(arrow):
        return f"struct<{','.join(f'{f.name}:{offline_type(f.type)}' for f in arrow)}>"
    raise ValueError(f"dtype '{arrow}' not supported")


def stored_type(arrow: pa.DataType) -> pa.DataType:
    """Give the Arrow type that a column is stored as."""
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow):
        return pa.list_(stored_type(arrow.value_type))
    if pa.types.is_struct(arrow):
        return pa.struct([pa.field(f.name, stored_type(f.type)) for f in arrow])
    return OFFLINE_TYPES.get(offline_type(arrow), arrow)


def sanitized(name: str) -> str:
    """Give a name as the feature store keeps it: lower case, with underscores for spaces."""
    return name.lower().replace(" ", "_")


class Feature(Unsupported):
    """One column of a feature group; comparing it gives a `Filter`."""

    def __init__(
        self,
        name: str,
        type: str | None = None,
        description: str | None = None,
        primary: bool | None = False,
        foreign: bool | None = False,
        partition: bool | None = False,
        hudi_precombine_key: bool | None = False,
        offline_only: bool | None = False,
        online_type: str | None = None,
        default_value: str | None = None,
        feature_group_id: int | None = None,
        feature_group: Any = None,
        on_demand: bool = False,
        use_fully_qualified_name: bool = False,
        column_name: str | None = None,
        **kwargs: Any,
    ):
        self.name = sanitized(name)
        self.type = type
        self.description = description
        self.primary = primary
        self.foreign = foreign
        self.partition = partition
        self.default_value = default_value
        self.feature_group_id = feature_group_id
        self.feature_group = feature_group

    def to_dict(self) -> dict[str, Any]:
        """Give what the catalog keeps of it."""
        names = ("name", "type", "description", "primary", "foreign", "partition", "default_value")
        return {name: getattr(self, name) for name in names}

    def like(self, other: Any) -> Filter:
        """Match an SQL pattern: % for any text, _ for one character."""
        return Filter(self, "LIKE", other)

    def isin(self, other: list[Any]) -> Filter:
        """Match one of several values."""
        return Filter(self, "IN", list(other))

    contains = isin

    def __lt__(self, other: Any) -> Filter:
        return Filter(self, "LESS_THAN", other)

    def __le__(self, other: Any) -> Filter:
        return Filter(self, "LESS_THAN_OR_EQUAL", other)

    def __eq__(self, other: Any) -> Filter:  # type: ignore[override]
        return Filter(self, "EQUALS", other)

    def __ne__(self, other: Any) -> Filter:  # type: ignore[override]
        return Filter(self, "NOT_EQUALS", other)

    def __ge__(self, other: Any) -> Filter:
        return Filter(self, "GREATER_THAN_OR_EQUAL", other)

    def __gt__(self, other: Any) -> Filter:
        return Filter(self, "GREATER_THAN", other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Feature({self.name!r}, {self.type!r})"


class _Condition(Unsupported):
    """What `&` and `|` combine."""

    def __and__(self, other: Filter | Logic) -> Logic:
        return Logic("AND", self, _condition(other, "&"))

    def __or__(self, other: Filter | Logic) -> Logic:
        return Logic("OR", self, _condition(other, "|"))


class Filter(_Condition):
    """One comparison of a feature with a value."""

    def __init__(self, feature: Feature, condition: str, value: Any, **kwargs: Any):
        self.feature = feature
        self.condition = condition
        self.value = value

    def to_dict(self) -> dict[str, Any]:
        """Give what the catalog keeps of it."""
        return {
            "feature": _named(self.feature),
            "condition": self.condition,
            "value": _value_to_dict(self.value),
        }

    def __repr__(self) -> str:
        return f"Filter({self.feature!r}, {self.condition!r}, {self.value!r})"


class Logic(_Condition):
    """Two conditions joined by AND or OR."""

    def __init__(
        self,
        type: str | None,
        left_f: Filter | Logic | None = None,
        right_f: Filter | Logic | None = None,
        left_l: Logic | None = None,
        right_l: Logic | None = None,
        **kwargs: Any,
    ):
        self.type = type
        self._left = left_f or left_l
        self._right = right_f or right_l

    def get_left_filter_or_logic(self) -> Filter | Logic:
        """Give the left side."""
        return self._left

    def get_right_filter_or_logic(self) -> Filter | Logic | None:
        """Give the right side."""
        return self._right

    def to_dict(self) -> dict[str, Any]:
        """Give what the catalog keeps of it."""
        right = self._right.to_dict() if self._right is not None else None
        return {"type": self.type, "left": self._left.to_dict(), "right": right}

    def __repr__(self) -> str:
        return f"Logic({self.type!r}, {self._left!r}, {self._right!r})"


def _condition(other: Any, operator: str) -> Filter | Logic:
    if not isinstance(other, Filter | Logic):
        raise TypeError(
            f"Operator `{operator}` expected type `Filter` or `Logic`, got `{type(other)}`"
        )
    return other


def check_schema(stored: list[Feature], given: list[Feature]) -> None:
    """Raise FeatureStoreException that names every column whose name or type does not fit."""
    types = {feature.name: str(feature.type) for feature in given}
    faults = []
    for feature in stored:
        found = types.pop(feature.name, None)
        if found is None:
            faults.append(
                f"{feature.name} (type: '{feature.type}') is missing from input dataframe."
            )
        elif found != feature.type:
            faults.append(
                f"{feature.name} (expected type: '{feature.type}', derived from input: '{found}') "
                "has the wrong type."
            )
    faults += [
        f"{name} (type: '{found}') does not exist in feature group."
        for name, found in types.items()
    ]
    if faults:
        raise FeatureStoreException(
            "Features are not compatible with Feature Group schema: "
            + "".join(f"\n - {fault}" for fault in faults)
        )


def condition_from_dict(document: dict[str, Any], groups: dict[str, Any]) -> Filter | Logic:
    """Give the condition that `to_dict` described; `groups` are the query's by label."""
    if "condition" in document:
        feature = _feature(document["feature"], groups)
        return Filter(feature, document["condition"], _value_from_dict(document["value"], groups))
    right = document["right"]
    return Logic(
        document["type"],
        condition_from_dict(document["left"], groups),
        None if right is None else condition_from_dict(right, groups),
    )


def _named(feature: Feature) -> dict[str, Any]:
    group = feature.feature_group
    return {"name": feature.name, "group": group._label if group is not None else None}


def _feature(document: dict[str, Any], groups: dict[str, Any]) -> Feature:
    group = groups.get(document["group"])
    return group._feature(document["name"]) if group else Feature(document["name"])


def _value_to_dict(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, list | tuple | set):
        return [_value_to_dict(item) for item in value]
    if isinstance(value, Feature):
        return {"feature": _named(value)}
    if isinstance(value, datetime):
        return {"timestamp": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, bytes):
        return {"binary": value.hex()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise FeatureStoreException(f"A filter cannot compare with {value!r}.")


def _value_from_dict(value: Any, groups: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_value_from_dict(item, groups) for item in value]
    if not isinstance(value, dict):
        return value
    if "feature" in value:
        return _feature(value["feature"], groups)
    if "timestamp" in value:
        return datetime.fromisoformat(value["timestamp"])
    if "decimal" in value:
        return Decimal(value["decimal"])
    if "binary" in value:
        return bytes.fromhex(value["binary"])
    return date.fromisoformat(value["date"])
