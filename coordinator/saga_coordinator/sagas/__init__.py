"""One saga within one batch: its decoded state, what events do to it, the messages that follow."""
