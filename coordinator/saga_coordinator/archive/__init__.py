"""Sagas kept as files beyond the database: written before they are removed, read back by id."""
