"""Trees of XGBoost and scikit-learn as plain arrays: they score without either library.

    scorer = trees.of(booster)                      a fitted XGBoost model -> Trees
    scorer.probability(X)                           X: float32 (rows, columns), NaN where unknown
    trees.save(trees.pack({"boosted": scorer}))     -> the content of an .npz file
    trees.read(path, make)                          what `make` makes of such a file

Importing scikit-learn or XGBoost costs a daily run or an app more time and memory than all its
work, so training registers these arrays too, after checking that both forms of a model agree.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fti.linear import sigmoid
from fti.models import ModelError

CHUNK = 256  # rows that go through a forest together: rows x trees fit into the cache
LEVELS = 3  # of trees between two looks for arrivals: a look costs as much as a level
OF_A_NODE = ("left", "right", "column", "threshold", "missing_left", "value")
LOGISTIC = "binary:logistic"  # XGBoost's objectives whose sum of leaves is understood here
OBJECTIVES = (LOGISTIC, "reg:squarederror")
DAMAGE = (
    *(ValueError, TypeError, LookupError, OSError, EOFError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)

Made = TypeVar("Made")


@dataclass(frozen=True)
class Trees:
    """Binary trees as arrays over the nodes of all of them, each node after its parent.

    A row goes left where its value is below the threshold, and as `missing_left` says where it has
    none; a leaf is its own child. The prediction is `base` plus the sum of the reached leaves'
    values, put through the logistic function if `logistic`. Raises ValueError when the arrays are
    no trees.
    """

    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray
    column: np.ndarray
    threshold: np.ndarray  # float32, as both libraries compare
    missing_left: np.ndarray
    value: np.ndarray
    base: np.ndarray
    logistic: np.ndarray

    def __post_init__(self):
        nodes = np.arange(np.size(self.left))
        if any(np.shape(getattr(self, name)) != nodes.shape for name in OF_A_NODE):
            raise ValueError("trees whose arrays differ in length")
        own, after = self.left == nodes, np.minimum(self.left, self.right) > nodes
        inside = (np.maximum(self.left, self.right) < len(nodes)) & (self.column >= 0)
        if not (inside & (after | (own & (self.right == nodes)))).all():
            raise ValueError("trees with a node that leads nowhere")
        if np.ndim(self.roots) != 1 or not ((self.roots >= 0) & (self.roots < len(nodes))).all():
            raise ValueError("trees without a root")

    def probability(self, X: np.ndarray) -> np.ndarray:
        """Give the prediction for each row; of a forest that regresses 0 and 1 it is the sum."""
        total = self.total(X)
        return sigmoid(total) if self.logistic else total

    def total(self, X: np.ndarray) -> np.ndarray:
        """Give the sum of each row's leaves, for columns in the order that the trees learned."""
        if X.shape[1] < self.columns:
            raise ValueError(f"the trees ask for {self.columns} columns, there are {X.shape[1]}")
        parts = [self._sum(X[k : k + CHUNK]) for k in range(0, len(X), CHUNK)]
        return self.base + np.concatenate([*parts, np.empty(0)])

    @cached_property
    def columns(self) -> int:
        """How many columns a row needs to have."""
        return int(self.column.max(initial=0)) + 1

    def _sum(self, X: np.ndarray) -> np.ndarray:
        place, child = self._steps
        unknown = np.isnan(X)
        low, high = np.where(unknown, -np.inf, X), np.where(unknown, np.inf, X)
        values = np.stack([low, high], axis=2).ravel()
        node = np.tile(self.roots.astype(np.intp), len(X))
        row = np.repeat(np.arange(len(X)) * 2 * X.shape[1], len(self.roots))
        pair, leaf = np.arange(len(node)), np.empty_like(node)
        while len(pair):
            for _ in range(LEVELS):
                goes_right = values.take(row + place.take(node)) >= self.threshold.take(node)
                node = child.take(2 * node + goes_right)
            there = self.left.take(node) == node
            leaf[pair[there]] = node[there]
            pair, node, row = pair[~there], node[~there], row[~there]
        return self.value.take(leaf).reshape(len(X), -1).sum(axis=1)

    @cached_property
    def _steps(self) -> tuple[np.ndarray, np.ndarray]:
        """Where each node finds its value in a row, and the nodes below, left and right in turn.

        A row has each value twice: an unknown one is -inf, going left, and inf, which does not.
        """
        place = 2 * self.column.astype(np.intp) + ~self.missing_left
        return place, np.column_stack([self.left, self.right]).ravel().astype(np.intp)


