package barrier

import (
	"cmp"
	"context"
	_ "embed"
	"slices"

	"github.com/jackc/pgx/v5"

	"payment-go/wire"
)

// Table makes the table where it is missing.
//
//go:embed table.sql
var Table string

const now = "floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

// columns are what readRow reads. A row of run 0 was made by this transaction: there was none.
const columns = `tenant, incarnation, run, CASE run WHEN 0 THEN '' ELSE state END, run = 0 AND at >= expires_at,
    coalesce(action_schema, ''), action_reply, coalesce(undo_schema, ''), undo_reply, reply_ctx::jsonb`

// claim locks the row. Where there is none it makes one, provisionally, and waits for whoever is making the same one.
const claim = `INSERT INTO saga_barrier AS found (saga_id, step, tenant, incarnation, run, state, expires_at, at)
    VALUES ($1, $2, $3, $4, 0, 'FENCED', $5, ` + now + `)
    ON CONFLICT (saga_id, step) DO UPDATE SET incarnation = greatest(found.incarnation, excluded.incarnation)
    RETURNING ` + columns

const lock = "SELECT " + columns + " FROM saga_barrier WHERE saga_id = $1 AND step = $2 FOR UPDATE"

const save = `UPDATE saga_barrier SET run = $3, state = $4, action_schema = nullif($5, ''), action_reply = $6,
    undo_schema = nullif($7, ''), undo_reply = $8, reply_ctx = $9::jsonb, at = ` + now + `
    WHERE saga_id = $1 AND step = $2`

// Row is what one row remembers.
type Row struct {
	Tenant           string
	Incarnation, Run int
	State            State
	Expired          bool       // there was no row, and the command has expired
	Action, Undo     wire.Value // the stored replies; while ACCEPTED: of the action's IN_PROGRESS
	Waiting          *waiting   // while ACCEPTED
}

// waiting is what the end of accepted work has to know.
type waiting struct {
	Action wire.Command  // that was accepted
	Newest wire.Command  // that the coordinator waits for
	Undo   *wire.Command // the compensation that waits
}

// readRow reads the row that a statement locks: nobody else has it until the end of the transaction.
func readRow(ctx context.Context, tx pgx.Tx, statement string, arguments ...any) (row *Row, err error) {
	row = &Row{}
	return row, tx.QueryRow(ctx, statement, arguments...).Scan(&row.Tenant, &row.Incarnation, &row.Run, &row.State,
		&row.Expired, &row.Action.Type, &row.Action.Framed, &row.Undo.Type, &row.Undo.Framed, &row.Waiting)
}

func (row *Row) save(ctx context.Context, tx pgx.Tx, sagaID, step string) error {
	_, err := tx.Exec(ctx, save, sagaID, step, row.Run, row.State,
		row.Action.Type, row.Action.Framed, row.Undo.Type, row.Undo.Framed, row.Waiting)
	return err
}

// decide finds the cell of the table.
func (row *Row) decide(c wire.Command) cell {
	if row.Expired {
		return expired
	}
	return table[found{row.State, c.Kind}][1+cmp.Compare(c.Run, row.Run)]
}

// answer changes the row as a cell says that runs no handler, and says what the row remembers.
func (row *Row) answer(c wire.Command, cell cell) *wire.Answer {
	answer := &wire.Answer{To: c, Outcome: cell.outcome}
	switch {
	case cell == expired:
		return answer
	case cell == inProgress:
		answer.Value, answer.Seq = row.Action, 1 // accepting it was the only news
		row.note(c)
		return answer
	case cell == undone:
		answer.Value = row.Undo
	case c.Kind != wire.Compensation && (cell == succeeded || cell == rejected):
		answer.Value = row.Action
	}
	if cell == succeeded && row.Run > c.Run {
		answer.RowRun = row.Run
	}
	row.Run = max(row.Run, c.Run)
	if cell.state != "" {
		row.State, row.Waiting = cell.state, nil
	}
	return answer
}

// note keeps what the end of accepted work will answer: the newest command of the row's run or a later one.
func (row *Row) note(c wire.Command) {
	newest, undo := &row.Waiting.Newest, row.Waiting.Undo
	if c.Run < row.Run {
		return
	}
	if c.Kind == wire.Compensation && (undo == nil || c.Run > undo.Run || c.Run == undo.Run && newer(c, *undo)) {
		row.Waiting.Undo = &c
	}
	if newer(c, *newest) {
		*newest = c
	}
}

// newer tells whether the coordinator decided c after the other, in whatever order they came.
func newer(c, other wire.Command) bool {
	return slices.Compare([]int{c.Incarnation, c.Version, c.Attempt},
		[]int{other.Incarnation, other.Version, other.Attempt}) > 0
}
