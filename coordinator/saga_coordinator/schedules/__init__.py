"""Schedules: sagas that are started when a calendar says so, exactly once a tick.

`document.py` is what a schedule says, `lint.py` checks it, `deciding.py` decides about a tick
(pure), `turn.py` does what one schedule is due, in one transaction, `acts.py` is what people do.
The loop is `loops/schedules.py`.
"""
