"""The commands of `saga`, one file a noun.

A file's top imports stay light: a command imports what it needs when it runs.
"""
