"""A model gets into the registry if it is no worse, with its scores, and comes out whole."""

import json

import pytest

from fti import models
from fti.errors import UserError
from whisper import registry

SCORES = {
    "error_rate": 0.12, "error_rate_low": 0.1, "error_rate_high": 0.14, "clips": 40,
    "wer_normalised_low_sv": 0.1, "wer_sv": 0.2, "bleu_signature": "nrefs:1",
}  # fmt: skip
CTRANSLATE2 = models.NO_PICKLE + b"weights"


@pytest.fixture
def folder(tmp_path):
    """A folder as `exporting` writes it, with weights that are none."""
    folder = tmp_path / "model"
    (folder / "ctranslate2").mkdir(parents=True)
    (folder / "ctranslate2" / "model.bin").write_bytes(CTRANSLATE2)
    (folder / "scores.json").write_text(json.dumps({"test": SCORES, "starting": {}}))
    (folder / "training.json").write_text(json.dumps({"recipe": "tiny", "data": "abc"}))
    return folder


def test_a_model_comes_back_as_it_was_put_in(project, folder):
    assert [registry.register(project, folder) for _ in range(2)] == [1, 2]
    found = registry.fetch(project)
    assert found.version == 2 and registry.fetch(project, 1).version == 1
    assert (found.folder / "ctranslate2" / "model.bin").read_bytes() == CTRANSLATE2
    assert found.scores == SCORES and found.record == {"recipe": "tiny", "data": "abc"}


def test_metrics_are_the_numbers_without_intervals(project, folder):
    registry.register(project, folder)
    metrics = models.fetch_model(project, registry.MODEL).metrics
    assert metrics == {"error_rate": 0.12, "clips": 40.0, "wer_sv": 0.2}


def test_a_pickle_in_the_folder_is_refused(project, folder):
    (folder / "ctranslate2" / "model.bin").write_bytes(b"\x80\x05N.")
    with pytest.raises(models.ModelError, match=r"model\.bin looks like a pickle"):
        registry.register(project, folder)


def test_without_a_model_or_its_scores_it_is_one_sentence(project, folder):
    with pytest.raises(UserError, match="there is no model whisper yet"):
        registry.fetch(project)
    (folder / "scores.json").unlink()
    with pytest.raises(UserError, match="train it again"):
        registry.register(project, folder)


@pytest.mark.parametrize(
    ("ours", "theirs", "accepted"),
    [
        ({"error_rate": 0.1}, None, True),
        ({"error_rate": 0.1}, {"error_rate": 0.1}, True),
        ({"error_rate": 0.1}, {"error_rate": 0.2}, True),
        ({"error_rate": 0.2}, {"error_rate": 0.1}, False),
        ({"error_rate": 0.1}, {"error_rate": 0.2, "clips": 9}, False),
        ({}, None, False),
    ],
    ids=["first", "equal", "better", "worse", "other clips", "no score"],
)
def test_the_gate_lets_in_what_makes_no_more_errors(ours, theirs, accepted):
    scores = [None if one is None else {"clips": 10} | one for one in (ours, theirs)]
    verdict = registry.gate(*scores)
    assert verdict.accepted == accepted and verdict.reason.startswith(
        "accepted" if accepted else "refused"
    )
