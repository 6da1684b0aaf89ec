"""Pauses of definitions and participants: stored, known to every instance, begun and ended."""
