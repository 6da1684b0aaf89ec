"""Definitions: read, checked, made canonical, compiled for the engine.

`lint` says everything that is wrong with a file and gives the canonical document; `compile_definition` makes from it what the
engine runs. Pure: no clock, no randomness, no I/O; `cel` is imported here (in `expressions`) and nowhere else.
"""

from saga_coordinator.definitions.codes import CODES, Code
from saga_coordinator.definitions.compile import CompiledDefinition, CompileFailed, compile_definition
from saga_coordinator.definitions.document import Document, DocumentInvalid
from saga_coordinator.definitions.finding import DefinitionInvalid, Finding, Severity
from saga_coordinator.definitions.lint import LintResult, lint, lint_data, lint_document
from saga_coordinator.definitions.records import records_reached

__all__ = [
    "CODES",
    "Code",
    "CompileFailed",
    "CompiledDefinition",
    "DefinitionInvalid",
    "Document",
    "DocumentInvalid",
    "Finding",
    "LintResult",
    "Severity",
    "compile_definition",
    "lint",
    "lint_data",
    "lint_document",
    "records_reached",
]
