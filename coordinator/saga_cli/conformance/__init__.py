"""`saga participant check`: plays the coordinator against a running participant in any language.

Cases are data and small functions (`cases/`). Each says what docs/wire.md says. `stage` and `saga`
send commands and wait for replies; `runner` plays the cases side by side; `report` prints what came
of them. Nothing here knows the coordinator: a check needs Kafka and the participant only.
"""
