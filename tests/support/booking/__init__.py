"""A participant made for tests that speak the wire."""
