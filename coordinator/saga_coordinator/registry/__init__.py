"""Definitions and schemas: registering them, and what an instance knows of them."""
