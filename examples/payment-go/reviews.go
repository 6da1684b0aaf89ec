package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payment-go/barrier"
	"payment-go/participant"
	"payment-go/wire"
)

const reviewEvery = 100 * time.Millisecond

// review accepts a charge: its answer comes later. The row in reviews is what ends it, whichever process lives.
func (p *payment) review(ctx context.Context, db pgx.Tx, step barrier.Step) error {
	due := time.Now().Add(time.Duration(p.given.number("PAYMENT_REVIEW_MS")) * time.Millisecond)
	_, err := db.Exec(ctx, "INSERT INTO reviews VALUES ($1, $2, $3, $4)", step.SagaID, step.Step, step.Run, due)
	if err != nil {
		return err
	}
	return barrier.Accept("the bank reviews this charge")
}

// endReviews ends the reviews that are due and sends their answers, until ctx ends. Any instance ends any review.
func (p *payment) endReviews(ctx context.Context, instance *participant.Participant) {
	for ctx.Err() == nil {
		ended := each(ctx, p.db, "SELECT saga_id::text, step, run FROM reviews WHERE due_at <= now() LIMIT 20",
			func(due review) error { return p.end(ctx, instance.Barrier, due) })
		sent := each(ctx, p.db, "SELECT id, answer FROM late_answers ORDER BY id LIMIT 20", func(late lateAnswer) error {
			if !instance.Reply(ctx, late.Answer) {
				return nil
			}
			_, err := p.db.Exec(ctx, "DELETE FROM late_answers WHERE id = $1", late.ID)
			return err
		})
		if err := errors.Join(ended, sent); err != nil && ctx.Err() == nil {
			slog.Warn("reviews wait", "error", err)
			participant.Sleep(ctx, time.Second)
		}
		participant.Sleep(ctx, reviewEvery)
	}
}

type review struct {
	SagaID, Step string
	Run          int
}

type lateAnswer struct {
	ID     int64
	Answer wire.Answer
}

// each does something for each row of a query.
func each[T any](ctx context.Context, db *pgxpool.Pool, query string, do func(T) error) error {
	rows, _ := db.Query(ctx, query) // CollectRows gives its error
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	for _, row := range found {
		err = errors.Join(err, do(row))
	}
	return err
}

// end charges at last. Its answer goes from late_answers until it is acknowledged: one that is lost is asked for only
// after the step's heartbeat.
func (p *payment) end(ctx context.Context, served *barrier.Barrier, due review) error {
	return served.End(ctx, due.SagaID, due.Step, due.Run, barrier.Reads(chargeCardSchema, p.chargeNow),
		func(db pgx.Tx, answer *wire.Answer) error {
			_, err := db.Exec(ctx, "DELETE FROM reviews WHERE saga_id = $1 AND step = $2 AND run = $3",
				due.SagaID, due.Step, due.Run)
			if err == nil && answer != nil {
				_, err = db.Exec(ctx, "INSERT INTO late_answers (answer) VALUES ($1)", answer)
			}
			return err
		})
}
