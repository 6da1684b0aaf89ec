"""Acts on many sagas: one act, all sagas that a query matches, at a rate that somebody chose.

`acts.py` has the acts, `jobs.py` what may be asked of batches, `operating.py` how one saga is acted
on. The loop that works on them is `loops/batches.py`; docs/adr/0035-a-batch-is-a-place.md says why
a batch is a place in the order of ids.
"""
