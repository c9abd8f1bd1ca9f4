"""Metrics of `evaluate`, one folder each; `scores.load_metric` loads them from their path."""
