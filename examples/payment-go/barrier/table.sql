-- The table of docs/wire.md#the-barrier. What is kept for accepted work stands in reply_ctx, as JSON.
CREATE TABLE IF NOT EXISTS saga_barrier (
    saga_id        uuid    NOT NULL,
    step           text    NOT NULL,
    tenant         text    NOT NULL,
    incarnation    integer NOT NULL,             -- the highest seen; lower ones are refused
    run            integer NOT NULL,             -- never falls
    state          text    NOT NULL CHECK (state IN ('ACCEPTED', 'DONE', 'REJECTED', 'FENCED', 'UNDONE')),
    undo_requested integer,                      -- while ACCEPTED: the run whose compensation waits for the end
    action_command bytea, action_schema text, action_reply bytea,
    undo_schema    text,  undo_reply    bytea,
    progress_seq   bigint  NOT NULL DEFAULT 0,
    lease_until    bigint, reply_ctx    text,
    expires_at     bigint  NOT NULL,             -- of the command that made the row
    at             bigint  NOT NULL,
    PRIMARY KEY (saga_id, step)
);
