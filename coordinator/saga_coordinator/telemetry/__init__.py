"""Metrics and log fields, told at the edges once a commit is known."""
