"""Loads an object of a user's module, named on the command line as `module:object`.

The current folder is searched too.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TypeVar

import typer

Wanted = TypeVar("Wanted")


def load_object(target: str, wanted: type[Wanted], *, example: str) -> Wanted:
    """Import the module and return the object.

    Args:
        target: `module:object`.
        wanted: The class the object must be of.
        example: A right target, for the error message.

    Raises:
        typer.BadParameter: `target` is malformed, or names no module or no object of that class.
    """
    module_name, colon, attribute = target.partition(":")
    if not colon or not module_name or not attribute:
        raise typer.BadParameter(f"{target!r} is not MODULE:OBJECT, such as {example}", param_hint="TARGET")
    sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise typer.BadParameter(f"there is no module {error.name!r} here or installed", param_hint="TARGET") from None
    found = getattr(module, attribute, None)
    if not isinstance(found, wanted):
        what = "no such name" if found is None else f"a {type(found).__name__}, not a {wanted.__name__}"
        raise typer.BadParameter(f"{attribute!r} of {module_name} is {what}", param_hint="TARGET")
    return found
