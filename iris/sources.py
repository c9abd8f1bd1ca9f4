"""Where raw flowers come from: scikit-learn's own copy, or a CSV of yours.

    read()              IRIS_SOURCE when set, otherwise the 150 flowers that scikit-learn brings
    read("mine.csv")    a file, or an http(s) address, with a header as the course's CSV has

Fisher's measurements travel with scikit-learn, so the real data need no network; `sample` is
another name for them.
"""

import io
import logging
import re
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from fti import raw
from fti.errors import SourceError
from iris.features import MEASUREMENTS, VARIETIES

log = logging.getLogger(__name__)

BUILT_IN = "scikit-learn"
COLUMNS = [*MEASUREMENTS, "variety"]


def read(source: str | None = None) -> pd.DataFrame:
    """Give the raw table: `COLUMNS`, centimetres and words, in the order of the source.

    Raises SourceError where the source cannot be read or is not a table of flowers.
    """
    source = chosen(source)
    log.info("flowers come from %s", raw.shown(source))
    if source in (BUILT_IN, raw.SAMPLE):
        return built_in()
    return parse(*raw.fetch(source))


def chosen(source: str | None = None) -> str:
    """Say which source counts: the argument, else IRIS_SOURCE, else scikit-learn's copy."""
    return raw.chosen(source, "iris", BUILT_IN)


def built_in() -> pd.DataFrame:
    """Give Fisher's 150 flowers; two of them measure the same.

    They are read from the file that `sklearn.datasets.load_iris` reads: importing scikit-learn
    would cost a daily run more than everything else it does.
    """
    package = Path(find_spec("sklearn").origin).parent
    path = package / "datasets" / "data" / "iris.csv"
    flowers = pd.read_csv(path, skiprows=1, names=[*MEASUREMENTS, "code"])
    return flowers.drop(columns="code").assign(
        variety=flowers["code"].map(dict(enumerate(VARIETIES)))
    )


def parse(data: bytes, name: str) -> pd.DataFrame:
    """Give the raw table that a CSV holds; `sepal.length` or `Sepal Length (cm)` are a header.

    Raises SourceError naming the file and what is wrong in it.
    """
    try:
        table = pd.read_csv(io.BytesIO(data))
    except (ValueError, pd.errors.ParserError) as error:  # undecodable text is a ValueError too
        raise SourceError(f"{name} is not a CSV ({error}).") from error
    table.columns = [_column(header) for header in table.columns]
    lacking = [column for column in COLUMNS if column not in table]
    if lacking:
        raise SourceError(f"{name} has no column {', '.join(lacking)}.")
    table = table[COLUMNS]
    table["variety"] = table["variety"].astype(str).str.lower().str.removeprefix("iris-")
    for column in MEASUREMENTS:
        table[column] = pd.to_numeric(table[column], errors="coerce")
    wrong = table[MEASUREMENTS].isna().any(axis=1) | ~table["variety"].isin(VARIETIES)
    if wrong.any() or table.empty:
        raise SourceError(_fault(table, wrong, name))
    return table


def _column(header: str) -> str:
    words = re.findall(r"[a-z]+", str(header).lower())
    name = "_".join(word for word in words if word != "cm")
    return {"species": "variety", "class": "variety"}.get(name, name)


def _fault(table: pd.DataFrame, wrong: pd.Series, name: str) -> str:
    if table.empty:
        return f"{name} holds no flower."
    line = int(wrong.to_numpy().argmax()) + 2  # the header is line 1
    return (
        f"{name}, line {line}: a flower has four measurements in cm and is one of "
        f"{', '.join(VARIETIES)} ({int(wrong.sum())} such lines)."
    )
