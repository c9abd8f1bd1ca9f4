"""AutoGluon on the same sales, where it is installed (`requirements/housing-automl.txt`).

    model = fit(sales, "medium_quality", time_limit=300, folder=folder)
    predict(model, rows)                    prices
    load(folder)                            a model fitted before, ready for single flats

It gets what ours gets: the numbers of `housing.table`, the day, and the names of places,
association and agency as categories; comparable sales it has to find out itself. Like ours, and
unlike the seed's, it learns the logarithm of the price per square metre: on two splits in time
within the first 80 % of the Stockholm sales its MAPE is then 7.5 %, not 8.5 % as with prices.

A folder has AutoGluon's own format, pickles, so load only those you trust. Only the version that
wrote it can read it; that is in its `version.txt`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fti.errors import UserError
from fti.models import ModelError
from housing.table import NUMBERS

PRESETS = ("medium_quality", "good_quality")
LABEL = "log_price_per_m2"
CATEGORIES = ("municipality", "district", "street", "association", "agency")
INSTALL = "pip install -r requirements/housing-automl.txt"
VERSION = "version.txt"  # written by AutoGluon


def installed() -> bool:
    """Tell whether AutoGluon is there."""
    return importlib.util.find_spec("autogluon") is not None


def version() -> str:
    """Give the version of AutoGluon that is installed; raises UserError where none is."""
    _require()
    return importlib.metadata.version("autogluon.tabular")


def inputs(rows: pd.DataFrame) -> pd.DataFrame:
    """Give AutoGluon's inputs, of rows of `housing.table`; neither a price nor a sale's name."""
    columns = rows[[*(name for name in NUMBERS if name != "price"), *CATEGORIES]]
    return columns.astype(dict.fromkeys(CATEGORIES, "category")).assign(
        number=pd.to_numeric(rows["number"].str.extract(r"(\d+)")[0]),
        day=rows["sold_on"].to_numpy("datetime64[D]").astype("int64"),
        month=rows["sold_on"].dt.month,
    )


def fit(
    sales: pd.DataFrame, preset: str, time_limit: float, folder: Path, cpus: int | str = "auto"
) -> Any:
    """Train on sales with prices for at most `time_limit` seconds, of the clock on the wall.

    Gives the predictor with its models in memory; `folder`, which must not exist or be empty, holds
    it from then on. Raises UserError where AutoGluon is not installed.
    """
    _require()
    from autogluon.tabular import TabularPredictor

    per_m2 = np.log(sales["price"] / sales["living_area_m2"])
    predictor = TabularPredictor(
        label=LABEL,
        problem_type="regression",
        eval_metric="root_mean_squared_error",
        path=str(folder),
        verbosity=0,
    )
    predictor.fit(
        inputs(sales).assign(**{LABEL: per_m2}),
        presets=preset,
        time_limit=time_limit,
        num_cpus=cpus,
        num_gpus=0,
    )
    predictor.persist()
    return predictor


def load(folder: Path) -> Any:
    """Give the predictor of a folder with its models in memory.

    Raises ModelError when the folder is none of AutoGluon's, or of another version than is
    installed here, and UserError where none is.
    """
    here, wrote = version(), Path(folder, VERSION)
    if not wrote.is_file():
        raise ModelError(f"{folder} holds no model of AutoGluon: {VERSION} is missing")
    if wrote.read_text().strip() != here:
        raise ModelError(
            f"{folder} was written by AutoGluon {wrote.read_text().strip()}, and here is {here}: "
            "install that version, or train again"
        )
    from autogluon.tabular import TabularPredictor

    predictor = TabularPredictor.load(str(folder), verbosity=0)
    predictor.persist()
    return predictor


def predict(predictor: Any, rows: pd.DataFrame) -> np.ndarray:
    """Give the price of each row."""
    per_m2 = predictor.predict(inputs(rows)).to_numpy(dtype=float)
    return np.exp(per_m2) * rows["living_area_m2"].to_numpy(dtype=float)


def _require() -> None:
    if not installed():
        raise UserError(f"AutoGluon is not installed: {INSTALL}")
