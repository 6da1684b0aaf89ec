"""The coordinator's HTTP API as the commands use it.

An answer that is an error becomes one line and an exit code.

A read or a start is repeated once when the connection broke on the way. A start carries its request
id, so repeating it is safe.
"""

from __future__ import annotations

import getpass
import re
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from saga_cli.exits import CommandFailed, ExitCode

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 30.0
LONG_POLL_S: Final = 60
"""Longest wait of one request at the coordinator."""
PAGE: Final = 500
FILE_TYPE: Final = "application/avro"
_ACCEPTED: Final = 202
_PAUSE_S: Final = 0.2
_SHOWN_BEFORE: Final = 60
"""Characters of a query beside the place where it is wrong."""
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
FINAL_PHASES: Final = frozenset({"COMPLETED", "COMPENSATED", "FORCED"})

_CODE_BY_STATUS: Final = {
    400: ExitCode.USAGE,
    401: ExitCode.REFUSED,
    403: ExitCode.REFUSED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.REFUSED,
    410: ExitCode.NOT_FOUND,
    413: ExitCode.USAGE,
    415: ExitCode.USAGE,
    422: ExitCode.USAGE,
}
_FINDINGS: Final = frozenset({"definition_invalid", "schema_invalid", "schedule_invalid", "calendar_invalid"})
"""Refusals that are findings: exit 1, as `saga def lint` and `saga schedule lint` would."""

Json = dict[str, Any]


