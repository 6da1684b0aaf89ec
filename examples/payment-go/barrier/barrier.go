package barrier

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"payment-go/wire"
)

// schemaPatience: a command in an unknown schema is asked again so late, since somebody has to deploy something.
const schemaPatience = 30 * time.Second

// Step says which command a handler works on.
type Step struct {
	wire.Command
	ActionReply wire.Value // of a compensation: what the action had answered
}

// Key is the idempotency key, the same for all attempts of a run: hand it to third parties.
func (s Step) Key() string { return fmt.Sprintf("%s/%s/%s/%d", s.SagaID, s.Step, s.Kind, s.Run) }

// Work does what a command asks, inside the barrier's transaction. It returns the reply; a *Rejection; an *Acceptance;
// or any other error: this attempt failed, without effect.
type Work func(ctx context.Context, db pgx.Tx, step Step) (wire.Value, error)

// Handler reads a command's value and gives the work to do. Its error is a *wire.Bad.
type Handler func(c wire.Command) (Work, error)

// Rejection is a definite no for business reasons.
type Rejection struct{ Code, Message string }

func (r *Rejection) Error() string { return r.Code }

// Failure is a technical failure with a code; any other error is one too.
type Failure struct {
	Code, Message string
	Retry         time.Duration // not before; 0 leaves it to the coordinator
}

func (f *Failure) Error() string { return f.Code }

// Acceptance says that the answer comes later, by End. Whatever ends the work has to be in the database.
type Acceptance struct{ Note string }

func (a *Acceptance) Error() string { return "accepted" }

// ErrNotWaiting tells that nobody waits for this answer: the row was fenced, or ended, or is of another run.
var ErrNotWaiting = errors.New("nobody waits for this answer")

// errGone is among the errors after which the transaction is worth nothing.
var errGone = errors.New("the transaction is lost")

// Barrier serves the commands of one participant.
type Barrier struct {
	DB                     *pgxpool.Pool
	Actions, Compensations map[string]Handler // by the full name of the command's record
	Limit                  time.Duration      // for one handler
	Fenceable              bool               // accepted work has no effect before End: a RESOLVE may forbid it
}

// Handle serves a command and gives what may be answered: the transaction has ended by then. Without an answer nothing
// may be said. After an error nobody knows what happened: serve the command again, the row will tell.
func (b *Barrier) Handle(ctx context.Context, c wire.Command) (*wire.Answer, error) {
	work, err := b.work(c)
	if bad := (*wire.Bad)(nil); errors.As(err, &bad) {
		return b.Unreadable(c, bad), nil
	}
	tx, err := b.DB.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return nil, err
	}
	defer rollback(ctx, tx)
	row, late, err := claimRow(ctx, tx, c)
	if err != nil || row.Tenant != c.Tenant || c.Incarnation < row.Incarnation {
		return nil, err
	}
	answer, err := b.serve(ctx, tx, row, c, work, late)
	if err != nil {
		return nil, err
	}
	if row.State == Absent { // EXPIRED or FAILED: there is to be no row
		return answer, nil
	}
	err = commit(ctx, tx, c, row)
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && !isCollision(err) { // rolled back for certain
		if c.Kind == wire.Resolve { // it cannot fail
			return nil, nil
		}
		failure := failureOf(err)
		return &wire.Answer{To: c, Outcome: wire.Failed, Value: wire.Failure(failure.Code, failure.Message, 0)}, nil
	}
	return answer, err
}

