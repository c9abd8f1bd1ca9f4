"""A loopback double of Modal's control plane: the real `modal` command works without an account.

    with Modal(secrets={"hopsworks": {"HOPSWORKS_API_KEY": "x"}}) as modal:
        modal.command("deploy", "-m", "titanic.modal_app")
        modal.deployed("titanic")["daily"].cron           # "17 5 * * *"
        modal.call("titanic", "daily").value              # what the schedule does

It answers the requests of the client and of Modal's own container program, runs each call in a
process that sees only the mounted files, and refuses what the client lets through but the service
documents as invalid. What it is not: images are not built (a container has the packages of this
interpreter), limits and messages are a model of the service, and a volume's mount path is known to
a container by environment values only. From a shell: `python -m tests.doubles.modal --help`.
"""

from tests.doubles.modal.calls import Result
from tests.doubles.modal.containers import Disturbance
from tests.doubles.modal.server import Modal

__all__ = ["Disturbance", "Modal", "Result"]
