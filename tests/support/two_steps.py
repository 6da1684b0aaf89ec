"""A saga of two steps at one participant, which is asked again soon."""

from __future__ import annotations

from support.scripted import catalog_of

DEFINITION = """
saga: moved
version: 1
input: t.Input
key: ${input.id}
steps:
  - {name: one, participant: one, command: t.Do, compensation: t.Do, timeout: {reask: 1s}}
  - {name: two, participant: one, command: t.Do, compensation: t.Do, timeout: {reask: 1s}}
"""
CATALOG = catalog_of("t.Input", "t.Do")
