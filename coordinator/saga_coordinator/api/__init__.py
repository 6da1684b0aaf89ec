"""The coordinator's HTTP door: routes, their bodies and answers, and how it says no.

`create_app` makes the application.
"""

from saga_coordinator.api.app import create_app

__all__ = ["create_app"]