// End records what becomes of accepted work: result is done in the barrier's transaction, and keep keeps the answer in
// it, to the newest command that waits. Send that until it is acknowledged.
func (b *Barrier) End(
	ctx context.Context, sagaID, step string, run int, result Work, keep func(pgx.Tx, *wire.Answer) error,
) error {
	tx, err := b.DB.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return err
	}
	defer rollback(ctx, tx)
	row, err := lockRow(ctx, tx, sagaID, step)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && (row.State != Accepted || row.Run != run || row.Waiting == nil) {
		return ErrNotWaiting
	} else if err != nil {
		return err
	}
	waiting, wish := row.Waiting, row.Wish
	value, err := b.protected(ctx, tx, result, Step{Command: waiting.Action})
	if no := (*Rejection)(nil); errors.As(err, &no) {
		row.State, row.Action = Rejected, wire.Failure(no.Code, no.Message, 0)
	} else if err != nil {
		return err
	} else {
		row.State, row.Action = Done, value
	}
	row.Waiting, row.Wish = nil, nil
	next := waiting.Newest
	if wish != nil && waiting.Undo != nil { // decided at once, by the same table
		next = *waiting.Undo
	}
	work, err := b.work(next)
	if err != nil {
		return err
	}
	answer, err := b.serve(ctx, tx, row, next, work, false)
	if err != nil {
		return err
	}
	if err := keep(tx, answer); err != nil {
		return err
	}
	return commit(ctx, tx, next, row)
}

// Unreadable is said to a command that cannot be read. One that is handled here, in a schema that is not known here, is a
// matter of who was deployed first: it is asked again. Anything else will never be read here.
func (b *Barrier) Unreadable(c wire.Command, bad *wire.Bad) *wire.Answer {
	if b.Handles(c) && (bad.Reason == "unknown_schema" || bad.Reason == "schema_mismatch") {
		return &wire.Answer{To: c, Outcome: wire.Failed, Value: wire.Failure(bad.Reason, bad.Detail, schemaPatience)}
	}
	return &wire.Answer{To: c, Outcome: wire.Unsupported}
}

// Handles tells whether there is a handler for the command's record.
func (b *Barrier) Handles(c wire.Command) bool { return b.handler(c) != nil }

func (b *Barrier) handler(c wire.Command) Handler {
	switch c.Kind {
	case wire.Action:
		return b.Actions[c.Type]
	case wire.Compensation:
		return b.Compensations[c.Type]
	}
	return nil
}

func (b *Barrier) work(c wire.Command) (Work, error) {
	if c.Kind == wire.Resolve {
		return nil, nil
	}
	if handler := b.handler(c); handler != nil {
		return handler(c)
	}
	return nil, &wire.Bad{Reason: "record_mismatch", Detail: "nobody handles " + c.Type, Answerable: true}
}

// serve does what the table says, and changes the row.
func (b *Barrier) serve(
	ctx context.Context, tx pgx.Tx, row *Row, c wire.Command, work Work, late bool,
) (*wire.Answer, error) {
	row.Incarnation = max(row.Incarnation, c.Incarnation)
	answer := &wire.Answer{To: c}
	cell := decide(row, c, late, b.Fenceable)
	if cell.task == say {
		answer.Outcome = cell.outcome
		row.remember(c, cell, answer)
		return answer, nil
	}
	began := time.Now()
	value, err := b.protected(ctx, tx, work, Step{Command: c, ActionReply: row.Action})
	answer.Handler = time.Since(began)
	if errors.Is(err, errGone) {
		return nil, err
	}
	var no *Rejection
	var later *Acceptance
	switch {
	case errors.As(err, &no):
		answer.Outcome, answer.Value = wire.Rejected, wire.Failure(no.Code, no.Message, 0)
		if cell.task == act {
			*row = Row{row.Tenant, row.Incarnation, c.Run, Rejected, nil, answer.Value, wire.Value{}, 0, nil}
		}
	case errors.As(err, &later) && cell.task == act:
		*row = Row{row.Tenant, row.Incarnation, c.Run, Accepted, nil, wire.Value{}, wire.Value{}, 1,
			&waiting{Note: later.Note, Action: c, Newest: c}}
		answer.Outcome, answer.Value, answer.Seq = wire.InProgress, wire.Progress(later.Note), 1
	case err != nil:
		failure := failureOf(err)
		answer.Outcome, answer.Value = wire.Failed, wire.Failure(failure.Code, failure.Message, failure.Retry)
	case cell.task == act:
		*row = Row{row.Tenant, row.Incarnation, c.Run, Done, nil, value, wire.Value{}, 0, nil}
		answer.Outcome, answer.Value = wire.Succeeded, value
	default:
		row.State, row.Run, row.Undo = Undone, max(row.Run, c.Run), value
		answer.Outcome, answer.Value = wire.Undone, value
	}
	return answer, nil
}

