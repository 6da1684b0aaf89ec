"""A saga of one step whose commands live for a second, so that it may be forgotten soon."""

from __future__ import annotations

from support.scripted import catalog_of

CATALOG = catalog_of("t.Input", "t.Do")
QUICK = """
saga: quick
version: 1
input: t.Input
key: ${input.id}
steps:
  - {name: one, participant: one, command: t.Do, compensation: none, timeout: {reask: 1s, expiry: 1s}}
"""
