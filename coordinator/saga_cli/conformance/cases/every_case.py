"""All cases, in the order of reports."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from saga_cli.conformance.case import Case
from saga_cli.conformance.cases.absent import absent_cases, effect_cases
from saga_cli.conformance.cases.barrier import cell_cases
from saga_cli.conformance.cases.codecs import codec_cases
from saga_cli.conformance.cases.echo import ECHO_CASES
from saga_cli.conformance.cases.header_errors import header_error_cases
from saga_cli.conformance.cases.kills import kill_cases
from saga_cli.conformance.cases.later import later_cases
from saga_cli.conformance.cases.lifetimes import lifetime_cases
from saga_cli.conformance.cases.races import race_cases
from saga_cli.conformance.cases.reading import reading_cases
from saga_cli.conformance.cases.recorded import recorded_cases
from saga_cli.conformance.cases.replies import reply_cases
from saga_cli.conformance.cases.reply_values import reply_value_cases
from saga_cli.conformance.cases.schemas import schema_cases


def every_case() -> list[Case]:
    """The whole check."""
    return [
        *recorded_cases(),
        *reading_cases(),
        *codec_cases(),
        *ECHO_CASES,
        *reply_cases(),
        *reply_value_cases(),
        *absent_cases(),
        *cell_cases(),
        *later_cases(),
        *lifetime_cases(),
        *schema_cases(),
        *header_error_cases(),
        *race_cases(),
        *effect_cases(),
        *kill_cases(),
    ]


def chosen(cases: Sequence[Case], patterns: Sequence[str]) -> list[Case]:
    """Those whose names match one of the patterns (`barrier.done.*`); without patterns all."""
    return [case for case in cases if not patterns or any(fnmatchcase(case.name, pattern) for pattern in patterns)]
