"""Models as files, and in and out of the registry."""

import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from fti import models

COLUMNS = ["fare", "age", "port"]


def passengers(n=120):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "fare": rng.exponential(30, n),
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.normal(30, 10, n)),
            "port": rng.choice(["S", "C", "Q"], n),
        }
    )
    return table, (table["fare"] + rng.normal(0, 20, n) > 30).astype(int)


def pipeline(model):
    numeric = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [("n", numeric, ["fare", "age"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["port"])]
    )
    return make_pipeline(columns, model)


class FareModel(ClassifierMixin, BaseEstimator):
    """A model class of a use case, which skops cannot know."""

    def fit(self, X, y):
        self.mean_ = float(X["fare"].mean())
        return self

    def predict_proba(self, X):
        high = (X["fare"] > self.mean_).to_numpy(float)
        return np.column_stack([1 - high, high])

    def predict(self, X):
        return self.predict_proba(X)[:, 1]


def logistic():
    return pipeline(LogisticRegression()).fit(*passengers())


def change_manifest(folder, **changes):
    manifest = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(manifest | changes))


# Models as files


@pytest.mark.parametrize(
    "model",
    [
        pipeline(LogisticRegression()),
        pipeline(RandomForestClassifier(5)),
        pipeline(HistGradientBoostingClassifier(max_iter=5)),
        pipeline(xgboost.XGBClassifier(n_estimators=5)),
        CalibratedClassifierCV(pipeline(LogisticRegression()), cv=2),
        CalibratedClassifierCV(pipeline(RandomForestClassifier(3)), method="isotonic", cv=2),
        VotingClassifier(
            [("a", pipeline(LogisticRegression())), ("b", pipeline(RandomForestClassifier(3)))],
            voting="soft",
        ),
        StackingClassifier([("a", pipeline(LogisticRegression()))], cv=2),
        xgboost.XGBClassifier(n_estimators=5),
    ],
    ids=lambda model: str(model).partition("(")[0] + "-" + str(model)[-30:].strip(),
)
def test_a_model_predicts_the_same_after_the_round_trip(model, tmp_path):
    X, y = passengers()
    if isinstance(model, xgboost.XGBClassifier):
        X = X[["fare", "age"]]
    model.fit(X, y)
    manifest = models.write_model(model, tmp_path)
    again = models.read_model(tmp_path)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert manifest["features"] == list(X.columns)
    assert set(manifest["files"]) < {"model.skops", "model.ubj"}


def test_the_manifest_says_what_the_model_is(tmp_path):
    models.write_model(logistic(), tmp_path, {"reference/fares.csv": b"fare\n7.25\n"})
    manifest = json.loads((tmp_path / "model.json").read_text())
    assert manifest["format"] == "skops"
    assert manifest["class"] == "sklearn.pipeline.Pipeline"
    assert manifest["features"] == COLUMNS
    assert set(manifest["versions"]) == {"python", "scikit-learn", "skops", "numpy"}
    assert set(manifest["files"]) == {"model.skops", "reference/fares.csv"}
    assert models.read_manifest(tmp_path) == manifest


def test_xgboost_estimators_keep_what_their_file_forgets(tmp_path):
    X, y = passengers()
    X = X.fillna({"age": -1}).assign(port=X["port"].astype("category"))
    model = xgboost.XGBClassifier(n_estimators=5, missing=-1, enable_categorical=True).fit(X, y)
    assert models.write_model(model, tmp_path)["class"] == "xgboost.sklearn.XGBClassifier"
    again = models.read_model(tmp_path)
    assert (again.missing, again.enable_categorical) == (-1, True)
    assert list(again.feature_names_in_) == COLUMNS
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


def test_a_booster_comes_back_as_a_booster(tmp_path):
    X, y = passengers()
    data = xgboost.DMatrix(X[["fare", "age"]], y)
    booster = xgboost.train({"objective": "binary:logistic"}, data, 5)
    assert models.write_model(booster, tmp_path)["features"] == ["fare", "age"]
    again = models.read_model(tmp_path)
    assert isinstance(again, xgboost.Booster)
    assert np.array_equal(again.predict(data), booster.predict(data))


