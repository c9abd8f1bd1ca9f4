"""Plain `hopsworks.login`, as tutorials have it, on a server of ours."""

import pandas as pd

TUTORIAL = """
import hopsworks, os, pandas as pd

project = hopsworks.login(
    host=os.environ["HOPSWORKS_HOST"], port=int(os.environ["HOPSWORKS_PORT"]), engine="python",
    project={project!r}, api_key_value={key!r},
)
store = project.get_feature_store()
flowers = store.get_or_create_feature_group("flowers", version=1, primary_key=["flower_id"])
flowers.insert(pd.DataFrame({{"flower_id": [1, 2], "width": [0.2, 1.5]}}))
assert flowers.read()["width"].sum() == 1.7
"""


def tutorial(client, **wrong):
    environment = client.environment
    given = {
        "project": environment["HOPSWORKS_PROJECT"],
        "key": environment["HOPSWORKS_API_KEY"],
    }
    return client.run("-c", TUTORIAL.format(**given | wrong))


def test_a_tutorial_runs_as_it_is_written(client, served):
    done = tutorial(client)
    assert done.returncode == 0, done.stderr[-3000:]
    group = served.project.get_feature_store().get_feature_group("flowers", version=1)
    expected = pd.DataFrame({"flower_id": [1, 2], "width": [0.2, 1.5]})
    pd.testing.assert_frame_equal(group.read().sort_values("flower_id"), expected)
    assert served.unknown == {}


def test_a_wrong_key_is_refused_by_its_code(client):
    done = tutorial(client, key="wrong")
    assert done.returncode == 1
    assert "RestAPIError" in done.stderr and "320004" in done.stderr


def test_a_project_that_is_not_there_is_said_to_be(client):
    done = tutorial(client, project="other")
    assert done.returncode == 1
    assert "Could not find project other" in done.stderr or "150004" in done.stderr
