"""Handlers: how they are registered, read from their types, and run within bounds."""
