"""How handlers are registered: the decorators of a `Participant`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from saga_messaging.errors import ConfigurationError
from saga_participant.handling.handlers import Handler, Role, read_handler

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


class Decorators(ABC):
    """`@payment.action`, `@payment.compensation` and `@payment.withdrawn`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._handlers: list[Handler] = []

    @abstractmethod
    def _served(self) -> bool:
        """It is too late for another handler."""

    @overload
    def action(self, function: F) -> F: ...

    @overload
    def action(self, *, external: bool = False, fenceable: bool = False) -> Callable[[F], F]: ...

    def action(self, function: F | None = None, *, external: bool = False, fenceable: bool = False) -> F | Callable[[F], F]:
        """Register the handler of an action's command, found by the type of its first model.

        `external`: it calls somebody else, so it runs outside any transaction and has no `db`; an exception means that nobody knows, so
        there is no reply. `fenceable`: work that was accepted (`InProgress`) may be called off; a later answer then loses.
        """
        return self._register(function, Role.ACTION, external=external, fenceable=fenceable)

    @overload
    def compensation(self, function: F) -> F: ...

    @overload
    def compensation(self, *, external: bool = False) -> Callable[[F], F]: ...

    def compensation(self, function: F | None = None, *, external: bool = False) -> F | Callable[[F], F]:
        """Register the handler of a compensation's command. It runs only when there is an effect to undo, and once with effect."""
        return self._register(function, Role.COMPENSATION, external=external, fenceable=False)

    def withdrawn(self, function: F) -> F:
        """Register what is called when work that an action accepted (`InProgress`) is called off before it was answered: found by the
        action's command, run in the transaction that calls it off.

            @payment.withdrawn
            async def not_asked_for_any_more(command: ChargeCard, db: AsyncConnection, step: Step) -> None: ...

        By a RESOLVE, where the action is `fenceable`, or by a compensation. When it returns, the work has ended without effect. When it
        raises, the work stays accepted, as if there were no such handler and the action were not fenceable.
        """
        return self._add(function, Role.WITHDRAWN, external=False, fenceable=False)

    def _register(self, function: F | None, role: Role, *, external: bool, fenceable: bool) -> F | Callable[[F], F]:
        def register(handler: F) -> F:
            return self._add(handler, role, external=external, fenceable=fenceable)

        return register if function is None else register(function)

    def _add(self, function: F, role: Role, *, external: bool, fenceable: bool) -> F:
        if self._served():
            raise ConfigurationError(f"{self.name} is being served already: register handlers before")
        self._handlers.append(read_handler(function, role, external=external, fenceable=fenceable))
        return function
