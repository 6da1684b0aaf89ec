"""Starting sagas: what a start asks for, its checks, and batches of starts in one transaction."""
