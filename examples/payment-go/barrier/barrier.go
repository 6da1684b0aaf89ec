// Package barrier makes a participant safe against repeated, late and reordered commands: one row per saga and step, in
// the same PostgreSQL transaction as the business effect. It knows no Kafka. Copy it, with package wire.
package barrier

import (
	"cmp"
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

// Step says which command a handler works on.
type Step struct {
	wire.Command
	ActionReply wire.Value // of a compensation: what the action had answered
}

// Key is the idempotency key, the same for all attempts of a run: hand it to third parties.
func (s Step) Key() string { return fmt.Sprintf("%s/%s/%s/%d", s.SagaID, s.Step, s.Kind, s.Run) }

// Work does what a command asks, inside the barrier's transaction. It returns the reply, or an *Ending. After any other
// error this attempt failed, without effect.
type Work func(ctx context.Context, db pgx.Tx, step Step) (wire.Value, error)

// Handler reads a command's value and gives the work to do. Its error is a *wire.Bad.
type Handler func(c wire.Command) (Work, error)

// Reads makes a handler of what works on a record of this schema.
func Reads[T any](schema *wire.Schema, do func(context.Context, pgx.Tx, Step, T) (wire.Value, error)) Handler {
	return func(c wire.Command) (Work, error) {
		var command T
		err := schema.Decode(c.Value, &command)
		return func(ctx context.Context, db pgx.Tx, step Step) (wire.Value, error) {
			return do(ctx, db, step, command)
		}, err
	}
}

// Ending is an error by which work ends in another way than with its reply.
type Ending struct {
	Outcome wire.Outcome
	Value   wire.Value
}

func (e *Ending) Error() string { return "it ends " + string(e.Outcome) }

// Reject is a definite no for business reasons.
func Reject(code, message string) *Ending {
	return &Ending{wire.Rejected, wire.Failure(code, message, 0)}
}

// Fail is a technical failure with a code; any other error is one too.
func Fail(code, message string) *Ending { return &Ending{wire.Failed, wire.Failure(code, message, 0)} }

// Accept says that an action's answer comes later, by End. Whatever ends the work has to be in the database.
func Accept(note string) *Ending { return &Ending{wire.InProgress, wire.Progress(note)} }

// errNothingKept rolls a transaction back after which the row stays what it was.
var errNothingKept = errors.New("nothing is kept")

var readCommitted = pgx.TxOptions{IsoLevel: pgx.ReadCommitted}

// Barrier serves the commands of one participant.
type Barrier struct {
	DB       *pgxpool.Pool
	Handlers map[string]map[string]Handler // by the command's kind, then by the full name of its record
	Limit    time.Duration                 // for one handler
}

// Handle serves a command and gives what may be answered: the transaction has ended by then. Without an answer nothing
// may be said. After an error nobody knows what happened: serve the command again, the row will tell.
func (b *Barrier) Handle(ctx context.Context, c wire.Command) (answer *wire.Answer, err error) {
	work, err := b.work(c)
	if bad, is := errors.AsType[*wire.Bad](err); is {
		return bad.Answer(c), nil
	}
	err = pgx.BeginTxFunc(ctx, b.DB, readCommitted, func(tx pgx.Tx) error {
		row, err := readRow(ctx, tx, claim, c.SagaID, c.Step, c.Tenant, c.Incarnation, c.ExpiresAt)
		if err != nil {
			return err
		}
		if row.Tenant != c.Tenant || row.Incarnation > c.Incarnation {
			return errNothingKept
		}
		if answer, err = b.serve(ctx, tx, row, c, work); err != nil {
			return err
		}
		if row.State == Absent { // after EXPIRED and FAILED
			return errNothingKept
		}
		return row.save(ctx, tx, c.SagaID, c.Step)
	})
	refused, isRefused := errors.AsType[*pgconn.PgError](err)
	switch {
	case errors.Is(err, errNothingKept):
		return answer, nil
	case answer == nil || !isRefused || isCollision(err):
		return answer, err
	case c.Kind == wire.Resolve: // it cannot fail
		return nil, nil
	}
	failed := ending(wire.Value{}, refused) // it was rolled back for certain
	return &wire.Answer{To: c, Outcome: failed.Outcome, Value: failed.Value}, nil
}

// End records what becomes of accepted work. The handler works on the action's command, in the barrier's transaction.
// keep keeps the answer in it, to the newest command that waits: send that until it is acknowledged. No answer: nobody
// waits, since the row was fenced, or ended, or is of another run.
func (b *Barrier) End(
	ctx context.Context, sagaID, step string, run int, handler Handler, keep func(pgx.Tx, *wire.Answer) error,
) error {
	return pgx.BeginTxFunc(ctx, b.DB, readCommitted, func(tx pgx.Tx) error {
		row, err := readRow(ctx, tx, lock, sagaID, step)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && (row.State != Accepted || row.Run != run) {
			return keep(tx, nil)
		} else if err != nil {
			return err
		}
		waiting := row.Waiting
		work, err := handler(waiting.Action)
		if err != nil {
			return err
		}
		ended, err := b.run(ctx, tx, work, Step{Command: waiting.Action})
		if err != nil {
			return err
		}
		if ended.Outcome != wire.Succeeded && ended.Outcome != wire.Rejected {
			return ended
		}
		row.State, row.Action, row.Waiting = becomes[ended.Outcome], ended.Value, nil
		next := cmp.Or(waiting.Undo, &waiting.Newest) // decided at once, by the same table
		work, err = b.work(*next)
		if err != nil {
			return err
		}
		answer, err := b.serve(ctx, tx, row, *next, work)
		if err != nil {
			return err
		}
		return errors.Join(keep(tx, answer), row.save(ctx, tx, sagaID, step))
	})
}

func (b *Barrier) work(c wire.Command) (Work, error) {
	if c.Kind == wire.Resolve {
		return nil, nil
	}
	if handler := b.Handlers[c.Kind][c.Type]; handler != nil {
		return handler(c)
	}
	return nil, &wire.Bad{Reason: "record_mismatch", Detail: "nobody handles " + c.Type, Outcome: wire.Unsupported}
}

// becomes is what the row becomes by the end of a handler. FAILED, and REJECTED to a compensation, leave it.
var becomes = map[wire.Outcome]State{
	wire.Succeeded: Done, wire.Rejected: Rejected, wire.InProgress: Accepted, wire.Undone: Undone,
}

// serve does what the table says, and changes the row. After its error the transaction is worth nothing.
func (b *Barrier) serve(ctx context.Context, tx pgx.Tx, row *Row, c wire.Command, work Work) (*wire.Answer, error) {
	if cell := row.decide(c); cell != handle {
		return row.answer(c, cell), nil
	}
	began := time.Now()
	ended, err := b.run(ctx, tx, work, Step{Command: c, ActionReply: row.Action})
	if err != nil {
		return nil, err
	}
	answer := &wire.Answer{To: c, Outcome: ended.Outcome, Value: ended.Value, Handler: time.Since(began)}
	switch {
	case ended.Outcome == wire.Failed:
	case c.Kind == wire.Action:
		row.State, row.Run, row.Action, row.Undo = becomes[ended.Outcome], c.Run, ended.Value, wire.Value{}
		if row.State == Accepted {
			row.Waiting, answer.Seq = &waiting{Action: c, Newest: c}, 1
		}
	case ended.Outcome == wire.Succeeded:
		answer.Outcome = wire.Undone
		row.State, row.Run, row.Undo = Undone, c.Run, ended.Value
	}
	return answer, nil
}

// run does the work in a savepoint, which goes with a no and with a failure: the row is kept whatever the handler did.
func (b *Barrier) run(ctx context.Context, tx pgx.Tx, work Work, step Step) (ended *Ending, err error) {
	err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		value, err := b.limited(ctx, savepoint, work, step)
		if isCollision(err) || tx.Conn().IsClosed() {
			return errors.Join(errors.New("the transaction is lost"), err)
		}
		ended = ending(value, err)
		if ended.Outcome == wire.InProgress && step.Kind != wire.Action {
			ended = Fail("not_accepted", "only an action is answered later")
		}
		if ended.Outcome == wire.Rejected || ended.Outcome == wire.Failed {
			return ended
		}
		return nil
	})
	if err != nil && !errors.Is(err, ended) { // it is not the work that went wrong
		return nil, err
	}
	return ended, nil
}

func (b *Barrier) limited(ctx context.Context, db pgx.Tx, work Work, step Step) (value wire.Value, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.Limit)
	defer cancel()
	defer func() {
		if recover() != nil {
			err = Fail("panic", "the handler panicked")
		}
	}()
	value, err = work(ctx, db, step)
	if err != nil && ctx.Err() != nil {
		err = Fail("handler_timeout", fmt.Sprintf("it took longer than its limit of %s", b.Limit))
	}
	return value, err
}

// isCollision: the database rolled back in favour of another transaction, which is nobody's failure.
func isCollision(err error) bool {
	refused, is := errors.AsType[*pgconn.PgError](err)
	return is && strings.HasPrefix(refused.Code, "40")
}

// ending gives what work has come to. It never repeats an error's text, which may hold personal data.
func ending(value wire.Value, err error) *Ending {
	if err == nil {
		return &Ending{wire.Succeeded, value}
	}
	if ended, is := errors.AsType[*Ending](err); is {
		return ended
	}
	if refused, is := errors.AsType[*pgconn.PgError](err); is {
		return Fail("database_"+refused.Code, "the database refused a statement")
	}
	return Fail("error", fmt.Sprintf("%T", err))
}
