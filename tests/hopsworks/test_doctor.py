"""`python -m fti doctor --write` goes through a served project by the real client."""

import json

STEPS = ["hopsworks login", "write", "read", "registry", "published file"]


def levels(done):
    return {check["name"]: check["level"] for check in json.loads(done.stdout)}


def test_each_step_is_found_well_and_nothing_is_left(client, served):
    done = client.run("-m", "fti", "doctor", "--write", "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    assert [levels(done)[name] for name in STEPS] == ["ok"] * len(STEPS)
    assert served.project.get_model_registry().get_models("fti_doctor") == []
    assert not served.project.get_dataset_api().exists("Resources/fti_doctor")


def test_a_wrong_key_is_the_step_that_fails_and_nothing_is_written(client):
    done = client.run("-m", "fti", "doctor", "--write", "--json", HOPSWORKS_API_KEY="wrong")
    assert done.returncode == 1
    (failed,) = [check for check in json.loads(done.stdout) if check["level"] == "fail"]
    assert "refuses the key" in failed["hint"] and "HOPSWORKS_API_KEY" in failed["hint"]
    assert not set(STEPS) & set(levels(done))
