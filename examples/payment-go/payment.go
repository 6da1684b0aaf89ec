package main

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payment-go/barrier"
	"payment-go/wire"
)

// cardLimit is what one order of a new account may cost, in cents.
const cardLimit int64 = 1_000_000_00

//go:embed tables.sql
var tables string

//go:embed schemas/*.avsc
var files embed.FS

var (
	chargeCardSchema  = wire.MustSchema(files, "shop.ChargeCard")
	cardChargedSchema = wire.MustSchema(files, "shop.CardCharged")
	refundCardSchema  = wire.MustSchema(files, "shop.RefundCard")
)

type chargeCard struct {
	OrderID string  `avro:"order_id"`
	Account string  `avro:"account"`
	Amount  int64   `avro:"amount"` // cents
	Reason  string  `avro:"reason"`
	Faults  []fault `avro:"faults"`
}

type cardCharged struct {
	ChargeID string `avro:"charge_id"`
}

type refundCard struct {
	ChargeID string `avro:"charge_id"`
	OrderID  string `avro:"order_id"`
	Account  string `avro:"account"`
	Amount   int64  `avro:"amount"` // cents
}

// payment charges cards and refunds them.
type payment struct {
	db    *pgxpool.Pool
	given settings
}

// charge takes the money, or has a charge reviewed that is high.
func (p *payment) charge(ctx context.Context, db pgx.Tx, step barrier.Step, command chargeCard) (wire.Value, error) {
	if above := p.given.number("PAYMENT_REVIEW_ABOVE"); above > 0 && command.Amount > above {
		return wire.Value{}, p.review(ctx, db, step)
	}
	return p.chargeNow(ctx, db, step, command)
}

func (p *payment) chargeNow(ctx context.Context, db pgx.Tx, step barrier.Step, command chargeCard) (wire.Value, error) {
	limit, err := limitOf(ctx, db, command.Account)
	if err != nil {
		return wire.Value{}, err
	}
	if command.Amount > limit {
		return wire.Value{}, barrier.Reject("over_limit", "the card's limit is lower than the order's total")
	}
	charged := cardCharged{ChargeID: fmt.Sprintf("chg-%s-%d", step.SagaID, step.Run)}
	_, err = db.Exec(ctx, `INSERT INTO charges (charge_id, account, order_id, amount, reason, state)
		VALUES ($1, $2, $3, $4, $5, 'charged')`,
		charged.ChargeID, command.Account, command.OrderID, command.Amount, command.Reason)
	if err := errors.Join(err, record(ctx, db, step)); err != nil {
		return wire.Value{}, err
	}
	return cardChargedSchema.Encode(charged)
}

// refund takes back what the action had answered, whatever the command says.
func (p *payment) refund(ctx context.Context, db pgx.Tx, step barrier.Step, _ refundCard) (wire.Value, error) {
	var charged cardCharged
	if err := cardChargedSchema.Decode(step.ActionReply.Framed, &charged); err != nil {
		return wire.Value{}, err
	}
	found, err := db.Exec(ctx, "UPDATE charges SET state = 'refunded' WHERE charge_id = $1 AND state = 'charged'",
		charged.ChargeID)
	if err == nil && found.RowsAffected() != 1 {
		return wire.Value{}, barrier.Fail("lookup_error", "the charge to refund is not there")
	}
	return wire.NoValue, errors.Join(err, record(ctx, db, step))
}

// limitOf gives the card's limit. A new account is opened.
func limitOf(ctx context.Context, db pgx.Tx, account string) (limit int64, err error) {
	_, err = db.Exec(ctx, "INSERT INTO accounts VALUES ($1, $2) ON CONFLICT DO NOTHING", account, cardLimit)
	if err == nil {
		err = db.QueryRow(ctx, "SELECT card_limit FROM accounts WHERE account = $1", account).Scan(&limit)
	}
	return limit, err
}

// record writes the line of an effect. The ledger has no unique constraint, so a doubled effect shows.
func record(ctx context.Context, db pgx.Tx, step barrier.Step) error {
	_, err := db.Exec(ctx, "INSERT INTO effect_ledger (saga_id, step, kind, run) VALUES ($1, $2, $3, $4)",
		step.SagaID, step.Step, step.Kind, step.Run)
	return err
}
