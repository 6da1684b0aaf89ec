"""The API's refusals: problem documents (RFC 9457) with a stable `code`.

They repeat nothing of what was sent.

`CODES` is the whole list. A code never changes its meaning or its status; clients may rely on both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1

CODES: Final[Mapping[str, tuple[int, str]]] = {
    "bad_request": (400, "The request could not be read."),
    "json_invalid": (400, "The body is not JSON, or JSON that can be read in more than one way."),
    "cross_site": (403, "A page of another site may not call this API."),
    "not_found": (404, "There is nothing at this path."),
    "saga_unknown": (404, "There is no such saga."),
    "saga_archived": (410, "The saga was archived and removed from here."),
    "step_unknown": (404, "The saga has no such step."),
    "definition_unknown": (404, "There is no such definition, or none of its versions is active."),
    "schema_unknown": (404, "There is no such schema."),
    "participant_unknown": (404, "No definition that is active or in use has a step of this participant."),
    "effect_unknown": (404, "No such lost effect is listed."),
    "view_unknown": (404, "There is no saved view of this name."),
    "dead_letter_unknown": (404, "There is no such dead letter."),
    "batch_unknown": (404, "There is no such batch."),
    "confirmation_unknown": (404, "There is no such confirmation."),
    "schedule_unknown": (404, "There is no such schedule."),
    "backfill_unknown": (404, "There is no such backfill."),
    "calendar_unknown": (404, "There is no calendar of days of this name."),
    "method_not_allowed": (405, "This path does not take this method."),
    "key_held": (409, "The business key is held by another saga."),
    "request_reused": (409, "The request id was used before with another body."),
    "definition_inactive": (409, "No version of the definition is active; name one."),
    "version_exists": (409, "This version is registered with other content: give the definition a new version."),
    "schema_incompatible": (409, "The schema cannot be read together with versions that are in use."),
    "schema_collision": (409, "Another schema has this schema's id: change a default or an alias."),
    "views_full": (409, "There are as many saved views as there may be: remove one first."),
    "past_pivot": (409, "The saga is past its point of no return: it only goes forward."),
    "finished": (409, "The saga is finished and never changes again."),
    "not_finished": (409, "The saga goes on; this is for finished ones."),
    "saga_imported": (409, "The saga ran elsewhere and was imported: it is only shown."),
    "import_conflict": (409, "A saga of this id is here with other content, or is not finished."),
    "not_stuck": (409, "The step is not in a state in which this can be done."),
    "limit_refused": (409, "The limit is not one that this step may have."),
    "not_scheduled": (409, "The saga does not wait for a start time: it has begun, or is finished."),
    "not_paused": (409, "It is not paused."),
    "is_pivot": (409, "The pivot is never waived: it is asked until it answers."),
    "effect_settled": (409, "The lost effect is settled, or is being undone."),
    "effect_beside": (409, "The saga is here and has no such step: what it left is undone by hand."),
    "below_horizon": (409, "The horizon has passed the saga: no saga begins there any more."),
    "sweep_not_open": (409, "No sweep of this participant is open."),
    "nothing_matches": (409, "No saga matches the query."),
    "batch_too_large": (409, "More sagas match than one batch may have: narrow the query."),
    "batches_full": (409, "So many batches run already: wait for one, or stop one."),
    "batch_over": (409, "The batch has ended, or was stopped."),
    "confirmation_over": (409, "The confirmation is settled, or its time is over."),
    "confirmations_full": (409, "So many acts wait for a second person: confirm or refuse some."),
    "same_actor": (409, "Whoever asked for an act does not confirm it: somebody else does."),
    "schedule_exists": (409, "There is a schedule of this name: update it."),
    "schedules_full": (409, "There are as many schedules as there may be: delete one first."),
    "schedule_moved": (409, "The schedule is at another version by now: look at it again."),
    "schedule_unreadable": (409, "A later release wrote the schedule: ask an instance of that release."),
    "schedule_busy": (409, "It was triggered too often within a few milliseconds: try again."),
    "schedule_ended": (409, "The schedule has ended: no tick of it comes any more."),
    "schedule_warned": (409, "The schedule has warnings that ask whether it is meant so: say `yes`."),
    "backfill_refused": (409, "The range cannot be run afterwards."),
    "backfill_running": (409, "A backfill of the schedule runs: wait for it, or stop it."),
    "backfill_over": (409, "The backfill has ended, or was stopped."),
    "calendar_used": (409, "Schedules exclude the days of this calendar: update them first."),
    "not_redrivable": (409, "The dead letter is no message that could ever be read."),
    "dead_letter_cut": (409, "The record is gone from its topic, and what is kept of it may be cut."),
    "topic_gone": (409, "The topic that the dead letter came from is not there any more."),
    "redriven": (409, "The dead letter was sent again before, or may have been: say `again` to send it once more."),
    "redrive_under_way": (409, "The dead letter is being sent at this moment."),
    "redrive_refused": (409, "The broker does not take the dead letter as it is."),
    "recovering": (409, "The saga was recovered from a backup and waits for definite answers first."),
    "unreadable": (409, "This instance cannot read the saga's state or definition: its log has more."),
    "body_too_large": (413, "The body is larger than 1 MiB."),
    "file_too_large": (413, "The file is larger than 16 MiB."),
    "container_expected": (415, "The body is an Avro object container file, application/avro."),
    "media_type_unsupported": (415, "Bodies are application/json in UTF-8."),
    "request_invalid": (422, "A field of the request is not as it must be."),
    "act_unknown": (422, "There is no such act."),
    "actor_needed": (422, "An act of two people needs to know who each is: give `actor`."),
    "query_invalid": (422, "The query cannot be read."),
    "query_too_slow": (422, "The query took too long and was given up: ask for less, or for what is indexed."),
    "input_invalid": (422, "The input does not fit the definition's input record."),
    "key_mismatch": (422, "The key given is not the one the definition computes from the input."),
    "start_too_far": (422, "The start time is more than 366 days ahead."),
    "labels_invalid": (422, "The labels are none, are too many, or are not those the definition computes from the input."),
    "undo_incomplete": (422, "The compensation cannot be made of what is known and was given."),
    "import_invalid": (422, "The file is no whole export of sagas."),
    "definition_invalid": (422, "The definition has errors."),
    "schedule_invalid": (422, "The schedule has errors."),
    "calendar_invalid": (422, "The calendar of days has errors."),
    "overlap_unknown": (422, "There is no such overlap policy, or its limit is not one that it may have."),
    "schema_invalid": (422, "The schema is refused."),
    "internal": (500, "The coordinator failed while it answered this request; its log has more."),
    "overloaded": (503, "Too many starts are waiting: try again later with the same request id."),
    "store_unavailable": (503, "The database does not answer: try again later. Repeat a start with the same request id."),
    "broker_unavailable": (503, "Kafka does not answer: try again later."),
    "archive_unavailable": (503, "The archive does not take the sagas; nothing was removed."),
    "definition_missing": (503, "The saga's definition cannot be loaded."),
    "not_ready": (503, "The coordinator is not ready."),
    "redrive_unknown": (504, "The broker did not confirm the dead letter: it may have been sent again."),
}
EVERYWHERE: Final = ("cross_site", "request_invalid", "internal", "store_unavailable")
"""The codes that any route can answer with."""
WITH_BODY: Final = ("json_invalid", "body_too_large", "media_type_unsupported")
_BY_STATUS: Final = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "media_type_unsupported"}


class FieldProblem(BaseModel):
    """One field that is not as it must be."""

    field: str
    expected: str
    said: str | None = Field(None, description="input_invalid: what is wrong, as a sentence")


class FindingShown(BaseModel):
    """One finding of `saga def lint` or `saga schedule lint`."""

    code: str
    severity: str
    file: str
    line: int
    column: int
    step: str | None
    message: str


class ProblemDocument(BaseModel):
    """A problem as RFC 9457 has it.

    `code` is stable; the members below `detail` come with some codes only.
    """

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str = Field(examples=["urn:saga-coordinator:problem:key_held"])
    title: str
    status: int
    code: str = Field(json_schema_extra={"enum": [*sorted(CODES)]})
    detail: str | None = None
    field: str | None = Field(None, description="request_invalid, input_invalid: where")
    expected: str | None = Field(None, description="request_invalid, input_invalid: what belongs there")
    errors: list[FieldProblem] | None = Field(None, description="request_invalid, input_invalid: the first ten fields")
    position: int | None = Field(None, description="query_invalid: where, in characters of the query from 0")
    hint: str | None = Field(None, description="query_invalid: what to write instead")
    findings: list[FindingShown] | None = Field(
        None, description="definition_invalid, schedule_invalid, schedule_warned, calendar_invalid: all findings"
    )
    saga_id: str | None = Field(None, description="key_held: by which saga; import_conflict: which one")
    archive: str | None = Field(None, description="saga_archived: the file that it stands in")
    reasons: list[str] | None = Field(None, description="not_ready, schema_incompatible: each reason")


class Problem(HTTPException):
    """Raised anywhere below a route. `code` is one of CODES."""

    def __init__(self, code: str, detail: str | None = None, *, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        status, _ = CODES[code]
        if status == 503:
            headers = {"Retry-After": str(RETRY_AFTER_S), **(headers or {})}
        super().__init__(status, detail=detail, headers=headers)
        self.code = code
        self.explanation = detail
        self.extra = extra


def problem_response(problem: Problem) -> Response:
    """The document and its headers."""
    status, title = CODES[problem.code]
    document = {"type": f"urn:saga-coordinator:problem:{problem.code}", "title": title, "status": status, "code": problem.code}
    if problem.explanation is not None:
        document["detail"] = problem.explanation
    document |= {name: value for name, value in problem.extra.items() if value is not None and name not in document}
    return Response(orjson.dumps(document), status, headers=dict(problem.headers or {}), media_type=MEDIA_TYPE)


def of_status(status: int, headers: Mapping[str, str] | None) -> Problem:
    """The problem for what the framework refuses itself: unknown paths, wrong methods."""
    code = _BY_STATUS.get(status) or ("bad_request" if status < 500 else "internal")
    return Problem(code, headers={name: value for name, value in (headers or {}).items() if name.lower() == "allow"})


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route for OpenAPI: one response for each status, with its codes."""
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *EVERYWHERE):
        listed = by_status.setdefault(CODES[code][0], [])
        if code not in listed:
            listed.append(code)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": "; ".join(f"`{code}`: {CODES[code][1]}" for code in listed), "content": content}
        for status, listed in sorted(by_status.items())
    }
