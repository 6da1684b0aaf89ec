"""One saga is one trace: spans made from journal records (pure), and their export."""
