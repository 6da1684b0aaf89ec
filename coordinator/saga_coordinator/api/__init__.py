"""The coordinator's HTTP door: routes, their bodies and answers, and how it says no.

`app.create_app` makes the application.
"""
