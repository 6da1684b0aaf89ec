"""The background loops of an instance, one file a row of the table of roles (docs/ARCHITECTURE.md). Each is one `async def run(self)`."""
