"""Finished sagas go: archived where that is configured, then removed."""