class Client:
    """Client of one coordinator."""

    def __init__(self, server: str, *, transport: httpx.BaseTransport | None = None) -> None:
        """Check the address; nothing is sent yet.

        Args:
            server: Base URL of the coordinator.
            transport: Replaces the network in tests.

        Raises:
            CommandFailed: `server` is not an address (exit 2).
        """
        self.server = server.rstrip("/")
        if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", self.server):
            raise CommandFailed(f"--server {server!r} is not an address: write http://HOST:PORT", ExitCode.USAGE)
        timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            self._http = httpx.Client(
                base_url=self.server,
                timeout=timeout,
                transport=transport,
                trust_env=False,  # the environment's proxies are for outside addresses; a coordinator is near
                verify=self.server.startswith("https:"),  # without TLS the certificates need not be read: 17 ms
            )
        except (httpx.InvalidURL, ValueError):
            raise CommandFailed(f"--server {server!r} is not an address: write http://HOST:PORT", ExitCode.USAGE) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, query: Mapping[str, object] | None = None, *, wait_s: int = 0) -> Json:
        """Send a GET and return the answer.

        Args:
            path: Path below the server's address.
            query: Query parameters; those that are None are left out.
            wait_s: How long the coordinator may hold the answer back.

        Raises:
            CommandFailed: The coordinator refused, or none answered.
        """
        present = {name: value for name, value in (query or {}).items() if value is not None}
        if wait_s:
            present["wait_s"] = wait_s
        return self._answer("GET", path, params=present, timeout=READ_TIMEOUT_S + wait_s, retry=True)[1]

    def download(self, path: str) -> bytes:
        """Send a GET and return the content of the file that answers it.

        Raises:
            CommandFailed: The coordinator refused, or none answered.
        """
        response = self._response("GET", path, retry=True)
        if not response.is_success or response.headers.get("content-type") != FILE_TYPE:
            self._read(response)
            raise self._stranger(response)
        return response.content

    def post(self, path: str, body: object, *, headers: Mapping[str, str] | None = None, retry: bool = False) -> tuple[int, Json]:
        """Send a POST and return the status and the answer.

        Args:
            path: Path below the server's address.
            body: Sent as JSON.
            headers: Further headers.
            retry: Whether to send it once more when the connection broke. Only for requests that
                may be repeated.

        Raises:
            CommandFailed: The coordinator refused, or none answered; or the act waits for a second
                person.
        """
        status, answer = self._answer("POST", path, json=body, headers=headers, retry=retry)
        if status == _ACCEPTED and "confirmation" in answer:
            raise _not_yet(answer["confirmation"])
        return status, answer

    def put(self, path: str, body: object) -> Json:
        """Send a PUT, once more when the connection broke, and return the answer.

        Raises:
            CommandFailed: The coordinator refused, or none answered.
        """
        return self._answer("PUT", path, json=body, retry=True)[1]

    def delete(self, path: str, query: Mapping[str, object]) -> Json:
        """Send a DELETE and return the answer.

        Raises:
            CommandFailed: The coordinator refused, or none answered.
        """
        return self._answer("DELETE", path, params=dict(query), retry=False)[1]

    def upload(self, path: str, content: bytes, query: Mapping[str, object]) -> Json:
        """Send a file and return the answer.

        Raises:
            CommandFailed: The coordinator refused, or none answered.
        """
        headers = {"content-type": FILE_TYPE}
        return self._answer("POST", path, content=content, headers=headers, params=dict(query), retry=True)[1]

    def pages(self, path: str, *, limit: int, **query: object) -> Iterator[Json]:
        """Yield the items of a paged list, at most `limit`.

        A page may be empty where the list looks for few lines among many; it then leads further.
        """
        cursor, left = None, limit
        while left > 0:
            page = self.get(path, {**query, "limit": min(left, PAGE), "cursor": cursor})
            items, before = page["items"], cursor
            yield from items[:left]
            left -= len(items)
            cursor = page.get("next")
            if not cursor or cursor == before:
                return

    def saga(self, reference: str, *, wait_s: int = 0) -> Json:
        """Return the saga a person means.

        Args:
            reference: A UUID, a business key, or `definition/key`.
            wait_s: How long the coordinator may hold the answer back.

        Raises:
            CommandFailed: The reference means no saga, or several.
        """
        return self.get(f"/v1/sagas/{self.saga_id(reference)}", wait_s=wait_s)

    def saga_id(self, reference: str) -> str:
        """Return the id of the saga a person means.

        A UUID may be a saga's id or a business key. The id wins. A UUID that is no known key is
        returned as an id.

        Raises:
            CommandFailed: The reference means no saga, or several; the message lists them.
        """
        found = self._matches(reference)
        if _UUID.fullmatch(reference) and (not found or self._is_saga(reference.lower())):
            return reference.lower()
        if not found:
            raise CommandFailed(f"no saga has the key {_shown(reference)}; `saga list` shows what there is", ExitCode.NOT_FOUND)
        if len(found) > 1:
            lines = [f"  {item['id']}  {item['definition']}/{item.get('key')}  {item['phase']}" for item in found]
            raise CommandFailed(
                "\n".join([f"{_shown(reference)} may be any of these; name one by its id:", *lines]), ExitCode.NOT_FOUND
            )
        return str(found[0]["id"])

    def _is_saga(self, saga_id: str) -> bool:
        try:
            self.get(f"/v1/sagas/{saga_id}/journal", {"limit": 1})
        except CommandFailed as failed:
            if failed.code is not ExitCode.NOT_FOUND:
                raise
            return False
        return True

    def _matches(self, reference: str) -> list[Json]:
        definition, slash, key = reference.partition("/")
        found = self._of_key(reference, None)
        if slash and _NAME.fullmatch(definition):
            found += self._of_key(key, definition)
        return list({item["id"]: item for item in found}.values())

    def _of_key(self, key: str, definition: str | None) -> list[Json]:
        """Return the sagas of a key as written.

        A key that is a UUID is also looked for in lower case, as definitions compute it.
        """
        spellings = {key, key.lower()} if _UUID.fullmatch(key) else {key}
        return [found for one in sorted(spellings) for found in self.pages("/v1/sagas", limit=20, key=one, definition=definition)]

    def wait_until_final(self, saga_id: str, wait_s: float) -> Json:
        """Return the saga once it is final, or as it is after `wait_s` seconds."""
        deadline = time.monotonic() + wait_s
        while True:
            left = deadline - time.monotonic()
            saga = self.get(f"/v1/sagas/{saga_id}", wait_s=max(0, min(LONG_POLL_S, round(left))))
            if saga["phase"] in FINAL_PHASES or time.monotonic() >= deadline:
                return saga
            time.sleep(_PAUSE_S)

    def journal(self, saga_id: str) -> list[Json]:
        """Return all records of a saga's journal, oldest first."""
        records: list[Json] = []
        while True:
            page = self.get(f"/v1/sagas/{saga_id}/journal", {"after": records[-1]["version"] if records else 0})
            records += page["items"]
            if not page["items"] or not page.get("next"):
                return records

    def trace(self, saga_id: str) -> Json:
        """Return the coordinator's part of a saga's trace, its pages joined."""
        path, spans = f"/v1/sagas/{saga_id}/trace", []
        trace = self.get(path)
        while trace["next"] is not None:
            spans += trace["spans"]
            trace = self.get(path, {"after": trace["next"]})
        return {**trace, "spans": spans + trace["spans"]}

    def _answer(self, method: str, path: str, *, retry: bool, **request: Any) -> tuple[int, Json]:
        response = self._response(method, path, retry=retry, **request)
        return response.status_code, self._read(response)

    def _response(self, method: str, path: str, *, retry: bool, **request: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **request)
        except httpx.TransportError as error:
            if retry and not isinstance(error, httpx.ConnectError | httpx.TimeoutException):
                return self._response(method, path, retry=False, **request)
            raise self._unreachable(error) from None

    def _unreachable(self, error: httpx.TransportError) -> CommandFailed:
        if isinstance(error, httpx.TimeoutException):
            return CommandFailed(f"the coordinator at {self.server} did not answer in time; try again", ExitCode.NO_SERVER)
        return CommandFailed(
            f"no coordinator answers at {self.server}: start one (`saga serve`, `saga demo --keep`), or name another with "
            "--server or SAGA_SERVER",
            ExitCode.NO_SERVER,
        )

    def _read(self, response: httpx.Response) -> Json:
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or response.is_redirect:
            raise self._stranger(response)
        if response.is_success:
            return body
        raise _refusal(response.status_code, body, response.request.url.params.get("query"))

    def _stranger(self, response: httpx.Response) -> CommandFailed:
        message = f"what answers at {self.server} is not a saga coordinator (HTTP {response.status_code})"
        return CommandFailed(message, ExitCode.NO_SERVER)


