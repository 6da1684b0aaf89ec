"""What a statement leads to, by its text: the end of the transaction, a change of how it goes, or a
rest in the session.
"""

from __future__ import annotations

import pytest

from saga_participant.database.guard import StatementEffect, effect_of

ENDS = [
    "COMMIT",
    " commit work;",
    "/* done */ -- really\n COMMIT",
    "; END",
    "ROLLBACK",
    "rollback and chain",
    "ABORT",
    "BEGIN IMMEDIATE",
    "START TRANSACTION",
    "PREPARE TRANSACTION 'x'",
]
LEAVES = [
    "SET search_path TO other",
    "set session statement_timeout = 0",
    "SET ROLE nobody",
    "RESET ALL",
    "LISTEN news",
    "PREPARE mine AS SELECT 1",
    "CREATE TEMP TABLE t (n int)",
    "SELECT pg_advisory_lock(1)",
    "SELECT set_config('search_path', 'other', false)",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
]
CHANGES = [
    "SET LOCAL statement_timeout = 0",
    "/* now */ set constraints all immediate",
    "INSERT INTO t VALUES (1); COMMIT",
    "INSERT INTO t VALUES (1);-- and then\nCOMMIT;",
    "INSERT INTO t VALUES ('one; two')",
]
NOTHING = [
    "SELECT 1",
    "UPDATE t SET a = 1",
    "INSERT INTO endings VALUES (1)",
    "INSERT INTO t VALUES (1); ;\n-- done\n",
    "UPDATE t SET a = 1 /* b */;",
    "SAVEPOINT a",
    "RELEASE SAVEPOINT a",
    "ROLLBACK TO a",
    "ROLLBACK TRANSACTION TO SAVEPOINT a",
    "SELECT pg_advisory_xact_lock(1)",
    "WITH beginning AS (SELECT 1) SELECT * FROM beginning",
]


@pytest.mark.parametrize("statement", ENDS)
def test_the_end_of_a_transaction(statement: str) -> None:
    assert effect_of(statement) is StatementEffect.ENDS_TRANSACTION
    assert effect_of(statement + " " * 5000) is StatementEffect.ENDS_TRANSACTION


@pytest.mark.parametrize("statement", LEAVES)
def test_a_rest_in_the_session(statement: str) -> None:
    assert effect_of(statement) is StatementEffect.CHANGES_SESSION


@pytest.mark.parametrize("statement", CHANGES)
def test_a_change_of_the_transaction_itself(statement: str) -> None:
    assert effect_of(statement) is StatementEffect.CHANGES_TRANSACTION


@pytest.mark.parametrize("statement", NOTHING)
def test_neither(statement: str) -> None:
    assert effect_of(statement) is StatementEffect.NOTHING


def test_comments_in_front_of_a_statement_cost_what_their_length_does() -> None:
    comments = "/* a */ /**/ -- b\n" * 1000
    assert effect_of(comments + "SELECT 1") is StatementEffect.NOTHING
    assert effect_of(comments + "COMMIT") is StatementEffect.ENDS_TRANSACTION
