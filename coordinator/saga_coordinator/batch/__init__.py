"""One batch, one transaction: sagas are opened, folded, planned, saved, committed and published."""
