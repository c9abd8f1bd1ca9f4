"""Scenarios of the model registry."""

from __future__ import annotations

import os
from pathlib import Path

from tests.contract.space import Space, refused, scenario

QUICK = 5  # seconds: the client sleeps that long before it looks whether a save arrived


def save(space: Space, score: float = 0.5, **options: object) -> object:
    """Save a model of two files, one in a folder."""
    space.file("model/weights.bin", os.urandom(1000))
    space.file("model/more/notes.txt", b"some notes")
    model = space.registry.python.create_model(
        space.name("flowers"), metrics={"accuracy": score}, **options
    )
    return model.save(
        str(space.folder / "model"), await_registration=QUICK, keep_original_files=True
    )


@scenario
def versions_of_a_model_are_counted_and_compared(space: Space) -> None:
    name = space.name("flowers")
    assert space.registry.get_model(name, version=1) is None
    assert space.registry.get_models(name) == []
    assert [save(space, score).version for score in (0.5, 0.9)] == [1, 2]
    assert sorted(model.version for model in space.registry.get_models(name)) == [1, 2]
    assert space.registry.get_best_model(name, "accuracy", "max").version == 2
    assert space.registry.get_best_model(name, "accuracy", "min").version == 1
    space.registry.get_model(name, version=1).delete()
    assert [model.version for model in space.registry.get_models(name)] == [2]


@scenario
def a_model_comes_back_as_it_was_saved(space: Space) -> None:
    group = space.filled()
    view = space.view(group)
    view.training_data()
    save(
        space, 0.75, description="Flowers by width", feature_view=view,
        training_dataset_version=1, input_example=[[0.5]],
    )  # fmt: skip
    model = space.registry.get_model(space.name("flowers"), version=1)
    assert {name: float(score) for name, score in model.training_metrics.items()} == {
        "accuracy": 0.75
    }
    assert (model.name, model.version) == (space.name("flowers"), 1)
    assert model.description == "Flowers by width" and model.framework == "PYTHON"
    assert (model.training_dataset_version, model.input_example) == (1, [[0.5]])
    assert model.get_feature_view(init=False).name == view.name
    assert view.get_newest_model().version == 1
    folder = Path(model.download(local_path=str(space.folder / "back")))
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert set(files) == {"weights.bin", "more/notes.txt"}
    saved = (space.folder / "model/weights.bin").read_bytes()
    assert files["weights.bin"].read_bytes() == saved
    model.add_tag("stage", {"name": "trial"})
    assert model.get_tag("stage") is not None and set(model.get_tags()) == {"stage"}
    model.delete_tag("stage")
    assert model.get_tags() == {}
    refused("ModelRegistryException", save, space, version=1)
