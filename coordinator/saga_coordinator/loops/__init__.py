"""The background loops of an instance, one file for each (docs/ARCHITECTURE.md lists them).

Each is one `async def run(self)`.
"""
