"""Handlers as they are written, read into what the kit has to know: by the types of their
parameters, and by nothing else.

A wrong signature is a configuration error at registration, with the reason. What needs the schemas
(records, reply types) is checked when the participant is prepared (registry.py).
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from saga_messaging.errors import ConfigurationError
from saga_participant.outcomes import Failed, InProgress, Rejected
from saga_participant.step import Step

HandlerFunction = Callable[..., Awaitable[Any]]
_NOTHING: Final = type(None)


class Handle(Enum):
    """What a handler wants to have as `db`."""

    CONNECTION = "sqlalchemy.ext.asyncio.AsyncConnection"
    SESSION = "sqlalchemy.ext.asyncio.AsyncSession"
    ASYNCPG = "asyncpg.Connection"


class Role(StrEnum):
    """What a handler is called for."""

    ACTION = "action"
    COMPENSATION = "compensation"
    WITHDRAWN = "withdrawn"
    """An action that was accepted is called off before it was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """One handler. That for many takes and returns lists of what stands here."""

    function: HandlerFunction
    name: str
    """For messages to the author: `module.function`."""
    role: Role
    command: type[BaseModel]
    command_parameter: str
    reply_parameter: str | None
    """A compensation's parameter that takes the action's reply."""
    action_reply: type[BaseModel] | None
    step_parameter: str | None
    db_parameter: str | None
    handle: Handle | None
    reply: type[BaseModel] | None
    """What it returns; None: nothing, so the reply is empty."""
    external: bool = False
    fenceable: bool = False
    many: bool = False
    """One call does the work of several commands."""

    @property
    def bare(self) -> bool:
        """It needs no SQLAlchemy object."""
        return self.handle in (None, Handle.ASYNCPG)


def read_handler(
    function: HandlerFunction, role: Role, *, external: bool = False, fenceable: bool = False, many: bool = False
) -> Handler:
    """ConfigurationError names the function and what is wrong with it."""
    if not callable(function):
        options = (
            "it has no options" if role is Role.WITHDRAWN else f"its options are keywords, as in @.{role.value}(external=True)"
        )
        raise ConfigurationError(f"@.{role.value} decorates a function; {options}")
    name = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"
    _check_options(name, role, external=external, fenceable=fenceable, many=many)
    if not inspect.iscoroutinefunction(function):
        raise ConfigurationError(
            f"{name} is a plain def: it would block every other command of this participant; write async def and await what it does"
        )
    hints = _hints(function, name)
    returned = hints.pop("return", None)
    parameters = {each: hints.get(each) for each in inspect.signature(function).parameters}
    roles = _Roles(name, many=many)
    for parameter, annotation in parameters.items():
        roles.take(parameter, annotation)
    command, reply = roles.models(role)
    if external and roles.handle is not None:
        raise ConfigurationError(f"{name} is external: it runs outside any transaction and can have no db")
    return Handler(
        function=function,
        name=name,
        role=role,
        command=command[1],
        command_parameter=command[0],
        reply_parameter=reply[0] if reply else None,
        action_reply=reply[1] if reply else None,
        step_parameter=roles.step,
        db_parameter=roles.db,
        handle=roles.handle,
        reply=_reply_type_of_many(returned, name) if many else _reply_type(returned, role, name),
        external=external,
        fenceable=fenceable,
        many=many,
    )


def _check_options(name: str, role: Role, *, external: bool, fenceable: bool, many: bool) -> None:
    for option, value in (("external", external), ("fenceable", fenceable), ("many", many)):
        if not isinstance(value, bool):
            raise ConfigurationError(f"{name}: {option} is True or False")
    if many and role is not Role.ACTION:
        raise ConfigurationError(f"{name}: many=True is for actions; @.{role.value} is called for one command at a time")
    if many and external:
        raise ConfigurationError(
            f"{name} is for many commands in one transaction: it cannot be external, which is outside any transaction"
        )
    if many and fenceable:
        raise ConfigurationError(
            f"{name} is for many commands, which it answers at once: there is no accepted work to be fenceable"
        )


