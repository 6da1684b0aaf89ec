"""What a participant counts, logs and traces, and its health."""
