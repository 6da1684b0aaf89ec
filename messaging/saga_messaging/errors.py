"""Errors by fate: the one of this package that must stop a process before any loop starts."""

from __future__ import annotations


class ConfigurationError(Exception):
    """A setting is missing or wrong; the process exits 78.

    The message is one line that names the setting and what to write.
    """
