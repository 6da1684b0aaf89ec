package barrier

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"payment-go/wire"
)

// Table makes the table where it is missing.
const Table = `CREATE TABLE IF NOT EXISTS saga_barrier (
    saga_id        uuid    NOT NULL,
    step           text    NOT NULL,
    tenant         text    NOT NULL,
    incarnation    integer NOT NULL,
    run            integer NOT NULL,
    state          text    NOT NULL CHECK (state IN ('ACCEPTED', 'DONE', 'REJECTED', 'FENCED', 'UNDONE')),
    undo_requested integer,
    action_command bytea, action_schema text, action_reply bytea,
    undo_schema    text,  undo_reply    bytea,
    progress_seq   bigint  NOT NULL DEFAULT 0,
    lease_until    bigint, reply_ctx    text,
    expires_at     bigint  NOT NULL,
    at             bigint  NOT NULL,
    PRIMARY KEY (saga_id, step)
)`

const now = "floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

// claim makes the row, provisionally, and waits for whoever is making the same one. Nothing comes back where it exists.
const claim = `INSERT INTO saga_barrier (saga_id, step, tenant, incarnation, run, state, expires_at, at)
    VALUES ($1, $2, $3, $4, $5, 'FENCED', $6, ` + now + `) ON CONFLICT (saga_id, step) DO NOTHING RETURNING at >= expires_at`

const lock = `SELECT tenant, incarnation, run, state, undo_requested, action_schema, action_reply, undo_schema, undo_reply,
    progress_seq, reply_ctx FROM saga_barrier WHERE saga_id = $1 AND step = $2 FOR UPDATE`

const save = `UPDATE saga_barrier SET incarnation = $3, run = $4, state = $5, undo_requested = $6, action_command = $7,
    action_schema = $8, action_reply = $9, undo_schema = $10, undo_reply = $11, progress_seq = $12, reply_ctx = $13,
    at = ` + now + ` WHERE saga_id = $1 AND step = $2`

// Row is what one row remembers.
type Row struct {
	Tenant           string
	Incarnation, Run int
	State            State
	Wish             *int       // while ACCEPTED: the run whose compensation waits for the end
	Action, Undo     wire.Value // the stored replies
	Seq              int64      // of the news of accepted work
	Waiting          *waiting   // while ACCEPTED
}

// waiting is what the end of accepted work has to know.
type waiting struct {
	Note   string
	Action wire.Command  // that was accepted
	Newest wire.Command  // that the coordinator waits for
	Undo   *wire.Command // the compensation that waits
}

// claimRow locks the row of the command. late is told where there was none: whether the command has expired.
func claimRow(ctx context.Context, tx pgx.Tx, c wire.Command) (row *Row, late bool, err error) {
	err = tx.QueryRow(ctx, claim, c.SagaID, c.Step, c.Tenant, c.Incarnation, c.Run, c.ExpiresAt).Scan(&late)
	if err == nil {
		return &Row{Tenant: c.Tenant, Incarnation: c.Incarnation}, late, nil
	}
	if errors.Is(err, pgx.ErrNoRows) {
		row, err = lockRow(ctx, tx, c.SagaID, c.Step)
	}
	return row, false, err
}

// lockRow reads a row and keeps it from everybody else until the end of the transaction.
func lockRow(ctx context.Context, tx pgx.Tx, sagaID, step string) (*Row, error) {
	row, context, action, undo := &Row{}, (*string)(nil), (*string)(nil), (*string)(nil)
	err := tx.QueryRow(ctx, lock, sagaID, step).Scan(&row.Tenant, &row.Incarnation, &row.Run, &row.State, &row.Wish,
		&action, &row.Action.Framed, &undo, &row.Undo.Framed, &row.Seq, &context)
	if err != nil {
		return nil, err
	}
	row.Action.Type, row.Undo.Type = text(action), text(undo)
	if row.State == Accepted {
		row.Waiting = &waiting{}
		err = json.Unmarshal([]byte(text(context)), row.Waiting)
	}
	return row, err
}

func saveRow(ctx context.Context, tx pgx.Tx, c wire.Command, row *Row) error {
	var command []byte
	var context *string
	if row.Waiting != nil {
		kept, err := json.Marshal(row.Waiting)
		if err != nil {
			return err
		}
		command, context = row.Waiting.Action.Value, null(string(kept))
	}
	_, err := tx.Exec(ctx, save, c.SagaID, c.Step, row.Incarnation, row.Run, row.State, row.Wish, command,
		null(row.Action.Type), row.Action.Framed, null(row.Undo.Type), row.Undo.Framed, row.Seq, context)
	return err
}

func null(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func text(column *string) string {
	if column == nil {
		return ""
	}
	return *column
}