def actor() -> str:
    """Return the login name, which the audit records as the actor."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in a container
        return "anonymous"


def segment(text: str) -> str:
    """Quote a person's text as one segment of a path."""
    return quote(text, safe="")


def _not_yet(confirmation: Json) -> CommandFailed:
    """An act that waits for a second person is not done, and a script must not take it for done."""
    id, until = confirmation.get("id"), confirmation.get("expires_at")
    text = f"not done yet: it needs a second person. Until {until} somebody else may run `saga confirm yes {id} --reason …`"
    return CommandFailed(_printable(text), ExitCode.REFUSED)


def _refusal(status: int, problem: Json, query: str | None = None) -> CommandFailed:
    """Build the error of a problem document: one line, then its findings, fields or reasons, one a
    line; of a query that was refused, the place in it."""
    code = str(problem.get("code") or status)
    message = str(problem.get("detail") or problem.get("title") or "refused")
    lines = [_printable(f"{code}: {message}{'; try again later' if status == 503 else ''}")]
    lines += [finding_line(finding) for finding in problem.get("findings") or ()]
    lines += [_printable(f"  {wrong.get('said') or _expected(wrong)}") for wrong in problem.get("errors") or ()]
    lines += [_printable(f"  {reason}") for reason in problem.get("reasons") or ()]
    if query is not None and problem.get("position") is not None:
        lines += _place(query, int(problem["position"]), str(problem.get("hint") or ""))
    field, expected = problem.get("field"), problem.get("expected")
    if len(lines) == 1 and field and expected and str(expected) not in message:
        lines[0] += _printable(f" ({field}: expected {expected})")
    exit_code = ExitCode.FINDINGS if code in _FINDINGS else _CODE_BY_STATUS.get(status, ExitCode.NO_SERVER)
    return CommandFailed("\n".join(lines), exit_code)


def _place(query: str, position: int, hint: str) -> list[str]:
    """Return the part of a query around a position, a mark below it, and what to write instead."""
    first = max(0, min(position, len(query)) - _SHOWN_BEFORE)
    shown = _printable(query[first : position + _SHOWN_BEFORE])
    return [f"  {shown}", f"  {' ' * (min(position, len(query)) - first)}^", *([_printable(f"  {hint}")] if hint else [])]


def _expected(wrong: Json) -> str:
    return f"{wrong['field']}: expected {wrong['expected']}"


def finding_line(finding: Json) -> str:
    """Return a finding of the coordinator as `saga def lint` prints its own."""
    place = ":".join(str(finding[part]) for part in ("file", "line", "column") if finding.get(part))
    step = f"step {finding['step']}: " if finding.get("step") else ""
    return _printable(
        f"{place}  {finding.get('severity', 'error')}  {finding.get('code', '')}  {step}{finding.get('message', '')}"
    )


def _printable(text: str) -> str:
    """Replace control characters in a server's text, so that a terminal shows it safely."""
    return "".join(char if char.isprintable() else " " for char in text)


def _shown(reference: str) -> str:
    return repr(reference[:80])
