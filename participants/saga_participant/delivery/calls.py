"""From a command to the call of its handler: the record's route, the decoded models, the `Step`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from saga_participant.barrier.answers import failure
from saga_participant.barrier.entry import Entry, ReceivedCommand
from saga_participant.barrier.table import Ending
from saga_participant.database.transactions import HANDLER_LIMIT_S
from saga_participant.delivery.invocation import Call, HandlerResult
from saga_participant.handling.handler_run import HandlerRuns
from saga_participant.handling.registry import Registry, Route
from saga_participant.step import Step, reference
from saga_participant.telemetry.command_log import log_of
from saga_schemas.binding import Binding
from saga_schemas.codec import decode
from saga_schemas.errors import BadMessage, UnknownSchema
from saga_schemas.ids import idempotency_key
from saga_schemas.outcomes import Kind, RowState
from saga_schemas.times import to_datetime

LEASE_MARGIN_S: Final = 30.0
"""The lease of an external handler's call is the handler's time limit and this."""
TRANSACTION_MARGIN_S: Final = 90.0
"""A transaction may take the time of two handlers and this: accepted work may end and be undone at
once.

A row that somebody else has locked is waited for. A database that answers nothing is not waited for
for ever.
"""


class Calls:
    """Makes calls of the handlers in the registry, and keeps count of the handlers that could not
    be ended.
    """

    def __init__(self, registry: Registry, limit_s: float = HANDLER_LIMIT_S) -> None:
        self._registry = registry
        self.limit_s = limit_s
        self.runs = HandlerRuns()
        self.transaction_limit_s = 2 * limit_s + TRANSACTION_MARGIN_S
        self.external_lease_us = int((limit_s + LEASE_MARGIN_S) * 1_000_000)

    def route(self, command: ReceivedCommand) -> Route | None:
        return self._registry.route(command.headers.record, command.headers.kind)

    def route_of_accepted(self, entry: Entry) -> Route | None:
        if entry.row.state is not RowState.ACCEPTED or entry.pending is None:
            return None
        return self._registry.route(entry.pending.action.record, Kind.ACTION)

    def action(self, route: Route, command: ReceivedCommand, run: int, *, resumed: bool) -> Call:
        """The call of an action's handler.

        Raises BadMessage when the payload does not fit the model.
        """
        model = self._model(route.command, command.payload, command.value)
        step = _step(command, run, resumed=resumed)
        return Call(route=route, command=model, headers=command.headers, step=step, limit_s=self.limit_s, runs=self.runs)

    def withdrawal(self, entry: Entry) -> Call | HandlerResult:
        """The call of the withdrawn handler of accepted work.

        A failure when the payload does not fit the model.
        """
        accepted, work = self.route_of_accepted(entry), entry.work
        if accepted is None or accepted.withdrawn is None or work is None:
            return HandlerResult(ending=Ending.FAILED)  # the row does not say what was accepted
        try:
            return self.action(accepted.withdrawn, work, entry.row.run, resumed=False)
        except UnknownSchema:  # it will be looked up, and the command is asked again
            raise
        except BadMessage as bad:
            log_of(work.headers).error("%s cannot be called: %s", accepted.withdrawn.handler.name, bad)
            return HandlerResult(ending=Ending.FAILED, content=failure(bad.reason, bad.detail), error=bad)

    def compensation(self, route: Route, command: ReceivedCommand, entry: Entry) -> Call | HandlerResult:
        """The call of a compensation's handler.

        A failure when it does not take the action's reply.
        """
        model = self._model(route.command, command.payload, command.value)
        reply: BaseModel | None = None
        if route.action_reply is not None:
            stored = entry.action
            if stored is None or stored.record != route.action_reply.schema.full_name:
                wanted = route.action_reply.schema.full_name
                content = failure("reply_mismatch", f"the action's stored reply is no {wanted}")
                return HandlerResult(ending=Ending.FAILED, content=content, definite=True)
            reply = self._model(route.action_reply, stored.payload, None)
        step = _step(command, command.headers.run, resumed=False)
        return Call(
            route=route,
            command=model,
            headers=command.headers,
            step=step,
            action_reply=reply,
            limit_s=self.limit_s,
            runs=self.runs,
        )

    def _model(self, binding: Binding[Any], payload: bytes, value: Mapping[str, Any] | None) -> BaseModel:
        """A payload as its model, under the newest schema."""
        if value is None:
            value = decode(payload, self._registry.catalog, binding.schema).value
        model: BaseModel = binding.from_value(value)
        return model


def _step(command: ReceivedCommand, run: int, *, resumed: bool) -> Step:
    headers = command.headers
    return Step(
        saga_id=headers.saga_id,
        name=headers.step,
        run=run,
        attempt=headers.attempt,
        idempotency_key=idempotency_key(headers.saga_id, headers.step, headers.kind, run),
        tenant=headers.tenant,
        ref=reference(headers.saga_id, headers.step, run),
        expires_at=to_datetime(headers.expiry_us),
        resumed=resumed,
    )
