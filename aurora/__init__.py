"""Aurora over Kiruna: a calibrated 72-hour forecast that keeps its own score."""
