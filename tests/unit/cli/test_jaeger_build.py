"""Jaeger is built once, by a Go that is new enough, of the pinned source, whole or not at all; what
it lacks is told in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saga_cli.dev import go_program, go_toolchain
from saga_cli.dev.cache import cache_folder, locked
from saga_cli.dev.jaeger_build import JAEGER, JAEGER_VERSION, jaeger_program
from saga_cli.dev.process import ServiceFailed

PINNED = "h1:sWCOOF1dr+NL0PLil7mFo3BqqQL8k4WiM7aguFbc14g="

# Plays `go`: notes how it was called, and does as the files beside it say.
FAKE_GO = """\
#!/bin/sh
here="$(dirname "$0")"
echo "$*" >> "$here/calls"
case "$*" in
"env GOVERSION") cat "$here/version" ;;
"mod download"*) cat "$here/answer"; exit "$(cat "$here/download-status")" ;;
"-C "*)
    env > "$here/environment"
    for word; do [ "$before" = -o ] && echo built > "$word"; before="$word"; done
    echo "cmd/jaeger/main.go:7: it does not compile"
    exit "$(cat "$here/build-status")" ;;
esac
"""


class FakeGo:
    """The machine's Go as the test wants it."""

    def __init__(self, folder: Path, version: str = "go1.26.8") -> None:
        folder.mkdir()
        self.program = folder / "go"
        self.program.write_text(FAKE_GO)
        self.program.chmod(0o755)
        self.source = folder / "jaeger@v1.76.0"
        self.source.mkdir()
        self.will(version=f"{version}\n", answer={"Dir": str(self.source), "Sum": PINNED}, download_status=0, build_status=0)

    def will(self, **does: Any) -> None:
        for name, what in does.items():
            text = json.dumps(what) if isinstance(what, dict) else str(what)
            (self.program.parent / name.replace("_", "-")).write_text(text)

    @property
    def calls(self) -> list[str]:
        calls = self.program.parent / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    @property
    def builds(self) -> list[str]:
        return [call for call in self.calls if " build " in call]

    @property
    def environment(self) -> dict[str, str]:
        lines = (self.program.parent / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "saga-coordinator"


@pytest.fixture
def no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Go, and an environment without the wheel."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.setattr(go_program, "_go_of_the_wheel", lambda: None)


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_go: None) -> FakeGo:
    """A machine whose `go` is the fake one."""
    fake = FakeGo(tmp_path / "go")
    monkeypatch.setenv("PATH", f"{fake.program.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return fake


def test_the_first_call_builds_and_the_second_finds_it(go: FakeGo, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = jaeger_program()
    told = capsys.readouterr().err

    second = jaeger_program()

    assert first == second
    assert first.parent == cache
    assert first.read_text() == "built\n"
    assert JAEGER_VERSION in first.name and sys.platform in first.name
    assert len(go.builds) == 1
    assert (
        told == f"saga: building Jaeger {JAEGER_VERSION} once, about 4 minutes on two cores (3 GB of disk meanwhile): {first}\n"
    )
    assert capsys.readouterr().err == ""
    assert not (cache / "jaeger-build").exists()


def test_it_is_built_in_place_as_the_main_module_and_knows_its_version(go: FakeGo) -> None:
    jaeger_program()

    (build,) = go.builds
    assert build.startswith(f"-C {go.source} build -trimpath -buildvcs=false -ldflags -s -w -X ")
    assert f"github.com/jaegertracing/jaeger/internal/version.latestVersion=v{JAEGER_VERSION} -o " in build
    assert build.endswith(" ./cmd/jaeger")
    assert "mod download -json github.com/jaegertracing/jaeger@v1.76.0" in go.calls


def test_a_go_developers_settings_do_not_reach_the_build_but_a_proxy_does(
    go: FakeGo, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GOFLAGS": "-mod=vendor",
        "GOWORK": "/elsewhere/go.work",
        "GOOS": "plan9",
        "GOROOT": "/elsewhere",
        "GOTOOLCHAIN": "auto",
        "GOMODCACHE": "/elsewhere/mod",
        "CGO_ENABLED": "1",
        "GOPROXY": "https://go.example",
        "HTTPS_PROXY": "http://proxy.example:3128",
    }.items():
        monkeypatch.setenv(name, value)

    jaeger_program()

    seen = go.environment
    assert (seen["GOFLAGS"], seen["GOWORK"], seen["GOTOOLCHAIN"]) == ("-mod=readonly -modcacherw", "off", "local")
    assert (seen["GOOS"], seen["GOROOT"], seen["GOMODCACHE"], seen["CGO_ENABLED"]) == ("", "", "", "0")
    assert (seen["GOPROXY"], seen["HTTPS_PROXY"]) == ("https://go.example", "http://proxy.example:3128")
    assert all(Path(seen[name]).is_relative_to(cache) for name in ("GOPATH", "GOCACHE"))


def test_a_failed_build_is_one_line_and_leaves_no_program(go: FakeGo, cache: Path) -> None:
    go.will(build_status=1)  # after it has written what -o names

    with pytest.raises(ServiceFailed) as failure:
        jaeger_program()

    assert "the build of Jaeger failed; end of" in str(failure.value)
    assert "it does not compile" in str(failure.value)
    assert "SAGA_TEST_JAEGER=http://host:16686" in str(failure.value)
    assert "\n" not in str(failure.value)
    assert list(cache.glob(f"jaeger-{JAEGER_VERSION}*")) == []

    go.will(build_status=0)
    assert jaeger_program().exists()


def test_files_of_the_module_are_kept_beside_the_program(go: FakeGo) -> None:
    (go.source / "sql").mkdir()
    (go.source / "sql" / "tables.sql").write_text("CREATE TABLE …")
    with_tables = replace(JAEGER, kept_files=("sql/tables.sql",))

    program = with_tables.program()

    assert with_tables.kept("sql/tables.sql").read_text() == "CREATE TABLE …"
    assert with_tables.kept("sql/tables.sql").parent == program.parent


def test_a_download_that_fails_says_why(go: FakeGo) -> None:
    go.will(answer={"Path": "x", "Error": "dial tcp:\nlookup go.example: no such host"}, download_status=1)

    with pytest.raises(
        ServiceFailed, match=r"^cannot download Jaeger's source: dial tcp: \| lookup go\.example: no such host \("
    ):
        jaeger_program()
    assert go.builds == []


def test_another_source_than_the_pinned_one_is_not_built(go: FakeGo) -> None:
    go.will(answer={"Dir": str(go.source), "Sum": "h1:AAAA"})

    with pytest.raises(ServiceFailed, match="is not the pinned one"):
        jaeger_program()
    assert go.builds == []


@pytest.mark.usefixtures("no_go")
def test_without_go_it_says_what_to_install() -> None:
    with pytest.raises(
        ServiceFailed, match=r"^to build Jaeger takes Go 1\.24\.6 or newer: install it, or pip install 'saga-coord"
    ):
        jaeger_program()


@pytest.mark.parametrize("version", ["go1.24.5", "go1.21", "go1.9", "nonsense", ""])
def test_a_go_that_is_too_old_is_told(go: FakeGo, version: str) -> None:
    go.will(version=version)

    with pytest.raises(ServiceFailed, match=rf"1\.24\.6 or newer \({go.program} is older\): install it"):
        jaeger_program()
    assert go.builds == []


@pytest.mark.parametrize(
    "version", ["go1.24.6", "go1.25", "go1.26.8", "go1.100.0", "go2.0", "devel go1.27-5ad3b1c X:nospinbitmutex"]
)
def test_a_go_that_is_new_enough_builds(go: FakeGo, version: str) -> None:
    go.will(version=version)

    assert jaeger_program().exists()


def test_where_the_machines_go_is_too_old_the_wheels_builds(go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go.will(version="go1.19.8")
    wheels = FakeGo(tmp_path / "wheel", "go1.27.3")
    monkeypatch.setattr(go_program, "_go_of_the_wheel", lambda: str(wheels.program))

    jaeger_program()

    assert (len(go.builds), len(wheels.builds)) == (0, 1)


def test_the_wheel_of_the_extra_dev_brings_a_go_that_is_new_enough() -> None:
    wheels = go_toolchain.go_of_the_wheel()

    assert wheels is not None
    assert go_toolchain.version_of(wheels) >= (1, 25)


def test_a_package_that_is_also_called_go_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go").mkdir()
    (tmp_path / "go" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    assert go_toolchain.go_of_the_wheel() is None


def test_a_second_process_waits_for_the_first_and_takes_what_it_built(go: FakeGo) -> None:
    code = "from saga_cli.dev.jaeger_build import jaeger_program; print(jaeger_program())"
    with locked(cache_folder()):
        second = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert second.stderr is not None
        assert second.stderr.readline() == f"saga: waiting for another process that fills {cache_folder()}\n"
        JAEGER.build()

    out, err = second.communicate()

    assert (second.returncode, out, err) == (0, f"{JAEGER.path}\n", "")
    assert len(go.builds) == 1
