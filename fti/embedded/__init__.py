"""A Hopsworks project in a folder: the same classes, method names and signatures, no account.

Rows are Delta tables queried by DuckDB, metadata are rows of one SQLite catalog, and models and
files are plain folders. Nothing leaves the machine. `fti.login()` opens one.
"""
