"""Processes for the tests that need several: forked from a server that imported all they use.

Forked from the tests' own process they would inherit its threads, which delta-rs refuses.
"""

import multiprocessing
import os

FORK = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
if FORK.get_start_method() == "forkserver":
    tests = ["tests.fti.embedded.test_concurrency", "tests.fti.embedded.test_crashes"]
    FORK.set_forkserver_preload(["deltalake", "duckdb", "pyarrow.parquet", *tests])
