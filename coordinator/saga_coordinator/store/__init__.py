"""The coordinator's database.

`port` is what the service sees, `open.open_store` makes one for a URL.
"""
