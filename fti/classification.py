"""What the pipelines of a classifier agree on, and scores that hold for two outcomes or more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fti import quality

KINDS = {"real": False, "synthetic": True}  # kind of rows -> `is_synthetic`


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is predicted of what, and by which names the pipelines find each other's work.

    `use_case` names the feature view, the model and the folder of published files. The rows are
    one `entity` each, with the key `<entity>_id`, in the feature groups `<use_case>_<entities>`
    and `<use_case>_synthetic_<entities>`; predictions go to `<use_case>_predictions`. `outcomes`
    says in words what each value of the column `label` means, in ascending order of the values.
    `recipe` changes whenever the same rows would give another model or other files beside it.
    """

    use_case: str
    entity: str
    entities: str
    label: str
    outcomes: Mapping[Any, str]
    recipe: str

    @property
    def key(self) -> str:
        """The column that says who or what a row is about."""
        return f"{self.entity}_id"

    @property
    def labels(self) -> list[Any]:
        """The values of the label, in the order of a model's probabilities."""
        return list(self.outcomes)

    @property
    def is_binary(self) -> bool:
        """Whether the outcome is 0 or 1; its probability is then that of 1."""
        return self.labels == [0, 1]

    @property
    def probability_columns(self) -> list[str]:
        """The columns of `<use_case>_predictions` that hold each outcome's probability."""
        return ["probability"] if self.is_binary else [f"p_{label}" for label in self.labels]

    def group(self, kind: str) -> str:
        """The name of the feature group of `kind` ("real" or "synthetic")."""
        middle = "synthetic_" if KINDS[kind] else ""
        return f"{self.use_case}_{middle}{self.entities}"

    @property
    def predictions_group(self) -> str:
        """The name of the feature group of predictions."""
        return f"{self.use_case}_predictions"

    def scores(self, y, probabilities: np.ndarray) -> dict[str, float]:
        """Score an array of probabilities (rows, labels): accuracy, auc, log_loss, brier, n.

        As `quality.binary_scores` or `quality.multiclass_scores` define them.
        """
        if self.is_binary:
            return quality.binary_scores(y, probabilities[:, 1])
        return quality.multiclass_scores(y, probabilities, self.labels)

    def claims(self, y, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give what calibration compares: hits (0 or 1) and the probability claimed for each.

        Of two outcomes the claim is about 1; of several it is about the most probable one
        (confidence calibration: Guo and others, On calibration of modern neural networks, 2017).
        """
        if self.is_binary:
            return np.asarray(y), probabilities[:, 1]
        chosen = np.asarray(self.labels, dtype=object)[probabilities.argmax(axis=1)]
        return (chosen == np.asarray(y)).astype("int64"), probabilities.max(axis=1)