class _Roles:
    """Which parameter is what."""

    def __init__(self, name: str, *, many: bool) -> None:
        self._name = name
        self._many = many
        self._models: list[tuple[str, type[BaseModel]]] = []
        self.step: str | None = None
        self.db: str | None = None
        self.handle: Handle | None = None

    def take(self, parameter: str, annotation: Any) -> None:
        handle = handle_of(annotation)
        wanted = _item_of(annotation) if self._many else annotation
        if isinstance(wanted, type) and issubclass(wanted, BaseModel):
            self._models.append((parameter, wanted))
        elif wanted is Step:
            self.step = parameter
        elif handle is not None and self.db is None:
            self.db, self.handle = parameter, handle
        elif handle is not None:
            raise ConfigurationError(f"{self._name} asks for db twice; one transaction has one connection")
        elif self._many:
            raise ConfigurationError(
                f"{self._name}: parameter {parameter} has no type the kit can give to a handler for many; it gives a list of the "
                "command's model, list[Step], and AsyncConnection, AsyncSession or asyncpg.Connection"
            )
        else:
            raise ConfigurationError(
                f"{self._name}: parameter {parameter} has no type the kit can give; it gives the command's model, the action's reply "
                "(to a compensation), AsyncConnection, AsyncSession, asyncpg.Connection and Step; lists of commands and of Step "
                "are for @.action(many=True)"
            )

    def models(self, role: Role) -> tuple[tuple[str, type[BaseModel]], tuple[str, type[BaseModel]] | None]:
        """The command first; a compensation may take the action's reply behind it."""
        most = 2 if role is Role.COMPENSATION else 1
        if not 1 <= len(self._models) <= most:
            wanted = "the command's model and at most the action's reply" if most == 2 else "one command model"
            found = f"{len(self._models)} {'lists of ' if self._many else ''}models"
            wanted, decorator = ("one list of a command model", "action(many=True)") if self._many else (wanted, role.value)
            raise ConfigurationError(f"{self._name} takes {found}; @.{decorator} takes {wanted}")
        return self._models[0], (self._models[1] if len(self._models) == 2 else None)


def _item_of(annotation: Any) -> Any:
    """`X` of `list[X]`; None where it is anything else."""
    items = get_args(annotation)
    return items[0] if get_origin(annotation) is list and items else None


def _hints(function: HandlerFunction, name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception as error:  # whatever evaluating somebody's annotations raises
        raise ConfigurationError(
            f"{name}: its annotations cannot be read ({error}); import the types where the module can see them at run time"
        ) from None


def handle_of(annotation: Any) -> Handle | None:
    """What a handler, or the block of an answer given later, wants to have as `db`."""
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, AsyncSession):
        return Handle.SESSION
    if issubclass(annotation, AsyncConnection):
        return Handle.CONNECTION
    if annotation.__module__.startswith("asyncpg.") and annotation.__name__ in ("Connection", "PoolConnectionProxy"):
        return Handle.ASYNCPG
    return None


def _reply_type(annotation: Any, role: Role, name: str) -> type[BaseModel] | None:
    members = _members_of(annotation)
    if role is Role.WITHDRAWN and any(member not in (None, _NOTHING) for member in members):
        raise ConfigurationError(f"{name} has nothing to answer: it returns None, or raises where the work cannot be withdrawn")
    if InProgress in members and role is Role.COMPENSATION:
        raise ConfigurationError(f"{name}: a compensation answers at once; InProgress is for actions")
    models = _models_in(members, beside=(InProgress,))
    if models is None:
        raise ConfigurationError(f"{name}: its return annotation is one reply model, or None, beside InProgress")
    return models[0] if models else None


def _reply_type_of_many(annotation: Any, name: str) -> type[BaseModel] | None:
    members = _members_of(_item_of(annotation))
    if InProgress in members:
        raise ConfigurationError(
            f"{name} is for many commands, which it answers at once; InProgress is for a handler of one command"
        )
    models = _models_in(members, beside=(Rejected, Failed))
    if get_origin(annotation) is not list or models is None:
        raise ConfigurationError(
            f"{name}: the return annotation of a handler for many is a list of one reply model, or list[None], "
            "with Rejected and Failed beside it in the list"
        )
    return models[0] if models else None


def _members_of(annotation: Any) -> tuple[Any, ...]:
    """Of a union; of anything else, itself."""
    return get_args(annotation) if get_origin(annotation) in (typing.Union, types.UnionType) else (annotation,)


def _models_in(members: tuple[Any, ...], beside: tuple[type, ...]) -> list[type[BaseModel]] | None:
    """The reply model among them, if there is one. None: there are two, or something else."""
    models = [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]
    rest = [member for member in members if member not in (*models, *beside, None, _NOTHING)]
    return None if len(models) > 1 or rest else models
