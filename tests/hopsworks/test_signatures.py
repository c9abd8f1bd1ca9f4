"""The frozen signatures are those of the installed client."""

import subprocess

from tests.fti.embedded.freeze_signatures import FROZEN, VERSION
from tests.hopsworks.environment import ROOT

SCRIPT = ROOT / "tests" / "fti" / "embedded" / "freeze_signatures.py"


def test_the_frozen_signatures_are_those_of_the_installed_client(client_env, tmp_path):
    fresh = tmp_path / "fresh.json"
    command = [client_env, SCRIPT, fresh]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert fresh.read_text(encoding="utf-8") == FROZEN.read_text(encoding="utf-8"), (
        f"{FROZEN.name} is not what hopsworks {VERSION} has: run {SCRIPT.relative_to(ROOT)} "
        "with the Python of .venv-hopsworks"
    )
