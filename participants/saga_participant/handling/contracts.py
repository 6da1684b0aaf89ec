"""What a participant's handlers take and give, for its AsyncAPI document."""

from __future__ import annotations

from saga_participant.handling.registry import Registry, Route
from saga_schemas.asyncapi import CommandContract
from saga_schemas.outcomes import Kind
from saga_schemas.records import Empty, own_schema


def contracts_of(registry: Registry) -> list[CommandContract]:
    """One contract for each command record that is handled."""
    return [_contract(route) for route in registry.routes.values()]


def _contract(route: Route) -> CommandContract:
    reply = own_schema(Empty) if route.reply is None else route.reply.schema
    return CommandContract(kind=Kind(route.handler.role.value), command=route.command.schema, replies=(reply,))
