"""`/registry`: the schemas as a Confluent schema registry that is read-only.

Deserializers ask by id, consoles and query engines by subject. Nothing is written here: that is
`/v1/schemas` and `/v1/definitions`. The routes answer from the instance's cache of schemas, so
asking often costs the database nothing. docs/other-readers.md has the whole list.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from saga_coordinator.api.facade import CoordinatorDep, Facade
from saga_coordinator.api.registry_answers import (
    PREFIX,
    READ_ONLY,
    SCHEMA_INVALID,
    SCHEMA_UNKNOWN,
    SUBJECT_UNKNOWN,
    VERSION_INVALID,
    VERSION_UNKNOWN,
    RegistryRefusal,
    RegistryRoute,
    answer,
    as_sent,
)
from saga_coordinator.registry.subjects import DEFAULT_CONTEXT, Subjects, SubjectVersion
from saga_schemas.errors import SchemaRefused
from saga_schemas.ids import parse_number
from saga_schemas.limits import INT32_MAX
from saga_schemas.schema import Schema

COMPATIBILITY: Final = "FULL_TRANSITIVE"
_LATEST: Final = ("latest", "-1")
_WRITES: Final = ("POST", "PUT", "PATCH", "DELETE")

router = APIRouter(prefix=PREFIX, route_class=RegistryRoute, include_in_schema=False)
T = TypeVar("T")


class Page(BaseModel):
    """Which part of a list.

    Parameters that are not known here are passed over, as Confluent's registry does.
    """

    offset: Annotated[int, Field(ge=0, le=INT32_MAX)] = 0
    limit: Annotated[int, Field(ge=-INT32_MAX, le=INT32_MAX)] = -1
    """Negative: all."""
    deletedOnly: bool = False
    """Nothing is ever deleted here."""

    def of(self, lines: list[T]) -> list[T]:
        if self.deletedOnly:
            return []
        return lines[self.offset :] if self.limit < 0 else lines[self.offset : self.offset + self.limit]


class SchemaSent(BaseModel):
    """A schema as a serializer sends it; what else it sends is not looked at."""

    model_config = ConfigDict(strict=True)

    document: str = Field(alias="schema")
    schemaType: str | None = None
    references: list[Any] | None = None


PageDep = Annotated[Page, Query()]


# --- by id ----------------------------------------------------------------------------------------


@router.get("/schemas/types")
async def types(request: Request) -> Response:
    """The kinds of schemas that are kept here."""
    return answer(request, ["AVRO"])


@router.get("/schemas/ids/{schema_id}")
async def by_id(coordinator: CoordinatorDep, request: Request, schema_id: str, fetchMaxId: bool = False) -> Response:
    """What every deserializer asks.

    `subject` is passed over: an id stands for one schema, whatever subject it is asked under.
    """
    schema = await _schema(coordinator, schema_id)
    said: dict[str, object] = {"schema": schema.canonical.decode()}
    if fetchMaxId:
        said["maxId"] = max(one.id for one in coordinator.definitions.catalog)
    return answer(request, said)


@router.get("/schemas/ids/{schema_id}/schema")
async def document_of_id(coordinator: CoordinatorDep, request: Request, schema_id: str) -> Response:
    """The document itself."""
    return as_sent(request, (await _schema(coordinator, schema_id)).canonical)


@router.get("/schemas/ids/{schema_id}/subjects")
async def subjects_of_id(
    coordinator: CoordinatorDep, request: Request, schema_id: str, page: PageDep, subject: str | None = None
) -> Response:
    """The subjects that have this schema."""
    found = await _of_id(coordinator, schema_id, subject)
    return answer(request, page.of([one.subject for one in found]))


@router.get("/schemas/ids/{schema_id}/versions")
async def versions_of_id(
    coordinator: CoordinatorDep, request: Request, schema_id: str, page: PageDep, subject: str | None = None
) -> Response:
    """The subjects that have this schema, each with the version that it is there."""
    found = await _of_id(coordinator, schema_id, subject)
    return answer(request, page.of([{"subject": one.subject, "version": one.version} for one in found]))


# --- by subject -----------------------------------------------------------------------------------


@router.get("/subjects")
async def subjects(coordinator: CoordinatorDep, request: Request, page: PageDep, subjectPrefix: str = "") -> Response:
    """The names of all subjects."""
    prefix = subjectPrefix.removeprefix(DEFAULT_CONTEXT).removesuffix(":*:")
    return answer(request, page.of([name for name in _subjects(coordinator).names() if name.startswith(prefix)]))


@router.get("/subjects/{subject}/versions")
async def versions(coordinator: CoordinatorDep, request: Request, subject: str, page: PageDep) -> Response:
    """The numbers of a subject's versions."""
    return answer(request, page.of([one.version for one in _versions(coordinator, subject)]))


@router.get("/subjects/{subject}/versions/{version}")
async def version_of_subject(coordinator: CoordinatorDep, request: Request, subject: str, version: str) -> Response:
    """One version; `latest` or `-1` is the newest."""
    return answer(request, _shown(_version(coordinator, subject, version)))


@router.get("/subjects/{subject}/versions/{version}/schema")
async def document_of_version(coordinator: CoordinatorDep, request: Request, subject: str, version: str) -> Response:
    """The document itself."""
    return as_sent(request, _version(coordinator, subject, version).document)


