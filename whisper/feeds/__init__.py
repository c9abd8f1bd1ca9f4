"""The formats that speech comes in, one module each, all giving `Recording`s.

    common_voice       folders and archives as Mozilla Data Collective delivers them
    metadata_folder    any folder with a `metadata.csv`
    parquet            FLEURS, CoVoST 2, and any Parquet of an audio dataset
    hub                the same from the Hugging Face Hub
    data_collective    archives of Common Voice from the Mozilla Data Collective
    espeak             words that espeak-ng says

Each gives a `Feed`: what is known without audio, to plan by, and then the recordings one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from whisper.clips import Recording


class Feed(Protocol):
    """A corpus in one language, open to be read."""

    def lines(self) -> Iterator[Recording]:
        """Give all recordings without their audio, as the tables list them."""

    def recordings(self) -> Iterator[Recording]:
        """Give all recordings with their audio, in a stable order, no more than one in memory."""
