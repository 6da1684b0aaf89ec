"""One batch, one transaction: load sagas, fold their events, save, commit, and hand over what is committed."""