// remember changes the row as a cell says that runs no handler, and gives the answer what the row remembers.
func (row *Row) remember(c wire.Command, cell cell, answer *wire.Answer) {
	switch cell.outcome {
	case wire.Expired:
		return
	case wire.InProgress:
		answer.Value, answer.Seq = wire.Progress(row.Waiting.Note), row.Seq
		row.noteAsker(c)
		return
	case wire.Succeeded:
		if c.Kind != wire.Compensation { // an effect of a newer run is told, not shown
			answer.Value = row.Action
		}
		if row.Run > c.Run {
			answer.RowRun = row.Run
		}
	case wire.Rejected:
		answer.Value = row.Action
	case wire.Undone:
		answer.Value = row.Undo
	}
	row.Run = max(row.Run, c.Run)
	if cell.state != "" {
		row.State, row.Wish, row.Waiting = cell.state, nil, nil
	}
}

// noteAsker keeps what the end of accepted work will answer: the newest command of the row's run or a later one.
func (row *Row) noteAsker(c wire.Command) {
	if c.Run < row.Run {
		return
	}
	if c.Kind == wire.Compensation && (row.Wish == nil || c.Run > *row.Wish) {
		row.Wish, row.Waiting.Undo = &c.Run, &c
	} else if c.Kind == wire.Compensation && c.Run == *row.Wish && c.Newer(*row.Waiting.Undo) {
		row.Waiting.Undo = &c
	}
	if c.Newer(row.Waiting.Newest) {
		row.Waiting.Newest = c
	}
}

// protected runs work in a savepoint, which goes with its errors: the row is kept whatever the handler did.
func (b *Barrier) protected(ctx context.Context, tx pgx.Tx, work Work, step Step) (value wire.Value, err error) {
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return value, errors.Join(errGone, err)
	}
	value, err = b.limited(ctx, savepoint, work, step)
	if later := (*Acceptance)(nil); err == nil || errors.As(err, &later) {
		if failed := savepoint.Commit(ctx); failed != nil {
			return value, errors.Join(errGone, failed)
		}
		return value, err
	}
	if failed := savepoint.Rollback(ctx); failed != nil || isCollision(err) {
		return value, errors.Join(errGone, err, failed)
	}
	return value, err
}

func (b *Barrier) limited(ctx context.Context, db pgx.Tx, work Work, step Step) (value wire.Value, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.Limit)
	defer cancel()
	defer func() {
		if found := recover(); found != nil {
			err = &Failure{Code: "panic", Message: "the handler panicked"}
		}
	}()
	value, err = work(ctx, db, step)
	if err != nil && ctx.Err() != nil {
		err = &Failure{Code: "handler_timeout", Message: fmt.Sprintf("it took longer than its limit of %s", b.Limit)}
	}
	return value, err
}

// isCollision: the database rolled back in favour of another transaction, which is nobody's failure.
func isCollision(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && strings.HasPrefix(refused.Code, "40")
}

// failureOf never repeats an error's text, which may hold personal data.
func failureOf(err error) *Failure {
	var failure *Failure
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &failure):
		return failure
	case errors.As(err, &refused):
		return &Failure{Code: "database_" + refused.Code, Message: "the database refused a statement"}
	}
	return &Failure{Code: "error", Message: fmt.Sprintf("%T", err)}
}

func commit(ctx context.Context, tx pgx.Tx, c wire.Command, row *Row) error {
	if err := saveRow(ctx, tx, c, row); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = tx.Rollback(ctx)
}
