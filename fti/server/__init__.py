"""A Hopsworks server on the loopback address: an embedded project for the real Hopsworks client.

REST over TLS and an Arrow Flight query service over `fti.embedded`, so that one project folder is
used through both faces. What the client sends and expects was read from hopsworks 5.2.1
(Apache-2.0, https://github.com/logicalclocks/hopsworks-api); no live server was asked.
"""
