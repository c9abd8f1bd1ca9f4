"""Loopback doubles of services: the real clients talk to them in tests."""
