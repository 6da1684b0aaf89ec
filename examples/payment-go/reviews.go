package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"payment-go/barrier"
	"payment-go/participant"
	"payment-go/wire"
)

const reviewEvery = 100 * time.Millisecond

// endReviews ends the reviews that are due and sends their answers, until ctx ends. Any instance ends any review.
func (p *payment) endReviews(ctx context.Context, served *barrier.Barrier, sender *participant.Participant) {
	for ctx.Err() == nil {
		if err := errors.Join(p.endDue(ctx, served), p.sendAnswers(ctx, sender)); err != nil && ctx.Err() == nil {
			slog.Warn("reviews wait", "error", err)
			wait(ctx, time.Second)
		}
		wait(ctx, reviewEvery)
	}
}

type review struct {
	SagaID, Step string
	Run          int
	Command      []byte
}

func (p *payment) endDue(ctx context.Context, served *barrier.Barrier) error {
	rows, err := p.db.Query(ctx, "SELECT saga_id::text, step, run, command FROM reviews WHERE due_at <= now() LIMIT 20")
	if err != nil {
		return err
	}
	due, err := pgx.CollectRows(rows, pgx.RowToStructByPos[review])
	for _, each := range due {
		err = errors.Join(err, p.end(ctx, served, each))
	}
	return err
}

// end charges at last. The answer is kept in the same transaction and goes until it is acknowledged: the coordinator asks
// a step that is in progress only after its heartbeat, so an answer that is lost would cost that long.
func (p *payment) end(ctx context.Context, served *barrier.Barrier, of review) error {
	const forget = "DELETE FROM reviews WHERE saga_id = $1 AND step = $2 AND run = $3"
	charge := func(ctx context.Context, db pgx.Tx, step barrier.Step) (wire.Value, error) {
		var command chargeCard
		if err := p.catalog.Decode(chargeCardSchema, of.Command, &command); err != nil {
			return wire.Value{}, err
		}
		return p.charge(ctx, db, step, command)
	}
	err := served.End(ctx, of.SagaID, of.Step, of.Run, charge, func(db pgx.Tx, answer *wire.Answer) error {
		_, failed := db.Exec(ctx, "INSERT INTO late_answers (answer) VALUES ($1)", answer)
		_, err := db.Exec(ctx, forget, of.SagaID, of.Step, of.Run)
		return errors.Join(failed, err)
	})
	if errors.Is(err, barrier.ErrNotWaiting) {
		_, err = p.db.Exec(ctx, forget, of.SagaID, of.Step, of.Run)
	}
	return err
}

func (p *payment) sendAnswers(ctx context.Context, sender *participant.Participant) error {
	rows, err := p.db.Query(ctx, "SELECT id, answer FROM late_answers ORDER BY id LIMIT 20")
	if err != nil {
		return err
	}
	kept, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		ID     int64
		Answer wire.Answer
	}])
	for _, each := range kept {
		if sender.Send(ctx, sender.Reply(each.Answer)) {
			_, failed := p.db.Exec(ctx, "DELETE FROM late_answers WHERE id = $1", each.ID)
			err = errors.Join(err, failed)
		}
	}
	return err
}
