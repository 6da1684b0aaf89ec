"""Definitions and schemas: their registration, and the cache that each instance has."""
