"""What the client finds in a project that the embedded classes filled; prints it as JSON.

python -m tests.hopsworks.two_faces FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import fti


def main(folder: str) -> None:
    """Read everything, then store one more row."""
    project = fti.login()
    store, registry = project.get_feature_store(), project.get_model_registry()
    group = store.get_feature_group("flowers", version=1)
    model = registry.get_model("flowers", version=1)
    view = model.get_feature_view()  # ready for batch scoring
    parts = store.get_feature_view("flowers", version=1).get_train_test_split(1)
    found: dict[str, Any] = {
        "rows": table(group.read()),
        "commits": len(group.commit_details()),
        "tags": group.get_tags(),
        "split": [len(part) for part in parts],
        "batch": table(view.get_batch_data()),
        "files": sorted(p.name for p in Path(model.download(folder)).rglob("*") if p.is_file()),
        "metrics": model.training_metrics,
        "example": model.input_example,
        "published": sorted(project.get_dataset_api().list("Resources")),
    }
    last = group.read().sort_values("flower_id").tail(1)
    group.insert(last.assign(width=9.0))
    sys.stdout.write(json.dumps(found) + "\n")


def table(rows: Any) -> list[list[Any]]:
    """Give rows as plain values, in the order of their columns' names and of their values."""
    plain = rows[sorted(rows)].astype(str).to_numpy().tolist()
    return sorted(plain)


if __name__ == "__main__":
    main(sys.argv[1])
