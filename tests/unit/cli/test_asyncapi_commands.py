"""`def asyncapi` and `participant asyncapi`: documents for the tools that people have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.asyncapi_schema import faults
from support.paths import DEMO, ROOT

ORDER = str(DEMO / "order.saga.yaml")


def test_files_make_the_coordinators_document(saga: Any) -> None:
    told = saga("def", "asyncapi", ORDER, str(ROOT / "examples" / "order.saga.yaml"), "--topic-prefix", "eu.")

    assert told.code == 0
    assert faults(told.json) == []
    assert "eu.saga.cmd.payment" in {channel["address"] for channel in told.json["channels"].values()}


def test_what_a_definition_asks_is_what_the_participant_offers(saga: Any) -> None:
    wanted = saga("def", "asyncapi", ORDER, "--participant", "payment").json
    offered = saga("participant", "asyncapi", "saga_demo.payment:payment").json

    assert faults(wanted) == faults(offered) == []
    assert wanted["operations"].keys() == offered["operations"].keys()
    assert wanted["components"]["schemas"].items() <= offered["components"]["schemas"].items()
    assert {name: one["address"] for name, one in wanted["channels"].items()} == {
        name: one["address"] for name, one in offered["channels"].items()
    }


def test_without_a_file_the_coordinator_is_asked(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/asyncapi", {"asyncapi": "3.0.0", "info": {"title": "all"}})
    coordinator.answer("GET", "/v1/asyncapi/payment", {"asyncapi": "3.0.0", "info": {"title": "one"}})

    assert saga("def", "asyncapi").json["info"] == {"title": "all"}
    assert saga("def", "asyncapi", "--participant", "payment").json["info"] == {"title": "one"}


def test_a_participant_that_no_step_has_is_not_found(saga: Any) -> None:
    told = saga("def", "asyncapi", ORDER, "--participant", "nobody")

    assert (told.code, told.err) == (4, "saga: no step has the participant 'nobody'\n")


def test_a_definition_with_errors_has_no_document(saga: Any, tmp_path: Path) -> None:
    (tmp_path / "order.saga.yaml").write_text(Path(ORDER).read_text().replace("saga: order", "saga: Order"))

    told = saga("def", "asyncapi", str(tmp_path / "order.saga.yaml"))

    assert told.code == 1
    assert "has findings" in told.err


@pytest.mark.parametrize("command", [("def", "asyncapi", ORDER), ("participant", "asyncapi", "saga_demo.payment:payment")])
def test_a_prefix_that_topics_may_not_have_is_refused(saga: Any, command: tuple[str, ...]) -> None:
    told = saga(*command, "--topic-prefix", "a/b")

    assert told.code == 2
    assert "a topic prefix has" in told.err


def test_a_participant_says_its_version_and_its_prefix(saga: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_TOPIC_PREFIX", "eu.")

    document = saga("participant", "asyncapi", "saga_demo.payment:payment", "--version", "1.4.0").json

    assert document["info"]["version"] == "1.4.0"
    assert document["channels"]["replies.payment"]["address"] == "eu.saga.reply.payment"
