"""The engine: what a saga does, as two pure functions over one transition table.

No I/O, no clock, no randomness.
"""

from saga_coordinator.engine.decide import ENGINE_REV, decide, evolve, transition

__all__ = ["ENGINE_REV", "decide", "evolve", "transition"]
