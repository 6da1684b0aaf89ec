"""Schema migrations, run by `saga db upgrade` and, on SQLite, at start."""
