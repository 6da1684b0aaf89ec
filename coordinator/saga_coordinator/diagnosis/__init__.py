"""Why a saga does not move, or looks wrong: named checks, each with its verdict, the evidence, the
cause and the way out.

`situation.py` says what the checks look at, `gathering.py` reads it, and the checks themselves are
pure. `saga diagnose`, `GET /v1/sagas/{id}/diagnosis` and the console show the same lines.
"""
