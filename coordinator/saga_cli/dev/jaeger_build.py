"""The program of Jaeger v2. No wheel and no jar contains it, so it is built from its Go module.

The module has no assets of the web page, so its page is a placeholder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from saga_cli.dev.go_program import GoProgram

JAEGER_VERSION: Final = "2.13.0"
_MODULE: Final = "github.com/jaegertracing/jaeger"

JAEGER: Final = GoProgram(
    name="Jaeger",
    version=JAEGER_VERSION,
    module=_MODULE,
    module_version="v1.76.0",  # the commit of v2.13.0: Go knows it only by this tag, because the module's path has no /v2
    checksum="h1:sWCOOF1dr+NL0PLil7mFo3BqqQL8k4WiM7aguFbc14g=",
    package="./cmd/jaeger",
    version_variable=f"{_MODULE}/internal/version.latestVersion",
    least_go=(1, 24, 6),
    takes="about 4 minutes on two cores (3 GB of disk meanwhile)",
    instead="(tests also take a Jaeger that runs elsewhere: SAGA_TEST_JAEGER=http://host:16686)",
)


def jaeger_program() -> Path:
    """Return the built program. The first call on a machine builds it, which takes minutes.

    Raises:
        ServiceFailed: It cannot be built; the message says what is missing.
    """
    return JAEGER.program()
