"""The same scenarios hold on every face: embedded, real client on our server, real project."""

import pytest

from tests.contract import faces
from tests.contract.space import SCENARIOS, Space


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_embedded_project_keeps_the_contract(name, project, tmp_path):
    space = Space(project, tmp_path)
    SCENARIOS[name].run(space)
    space.clean()
    catalog = project.catalog
    kinds = ("feature_group", "feature_view", "model")
    assert not [entry for kind in kinds for entry in catalog.find(kind)]


@pytest.mark.parametrize("area", faces.AREAS)
def test_the_client_keeps_the_contract_on_our_server(area, client, served, tmp_path):
    results = faces.on_client(client, tmp_path, "client", area)
    assert not faces.failures(results), faces.failures(results)
    assert len(results) == sum(scenario.area == area for scenario in SCENARIOS.values())
    assert served.unknown == {}


@pytest.mark.cloud
@pytest.mark.parametrize("area", faces.AREAS)
def test_the_client_keeps_the_contract_on_a_real_project(area, cloud, tmp_path):
    results = faces.on_client(cloud, tmp_path, "cloud", area)
    assert not faces.failures(results), faces.failures(results)
