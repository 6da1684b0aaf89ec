"""`saga token announcement-keys`: what participants are given to verify announcements with."""

from __future__ import annotations

from typing import Annotated

import typer

from saga_cli.commands.groups import HELP_OPTIONS, examples, group


def register(app: typer.Typer, panel: str) -> None:
    token = group(app, "token", "Keys that commands and announcements are signed with.", panel)
    token.command(
        "announcement-keys",
        context_settings=HELP_OPTIONS,
        epilog=examples("SAGA_ANNOUNCEMENT_KEYS=$(saga token announcement-keys)"),
    )(announcement_keys)


def announcement_keys(
    token_keys: Annotated[
        str, typer.Option(envvar="SAGA_TOKEN_KEYS", metavar="ID:BASE64,…", help="Those of the coordinator.", show_default=False)
    ],
) -> None:
    """Print the keys that participants verify announcements with (SAGA_ANNOUNCEMENT_KEYS).

    They are derived from the coordinator's token keys. Whoever has them can sign announcements, and
    no command.
    """
    from saga_schemas.token import TokenKeys

    try:
        keys = TokenKeys.parse(token_keys)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="SAGA_TOKEN_KEYS") from None
    typer.echo(keys.announcement_keys().text())
