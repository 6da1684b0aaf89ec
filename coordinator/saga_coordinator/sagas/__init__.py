"""One saga within one batch: its decoded state, what its events did to it, and the messages that follow."""