# From the libraries


def of(fitted: Any) -> Trees:
    """Give all trees of a fitted XGBoost model (`XGBModel`) as arrays, from its JSON form.

    Format: https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html
    Raises ValueError for what they cannot say: other objectives than `OBJECTIVES`, weighted trees,
    several outputs, splits by category.
    """
    learner = json.loads(bytes(fitted.get_booster().save_raw("json")))["learner"]
    _require_plain(learner)
    trees = learner["gradient_booster"]["model"]["trees"]
    sizes = [len(tree["left_children"]) for tree in trees]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype("int32")

    def joined(name: str, dtype: str) -> np.ndarray:
        return np.concatenate([np.asarray(tree[name]) for tree in trees]).astype(dtype)

    first = np.repeat(roots, sizes)
    own = np.arange(sum(sizes), dtype="int32")
    leaf = joined("left_children", "int32") < 0
    base = float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    logistic = learner["objective"]["name"] == LOGISTIC
    return Trees(
        roots=roots,
        left=np.where(leaf, own, first + joined("left_children", "int32")),
        right=np.where(leaf, own, first + joined("right_children", "int32")),
        column=np.where(leaf, 0, joined("split_indices", "int16")),
        threshold=joined("split_conditions", "float32"),
        missing_left=joined("default_left", "bool"),
        # a leaf keeps its value where a split keeps its threshold
        value=np.where(leaf, joined("split_conditions", "float64"), 0.0),
        base=np.float64(np.log(base / (1 - base)) if logistic else base),
        logistic=np.bool_(logistic),
    )


def _require_plain(learner: Mapping[str, Any]) -> None:
    objective, booster = learner["objective"]["name"], learner["gradient_booster"]
    if objective not in OBJECTIVES or booster["name"] != "gbtree":
        raise ValueError(f"trees of {objective} ({booster['name']}) are not understood")
    trees = booster["model"]["trees"]
    vectors = any(int(tree["tree_param"].get("size_leaf_vector", 1)) > 1 for tree in trees)
    if vectors or any(tree["categories"] for tree in trees):
        raise ValueError("trees with several outputs or with categories are not understood")


def of_decision_tree(fitted: Any, label: Any = 1) -> Trees:
    """Give a fitted scikit-learn DecisionTreeClassifier, for the probability of one label."""
    tree = fitted.tree_
    own = np.arange(tree.node_count, dtype="int32")
    leaf = tree.children_left < 0
    share = tree.value[:, 0, list(fitted.classes_).index(label)]
    return Trees(
        roots=np.zeros(1, "int32"),
        left=np.where(leaf, own, tree.children_left).astype("int32"),
        right=np.where(leaf, own, tree.children_right).astype("int32"),
        column=np.where(leaf, 0, tree.feature).astype("int16"),
        threshold=_next_above(tree.threshold),
        missing_left=np.asarray(tree.missing_go_to_left, dtype=bool),
        value=np.where(leaf, share, 0.0),
        base=np.float64(0),
        logistic=np.bool_(False),
    )


def _next_above(threshold: np.ndarray) -> np.ndarray:
    """Give the least float32 above each threshold: values up to and with it go left there."""
    near = threshold.astype("float32")
    return np.where(near > threshold, near, np.nextafter(near, np.float32(np.inf)))


# As files


def pack(parts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Give dataclasses of arrays, such as `Trees`, by name as one: <name>.<field> -> array."""
    return {
        f"{name}.{field.name}": np.asarray(getattr(part, field.name))
        for name, part in parts.items()
        for field in fields(part)
    }


def unpack(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Give name -> field -> array, of what `pack` gave; arrays without a name have the name ""."""
    parts: dict[str, dict[str, np.ndarray]] = {}
    for path, values in arrays.items():
        name, _, field = path.rpartition(".")
        parts.setdefault(name, {})[field] = values
    return parts


def save(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Give the content of an .npz file that holds the arrays."""
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def read(path: Path, make: Callable[[dict[str, np.ndarray]], Made]) -> Made:
    """Give what `make` makes of the arrays in an .npz file.

    Raises ModelError when there is none, or it is damaged, or `make` finds something else in it.
    """
    if not path.is_file():
        raise ModelError(f"{path} is missing: run the training pipeline again")
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return make(dict(arrays))
    except DAMAGE as error:
        found = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelError(
            f"{path} is damaged or of another model ({found}): run the training pipeline again"
        ) from error