def test_a_torch_module_travels_as_its_weights(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    module, twin = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    manifest = models.write_model(module, tmp_path)
    assert (manifest["format"], manifest["class"]) == (
        "safetensors",
        "torch.nn.modules.linear.Linear",
    )
    assert models.read_model(tmp_path, module=twin) is twin
    assert torch.equal(twin.weight, module.weight)
    assert torch.equal(models.read_model(tmp_path)["bias"], module.bias)


def test_a_folder_somebody_else_wrote_travels_as_it_is(tmp_path):
    written = tmp_path / "whisper"
    written.mkdir()
    (written / "model.safetensors").write_bytes(b"weights")
    (written / "config.json").write_text("{}")
    manifest = models.write_model(written, tmp_path / "folder")
    assert manifest["format"] == "folder"
    assert set(manifest["files"]) == {"model.safetensors", "config.json"}
    assert (models.read_model(tmp_path / "folder") / "config.json").read_text() == "{}"


def test_weights_of_ctranslate2_are_no_pickle_though_they_are_called_bin(tmp_path):
    written = tmp_path / "whisper"
    (written / "ctranslate2").mkdir(parents=True)
    (written / "ctranslate2" / "model.bin").write_bytes(models.NO_PICKLE + b"\x80\x05N.")
    manifest = models.write_model(written, tmp_path / "folder")
    assert set(manifest["files"]) == {"ctranslate2/model.bin"}
    assert models.read_model(tmp_path / "folder") == tmp_path / "folder"


def test_a_class_of_a_use_case_has_to_be_named(tmp_path):
    X, y = passengers()
    model = FareModel().fit(X, y)
    name = f"{FareModel.__module__}.FareModel"
    models.write_model(model, tmp_path)
    with pytest.raises(models.ModelError, match=f"types nobody vouched for: {name} "):
        models.read_model(tmp_path)
    again = models.read_model(tmp_path, trusted=[name])
    assert np.array_equal(again.predict(X), model.predict(X))


def test_a_class_of_the_running_script_is_refused_when_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(FareModel, "__module__", "__main__")
    with pytest.raises(models.ModelError, match=r"__main__\.FareModel, which no other process"):
        models.write_model(FareModel().fit(*passengers()), tmp_path)


def test_a_lambda_inside_a_pipeline_is_refused_when_it_is_written(tmp_path):
    model = make_pipeline(FunctionTransformer(lambda X: X[["fare"]]), LogisticRegression())
    with pytest.raises(models.ModelError, match="lambda"):
        models.write_model(model.fit(*passengers()), tmp_path)


@pytest.mark.parametrize("model", ["model.skops", None, {"a": 1}], ids=["text", "None", "dict"])
def test_what_is_not_a_model_is_refused(model, tmp_path):
    with pytest.raises(models.ModelError, match="is not a model: save an object with a predict"):
        models.write_model(model, tmp_path)


@pytest.mark.parametrize("suffix", sorted(models.PICKLES))
def test_pickles_are_refused(suffix, tmp_path):
    models.write_model(logistic(), tmp_path)
    (tmp_path / f"titanic{suffix}").write_bytes(b"\x80\x05N.")
    with pytest.raises(models.ModelError, match=rf"titanic\{suffix} looks like a pickle"):
        models.read_model(tmp_path)


def test_pickles_do_not_travel_with_a_model(tmp_path):
    with pytest.raises(models.ModelError, match="looks like a pickle"):
        models.write_model(logistic(), tmp_path, {"encoder.pkl": b""})


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out", "", "..\\out"])
def test_files_that_travel_stay_inside_the_folder(name, tmp_path):
    with pytest.raises(models.ModelError, match="not a file name inside a model folder"):
        models.write_model(logistic(), tmp_path / "model", {name: b""})


@pytest.mark.parametrize("name", ["model.skops", "model.json"])
def test_files_that_travel_do_not_replace_the_model(name, tmp_path):
    with pytest.raises(models.ModelError, match="cannot travel with the model"):
        models.write_model(logistic(), tmp_path, {name: b""})


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    models.write_model(logistic(), folder, {"notes.txt": b"seen"})
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=40)
@given(st.sampled_from(["model.skops", "notes.txt"]), st.randoms(use_true_random=False))
def test_a_tampered_file_is_refused(written, tmp_path_factory, name, random):
    content = bytearray(written[name])
    content[random.randrange(len(content))] ^= random.randrange(1, 256)
    folder = tmp_path_factory.mktemp("tampered")
    for other, original in written.items():
        (folder / other).write_bytes(content if other == name else original)
    with pytest.raises(models.ModelError, match=f"{name} is not the file that was saved"):
        models.read_model(folder)


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["format", "files", "versions"]),
        st.none() | st.integers() | st.text() | st.lists(st.text()) | st.just({}),
        min_size=1,
    )
)
def test_a_damaged_manifest_is_refused(written, tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("damaged")
    for name, content in written.items():
        (folder / name).write_bytes(content)
    change_manifest(folder, **changes)
    if changes == {"versions": {}}:
        return  # nothing to compare with: the model is read
    with pytest.raises(models.ModelError, match=r"damaged|not a file name"):
        models.read_model(folder)


def test_what_is_missing_is_told(tmp_path):
    with pytest.raises(models.ModelError, match="there is no model folder"):
        models.read_model(tmp_path / "nowhere")
    with pytest.raises(models.ModelError, match=r"has no model\.json"):
        models.read_model(tmp_path)
    models.write_model(logistic(), tmp_path)
    (tmp_path / "model.skops").unlink()
    with pytest.raises(models.ModelError, match="was not copied whole"):
        models.read_model(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(models.ModelError, match=r"model\.json is damaged"):
        models.read_model(tmp_path)


def test_another_scikit_learn_is_refused_and_another_patch_is_not(tmp_path):
    versions = models.write_model(logistic(), tmp_path)["versions"]
    change_manifest(tmp_path, versions=versions | {"scikit-learn": "1.2.3"})
    with pytest.raises(
        models.IncompatibleModelError, match=r"made with scikit-learn 1\.2\.3 and here is"
    ):
        models.read_model(tmp_path)
    major, minor, _ = versions["scikit-learn"].split(".", 2)
    change_manifest(tmp_path, versions=versions | {"scikit-learn": f"{major}.{minor}.99"})
    assert models.read_model(tmp_path).predict(passengers()[0]).size


def test_xgboost_inside_a_pipeline_needs_the_same_xgboost(tmp_path):
    model = pipeline(xgboost.XGBClassifier(n_estimators=2)).fit(*passengers())
    versions = models.write_model(model, tmp_path)["versions"]
    change_manifest(tmp_path, versions=versions | {"xgboost": "1.7.0"})
    with pytest.raises(models.IncompatibleModelError, match=r"made with xgboost 1\.7\.0"):
        models.read_model(tmp_path)


def test_a_manifest_cannot_name_any_class_to_build(tmp_path):
    X, y = passengers()
    models.write_model(xgboost.XGBClassifier(n_estimators=2).fit(X[["fare"]], y), tmp_path)
    change_manifest(tmp_path, **{"class": "xgboost.training.train"})
    with pytest.raises(models.ModelError, match="not an XGBoost model"):
        models.read_model(tmp_path)


def test_importing_models_and_reading_ubj_stay_cheap(tmp_path):
    X, y = passengers()
    models.write_model(xgboost.XGBClassifier(n_estimators=2).fit(X[["fare"]], y), tmp_path)
    script = (
        "import sys, pathlib, fti.models as m\n"
        "heavy = {'sklearn', 'skops', 'xgboost', 'pandas', 'numpy', 'scipy', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "m.read_model(pathlib.Path(sys.argv[1]))\n"
        "print('skops' in sys.modules)\n"
    )
    root = Path(models.__file__).parents[1]
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "False"]


# Models in the registry


def test_a_saved_model_loads_with_its_files_and_scores(project, tmp_path):
    X, _ = passengers()
    model = logistic()
    (tmp_path / "report.html").write_text("<h1>Titanic</h1>")
    files = {"reference.csv": b"fare\n7.25\n", "report.html": tmp_path / "report.html"}
    version = models.save_model(
        project,
        "titanic",
        model,
        {"auc": np.float64(0.87), "n": 179},
        description="Who survived",
        input_example=X.head(1),
        files=files,
    )
    loaded = models.load_model(project, "titanic")
    assert (version, loaded.version, loaded.name) == (1, 1, "titanic")
    assert loaded.metrics == {"auc": 0.87, "n": 179.0}
    assert np.array_equal(loaded.model.predict_proba(X), model.predict_proba(X))
    assert (loaded.folder / "reference.csv").read_bytes() == files["reference.csv"]
    assert (loaded.folder / "report.html").read_text() == "<h1>Titanic</h1>"
    assert loaded.manifest["features"] == COLUMNS
    assert abs((datetime.now(UTC) - loaded.created).total_seconds()) < 600
    assert models.latest_model(project, "titanic").description.startswith("Who survived (files ")


def test_the_latest_version_is_loaded_unless_another_is_named(project):
    for auc in (0.8, 0.9):
        models.save_model(project, "titanic", logistic(), {"auc": auc})
    assert models.load_model(project, "titanic").metrics == {"auc": 0.9}
    assert models.load_model(project, "titanic", 1).metrics == {"auc": 0.8}
    assert models.latest_model(project, "titanic").version == 2


def test_xgboost_models_are_registered_too(project):
    X, y = passengers()
    model = xgboost.XGBClassifier(n_estimators=2).fit(X[["fare"]], y)
    models.save_model(project, "titanic_xgb", model, {"auc": 0.9})
    assert isinstance(models.load_model(project, "titanic_xgb").model, xgboost.XGBClassifier)


def test_a_missing_model_names_the_remedy(project):
    assert models.latest_model(project, "titanic") is None
    assert models.current_model(project, "titanic") is None
    with pytest.raises(models.ModelError, match="no model titanic yet: run its training pipeline"):
        models.load_model(project, "titanic")
    models.save_model(project, "titanic", logistic(), {"auc": 0.8})
    with pytest.raises(models.ModelError, match="no version 7 of model titanic"):
        models.load_model(project, "titanic", 7)


def test_scores_that_are_not_numbers_are_not_registered(project):
    with pytest.raises(models.ModelError, match="finite scores only: auc is nan"):
        models.save_model(project, "titanic", logistic(), {"auc": float("nan"), "n": 3})
    assert models.latest_model(project, "titanic") is None


def test_a_version_of_another_scikit_learn_is_no_champion(project, monkeypatch, caplog):
    models.save_model(project, "titanic", logistic(), {"auc": 0.8})
    assert models.current_model(project, "titanic").version == 1
    installed = models._installed
    monkeypatch.setattr(
        models, "_installed", lambda name: "9.9.9" if name == "scikit-learn" else installed(name)
    )
    with caplog.at_level(logging.WARNING):
        assert models.current_model(project, "titanic") is None
    assert "here is 9.9.9: run its training pipeline again" in caplog.text


class ServerError(Exception):
    """The shape of the Hopsworks client's RestAPIError."""

    def __init__(self, status_code):
        super().__init__(f"HTTP code: {status_code}")
        self.response = type("Response", (), {"status_code": status_code})()


@dataclass
class Stumbling:
    """The project's own registry on a server that answers the first saves with an error."""

    project: Any
    faults: list  # what happens to each save: (its files are lost, the error); then all is well

    @property
    def sklearn(self):
        return self

    def get_model_registry(self):
        return self

    def get_models(self, name):
        return self.project.get_model_registry().get_models(name)

    def create_model(self, name, **details):
        self.unsaved = self.project.get_model_registry().sklearn.create_model(name, **details)
        return self

    def save(self, folder, **options):
        if not self.faults:
            return self.unsaved.save(folder, **options)
        fault, error = self.faults.pop(0)
        if fault == "done":
            self.unsaved.save(folder, **options)
        if fault == "files lost":
            (Path(folder) / "model.skops").rename(Path(folder) / "kept")
            self.unsaved.save(folder, **options)
            (Path(folder) / "kept").rename(Path(folder) / "model.skops")
        raise error


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr(models, "SAVE_PAUSE", 0)


@pytest.mark.parametrize(
    ("faults", "version"),
    [
        ([("done", ServerError(504))], 1),
        ([("done", AttributeError("'NoneType' object has no attribute 'get_url'"))], 1),
        ([("nothing", ServerError(503)), ("nothing", ConnectionResetError())], 1),
        ([("nothing", RuntimeError("version 1 already exists"))], 1),
        ([("nothing", ServerError(504))] * 2 + [("done", ServerError(504))], 1),
    ],
    ids=["504 but done", "done but not seen", "unreachable twice", "half made", "done at last"],
)
def test_a_save_survives_a_stumbling_server(project, no_pause, faults, version):
    stumbling = Stumbling(project, list(faults))
    assert models.save_model(stumbling, "titanic", logistic(), {"auc": 0.8}) == version
    assert [m.version for m in project.get_model_registry().get_models("titanic")] == [version]
    assert models.load_model(project, "titanic").version == version


def test_a_version_that_lost_its_files_is_removed_before_the_next_try(project, no_pause):
    models.save_model(project, "titanic", logistic(), {"auc": 0.8})
    stumbling = Stumbling(project, [("files lost", ServerError(504))])
    version = models.save_model(stumbling, "titanic", logistic(), {"auc": 0.9})
    versions = {m.version for m in project.get_model_registry().get_models("titanic")}
    assert versions == {1, version}
    assert models.load_model(project, "titanic").metrics == {"auc": 0.9}


def test_a_refusal_is_not_tried_again(project, no_pause):
    stumbling = Stumbling(project, [("nothing", ServerError(403)), ("nothing", ServerError(500))])
    with pytest.raises(ServerError, match="403"):
        models.save_model(stumbling, "titanic", logistic(), {"auc": 0.8})
    assert len(stumbling.faults) == 1


def test_a_server_that_stays_down_is_told(project, no_pause):
    stumbling = Stumbling(project, [("nothing", ServerError(503))] * 9)
    with pytest.raises(ServerError, match="503"):
        models.save_model(stumbling, "titanic", logistic(), {"auc": 0.8})
    assert len(stumbling.faults) == 9 - models.SAVE_ATTEMPTS


@pytest.mark.parametrize(
    "created",
    [1_763_632_800_000, "2025-11-20T10:00:00Z", "2025-11-20T10:00:00", datetime(2025, 11, 20, 10)],
)
def test_the_time_of_a_version_is_utc(created):
    assert models.moment(created) == datetime(2025, 11, 20, 10, tzinfo=UTC)
    assert models.moment(None) is None