@router.get("/subjects/{subject}/versions/{version}/referencedby")
async def referenced_by(coordinator: CoordinatorDep, request: Request, subject: str, version: str) -> Response:
    """None, always: a schema stands here whole, with every type that it uses."""
    _version(coordinator, subject, version)
    return answer(request, [])


@router.post("/subjects/{subject}")
async def lookup(coordinator: CoordinatorDep, request: Request, subject: str, sent: SchemaSent) -> Response:
    """Whether this schema is here: a serializer with `auto.register.schemas=false` asks it."""
    return answer(request, _shown(_looked_up(coordinator, subject, sent)))


@router.post("/subjects/{subject}/versions")
async def register(coordinator: CoordinatorDep, request: Request, subject: str, sent: SchemaSent) -> Response:
    """The id of a schema that is here already; another one is refused."""
    try:
        found = _looked_up(coordinator, subject, sent)
    except RegistryRefusal as refusal:
        raise refusal if refusal.code == SCHEMA_INVALID[1] else RegistryRefusal(READ_ONLY) from None
    return answer(request, {"id": found.id})


# --- its settings ---------------------------------------------------------------------------------


@router.get("/config")
async def config(request: Request) -> Response:
    """What `saga schema add` checks, of every subject."""
    return answer(request, {"compatibilityLevel": COMPATIBILITY})


@router.get("/config/{subject}")
async def config_of_subject(coordinator: CoordinatorDep, request: Request, subject: str) -> Response:
    """As of all."""
    _versions(coordinator, subject)
    return answer(request, {"compatibilityLevel": COMPATIBILITY})


@router.get("/mode")
async def mode(request: Request) -> Response:
    """READONLY, always."""
    return answer(request, {"mode": "READONLY"})


@router.get("/mode/{subject}")
async def mode_of_subject(coordinator: CoordinatorDep, request: Request, subject: str) -> Response:
    """As of all."""
    _versions(coordinator, subject)
    return answer(request, {"mode": "READONLY"})


@router.get("/contexts")
async def contexts(request: Request, page: PageDep) -> Response:
    """The default context and no other."""
    return answer(request, page.of(["."]))


@router.get("")
@router.get("/")
async def root(request: Request) -> Response:
    """Something answers here: some clients ask this first."""
    return answer(request, {})


@router.get("/{rest:path}")
async def nothing(rest: str) -> Response:
    """Confluent has more than is here: what reads gets 404, what writes is refused."""
    raise HTTPException(404)


@router.api_route("/{rest:path}", methods=list(_WRITES))
async def write(rest: str) -> Response:
    raise RegistryRefusal(READ_ONLY)


# --- finding --------------------------------------------------------------------------------------


def _subjects(coordinator: Facade) -> Subjects:
    return Subjects(coordinator.definitions.schema_rows, coordinator.topics)


async def _schema(coordinator: Facade, text: str) -> Schema:
    """The schema of an id.

    Ours are positive in 32 bits: with a sign or without, an id is written the same.
    """
    number = parse_number(text, INT32_MAX)
    schema = None if number is None else await coordinator.definitions.schema(number)
    if schema is None:
        raise RegistryRefusal(SCHEMA_UNKNOWN)
    return schema


async def _of_id(coordinator: Facade, text: str, subject: str | None) -> list[SubjectVersion]:
    found = _subjects(coordinator).of_id((await _schema(coordinator, text)).id)
    return [one for one in found if subject in (None, one.subject)]


def _versions(coordinator: Facade, subject: str) -> tuple[SubjectVersion, ...]:
    found = _subjects(coordinator).versions(subject)
    if not found:
        raise RegistryRefusal(SUBJECT_UNKNOWN)
    return found


def _version(coordinator: Facade, subject: str, text: str) -> SubjectVersion:
    number = parse_number(text, INT32_MAX)
    if not number and text not in _LATEST:
        raise RegistryRefusal(VERSION_INVALID)
    found = _versions(coordinator, subject)
    one = found[-1] if text in _LATEST else next((one for one in found if one.version == number), None)
    if one is None:
        raise RegistryRefusal(VERSION_UNKNOWN)
    return one


def _looked_up(coordinator: Facade, subject: str, sent: SchemaSent) -> SubjectVersion:
    if sent.schemaType not in (None, "", "AVRO"):
        raise RegistryRefusal(SCHEMA_INVALID, "schemas here are AVRO")
    if sent.references:
        raise RegistryRefusal(SCHEMA_INVALID, "a schema stands here whole, without references")
    try:
        schema = Schema.parse_json(sent.document)
    except SchemaRefused as refused:
        raise RegistryRefusal(SCHEMA_INVALID, str(refused)) from None
    known = _subjects(coordinator)
    found = known.lookup(subject, schema.id)
    if found is None:
        raise RegistryRefusal(SCHEMA_UNKNOWN if known.takes_any(subject) or known.versions(subject) else SUBJECT_UNKNOWN)
    return found


def _shown(one: SubjectVersion) -> dict[str, object]:
    return {"subject": one.subject, "version": one.version, "id": one.id, "schema": one.document.decode()}
