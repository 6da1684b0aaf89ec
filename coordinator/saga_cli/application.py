"""The tree of commands.

`commands/` has the commands, one file a noun. This module puts each in its place.
"""

from __future__ import annotations

import typer

from saga_cli.commands import (
    archive,
    audit,
    batches,
    confirmations,
    control,
    database,
    dead_letters,
    definitions,
    demo,
    dev,
    diagnose,
    doctor,
    participant,
    purge,
    recover,
    sagas,
    schedule_files,
    schedules,
    schemas,
    serve,
    start,
    start_time,
    steps,
    token,
    top,
    trace,
    transfer,
    views,
    watch,
)
from saga_cli.root import root

_RUN, _USE, _DESIGN = "Run the parts", "Work with sagas", "Define"


def application() -> typer.Typer:
    """Build `saga` with all its commands."""
    app = root()
    demo.register(app, _RUN)
    serve.register(app, _RUN)
    participant.register(app, _RUN)
    database.register(app, _RUN)
    recover.register(app, _RUN)
    doctor.register(app, _RUN)
    token.register(app, _RUN)
    dev.register(app, _RUN)
    start.register(app, _USE)
    sagas.register(app, _USE)
    control.register(app, _USE)
    start_time.register(app, _USE)
    views.register(app, _USE)
    diagnose.register(app, _USE)
    watch.register(app, _USE)
    top.register(app, _USE)
    steps.register(app, _USE)
    batches.register(app, _USE)
    confirmations.register(app, _USE)
    purge.register(app, _USE)
    trace.register(app, _USE)
    archive.register(app, _USE)
    transfer.register(app, _USE)
    dead_letters.register(app, _USE)
    audit.register(app, _USE)
    definitions.register(app, _DESIGN)
    schedule_files.register(app, _USE)
    schedules.register(app, _USE)
    schemas.register(app, _DESIGN)
    return app
