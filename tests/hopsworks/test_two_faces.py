"""One project folder, used in turn by the embedded classes and by the real client."""

import json

import pandas as pd
import pytest

from fti.embedded.transformations import min_max_scaler, udf
from tests.contract.space import flowers
from tests.hopsworks.two_faces import table


@udf(float, drop="feature")
def doubled(feature):
    """Twice as much."""
    return feature * 2


@pytest.fixture
def filled(served, tmp_path):
    """A project in which the embedded classes left a bit of everything."""
    store = served.project.get_feature_store()
    group = store.get_or_create_feature_group(
        "flowers", 1, primary_key=["flower_id"], partition_key=["sort"], event_time="seen_at"
    )
    for first in range(0, 40, 2):  # enough commits for the table to be tidied up
        group.insert(flowers(60).iloc[first : first + 4])
    group.add_tag("owner", "garden")
    functions = [min_max_scaler("width"), doubled("flower_id").alias("twice")]
    view = store.create_feature_view(
        "flowers", group.select(["flower_id", "width", "sort"]), 1, labels=["sort"],
        transformation_functions=functions,
    )  # fmt: skip
    view.train_test_split(test_size=0.25)
    (tmp_path / "model.txt").write_text("a model")
    registry = served.project.get_model_registry()
    registry.python.create_model(
        "flowers", metrics={"accuracy": 0.5}, feature_view=view, input_example=[[0.5]]
    ).save(tmp_path / "model.txt")
    served.project.get_dataset_api().upload(str(tmp_path / "model.txt"), "Resources")
    return served.project


def test_the_client_finds_what_the_embedded_project_holds(client, filled, served, tmp_path):
    store = filled.get_feature_store()
    group = store.get_feature_group("flowers", version=1)
    view = store.get_feature_view("flowers", version=1)
    view.init_batch_scoring(1)
    expected = {
        "rows": table(group.read()),
        "commits": len(group.commit_details()),
        "tags": {"owner": "garden"},
        "split": [len(part) for part in view.get_train_test_split(1)],
        "batch": table(view.get_batch_data()),
        "files": ["model.txt"],
        "metrics": {"accuracy": 0.5},
        "example": [[0.5]],
        "published": ["/Resources/model.txt"],
    }
    done = client.run("-m", "tests.hopsworks.two_faces", str(tmp_path / "downloaded"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == expected
    assert served.unknown == {}


def test_the_embedded_project_goes_on_with_what_the_client_stored(client, filled, tmp_path):
    group = filled.get_feature_store().get_feature_group("flowers", version=1)
    before = group.read()
    done = client.run("-m", "tests.hopsworks.two_faces", str(tmp_path / "downloaded"))
    assert done.returncode == 0, done.stderr[-3000:]
    changed = group.read().sort_values("flower_id", ignore_index=True)
    assert len(changed) == len(before) and changed["width"].iloc[-1] == 9.0
    group.insert(changed.tail(1).assign(width=0.0))
    group.insert(flowers(60).tail(2))
    group.delta_compact()
    expected = before.sort_values("flower_id", ignore_index=True)
    expected.loc[len(expected) - 1, "width"] = 0.0
    expected = pd.concat([expected, flowers(60).tail(2)], ignore_index=True)
    found = group.read().sort_values("flower_id", ignore_index=True)
    pd.testing.assert_frame_equal(found, expected)
