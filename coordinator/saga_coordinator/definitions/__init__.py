"""Definitions: read, checked, made canonical, compiled for the engine.

`lint` says everything that is wrong with a file and gives the canonical document;
`compile_definition` makes from it what the engine runs. Pure: no clock, no randomness, no I/O;
`cel` is imported here (in `expressions`) and nowhere else.
"""

from saga_coordinator.definitions.builder import Compensation, Retention, Retry, Saga, Timeout
from saga_coordinator.definitions.codes import CODES, Code
from saga_coordinator.definitions.compatibility import Earlier, check_compatibility
from saga_coordinator.definitions.compile import CompiledDefinition, CompileFailed, compile_definition
from saga_coordinator.definitions.contracts import Contracts
from saga_coordinator.definitions.document import Document, DocumentInvalid
from saga_coordinator.definitions.draw import draw
from saga_coordinator.definitions.finding import DefinitionInvalid, Finding, Severity
from saga_coordinator.definitions.json_schema import definition_json_schema
from saga_coordinator.definitions.lint import LintResult, lint, lint_data, lint_document
from saga_coordinator.definitions.records import records_reached

__all__ = [
    "CODES",
    "Code",
    "Compensation",
    "CompileFailed",
    "CompiledDefinition",
    "Contracts",
    "DefinitionInvalid",
    "Document",
    "DocumentInvalid",
    "Earlier",
    "Finding",
    "LintResult",
    "Retention",
    "Retry",
    "Saga",
    "Severity",
    "Timeout",
    "check_compatibility",
    "compile_definition",
    "definition_json_schema",
    "draw",
    "lint",
    "lint_data",
    "lint_document",
    "records_reached",
]
