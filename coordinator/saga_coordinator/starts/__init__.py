"""Starting sagas: what a start means, its checks, and batches of starts in one transaction."""
