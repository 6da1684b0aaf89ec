"""The commands of `saga`, one file a noun. A file's imports at the top stay light; what a command works with it imports inside."""
