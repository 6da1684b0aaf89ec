"""The barrier's table and its row, pure: what is decided about a command, and what is
remembered."""
