"""What the monitor of the iris model shows of flowers; `fti.monitor` does the rest."""

import pandas as pd

from fti.monitor import Shown
from iris.features import MEASUREMENTS


def describe(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Give the columns that say which flower it is: its number and measurements in cm."""
    return {"flower": rows["flower_id"], **{name: rows[name] for name in MEASUREMENTS}}


SHOWN = Shown(
    title="Iris: which variety",
    drift_columns=(*MEASUREMENTS, "variety"),
    describe=describe,
    models={
        "seed_nearest_neighbours": "the seeds: 2 nearest neighbours",
        "nearest_neighbours_7": "7 nearest neighbours",
        "plain_discriminant": "plain linear discriminant",
        "majority": "always the same guess",
    },
)
