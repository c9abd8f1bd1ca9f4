"""The fixtures of tests that run the real Hopsworks client, here as well."""

from tests.hopsworks.conftest import client, client_env, cloud, served

__all__ = ["client", "client_env", "cloud", "served"]
