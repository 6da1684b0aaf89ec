"""`saga list QUERY`: what is asked, how many there are, and how a mistake is shown."""

from __future__ import annotations

from typing import Any

COUNT = "/v1/sagas/count"


def test_a_word_that_names_no_list_is_a_query(saga: Any, coordinator: Any) -> None:
    assert saga("list", "phase = RUNNING and key = 'o 1'", "--definition", "order").code == 0
    (asked,) = coordinator.asked
    assert (asked.path, asked.query["query"], asked.query["definition"]) == (
        "/v1/sagas",
        "phase = RUNNING and key = 'o 1'",
        "order",
    )


def test_sagas_are_listed_without_a_query(saga: Any, coordinator: Any) -> None:
    for words in (["list"], ["list", "sagas"]):
        assert saga(*words).code == 0
    assert [asked.query for asked in coordinator.asked] == [{"limit": "50"}] * 2


def test_only_their_number_is_asked_for(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", COUNT, {"count": 17, "more": False})
    coordinator.answer("GET", COUNT, {"count": 10_000, "more": True})
    told = saga("list", "open", "--count", "--attention")
    assert (told.code, told.out) == (0, "17\n")
    assert saga("list", "--count").out == "more than 10000\n"
    assert saga("list", "--count", "-o", "json").json == {"count": 10_000, "more": True}
    assert coordinator.asked[0].query == {"query": "open", "attention": "true"}


def test_participants_have_no_count(saga: Any, coordinator: Any) -> None:
    told = saga("list", "participants", "--count")
    assert told.code == 2
    assert "--count" in told.err
    assert coordinator.asked == []


def test_a_mistake_is_shown_in_its_place(saga: Any, coordinator: Any) -> None:
    refusal = {"detail": "there is no such field", "position": 9, "hint": "did you mean phase? fields are id"}
    coordinator.refuse("GET", "/v1/sagas", 422, "query_invalid", **refusal)
    told = saga("list", "open and phse = RUNNING")
    assert told.code == 2
    assert told.err.splitlines() == [
        "saga: query_invalid: there is no such field",
        "  open and phse = RUNNING",
        "           ^",
        "  did you mean phase? fields are id",
    ]


def test_a_mistake_in_a_long_query_is_shown_with_what_stands_around_it(saga: Any, coordinator: Any) -> None:
    query = " or ".join(["open"] * 40)
    coordinator.refuse("GET", "/v1/sagas", 422, "query_invalid", detail="no", position=200)
    _, shown, mark = saga("list", query).err.splitlines()
    assert shown == "  " + query[140:260]
    assert shown[mark.index("^")] == query[200]
