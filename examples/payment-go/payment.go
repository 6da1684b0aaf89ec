package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payment-go/barrier"
	"payment-go/wire"
)

// cardLimit is what one order of a new account may cost, in cents.
const cardLimit = 1_000_000_00

// The tables of the demo's payment, and two for reviews.
const tables = `
CREATE TABLE IF NOT EXISTS accounts (account text PRIMARY KEY, card_limit bigint NOT NULL);
CREATE TABLE IF NOT EXISTS charges (charge_id text PRIMARY KEY, account text NOT NULL, order_id text NOT NULL,
    amount bigint NOT NULL, reason text NOT NULL, state text NOT NULL);
CREATE TABLE IF NOT EXISTS effect_ledger (saga_id text NOT NULL, step text NOT NULL, kind text NOT NULL,
    run integer NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS demo_faults (saga_id text, step text, fault integer, times integer NOT NULL,
    PRIMARY KEY (saga_id, step, fault));
CREATE TABLE IF NOT EXISTS reviews (saga_id uuid, step text, run integer, command bytea NOT NULL, due_at timestamptz NOT NULL,
    PRIMARY KEY (saga_id, step, run));
CREATE TABLE IF NOT EXISTS late_answers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, answer jsonb NOT NULL);`

//go:embed schemas/*.avsc
var files embed.FS

func schema(name string) *wire.Schema {
	text, err := files.ReadFile("schemas/" + name + ".avsc")
	if err != nil {
		panic(err)
	}
	return wire.MustSchema(text)
}

var (
	chargeCardSchema  = schema("shop.ChargeCard")
	cardChargedSchema = schema("shop.CardCharged")
	refundCardSchema  = schema("shop.RefundCard")
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
	db      *pgxpool.Pool
	catalog *wire.Catalog
	given   settings
}

// handlers are what payment answers, by the record of the command.
func (p *payment) handlers() (actions, compensations map[string]barrier.Handler) {
	return map[string]barrier.Handler{chargeCardSchema.Name: p.readCharge},
		map[string]barrier.Handler{refundCardSchema.Name: p.readRefund}
}

func (p *payment) readCharge(c wire.Command) (barrier.Work, error) {
	var command chargeCard
	err := p.catalog.Decode(chargeCardSchema, c.Value, &command)
	return func(ctx context.Context, db pgx.Tx, step barrier.Step) (wire.Value, error) {
		return p.withFaults(ctx, command.Faults, step, func() (wire.Value, error) {
			if p.given.reviewAbove > 0 && command.Amount > p.given.reviewAbove {
				return wire.Value{}, p.review(ctx, db, step)
			}
			return p.charge(ctx, db, step, command)
		})
	}, err
}

func (p *payment) charge(ctx context.Context, db pgx.Tx, step barrier.Step, command chargeCard) (wire.Value, error) {
	limit, err := limitOf(ctx, db, command.Account)
	if err != nil {
		return wire.Value{}, err
	}
	if command.Amount > limit {
		return wire.Value{}, &barrier.Rejection{Code: "over_limit", Message: "the card's limit is lower than the order's total"}
	}
	charged := cardCharged{ChargeID: fmt.Sprintf("chg-%s-%d", step.SagaID, step.Run)}
	_, err = db.Exec(ctx, `INSERT INTO charges (charge_id, account, order_id, amount, reason, state)
		VALUES ($1, $2, $3, $4, $5, 'charged')`, charged.ChargeID, command.Account, command.OrderID, command.Amount, command.Reason)
	if err := errors.Join(err, record(ctx, db, step)); err != nil {
		return wire.Value{}, err
	}
	return cardChargedSchema.Encode(charged)
}

func (p *payment) readRefund(c wire.Command) (barrier.Work, error) {
	var command refundCard
	err := p.catalog.Decode(refundCardSchema, c.Value, &command)
	return p.refund, err
}

// refund takes back what the action had answered, whatever the command says.
func (p *payment) refund(ctx context.Context, db pgx.Tx, step barrier.Step) (wire.Value, error) {
	var charged cardCharged
	if err := p.catalog.Decode(cardChargedSchema, step.ActionReply.Framed, &charged); err != nil {
		return wire.Value{}, err
	}
	found, err := db.Exec(ctx, "UPDATE charges SET state = 'refunded' WHERE charge_id = $1 AND state = 'charged'", charged.ChargeID)
	if err == nil && found.RowsAffected() != 1 {
		return wire.Value{}, &barrier.Failure{Code: "lookup_error", Message: "the charge to refund is not there"}
	}
	return wire.NoValue, errors.Join(err, record(ctx, db, step))
}

// limitOf gives the card's limit. A new account is opened.
func limitOf(ctx context.Context, db pgx.Tx, account string) (limit int64, err error) {
	_, err = db.Exec(ctx, "INSERT INTO accounts VALUES ($1, $2) ON CONFLICT DO NOTHING", account, int64(cardLimit))
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

// review accepts a charge: its answer comes later. The row in reviews is what ends it, whichever process lives.
func (p *payment) review(ctx context.Context, db pgx.Tx, step barrier.Step) error {
	_, err := db.Exec(ctx, `INSERT INTO reviews (saga_id, step, run, command, due_at) VALUES ($1, $2, $3, $4, $5)`,
		step.SagaID, step.Step, step.Run, step.Value, time.Now().Add(p.given.reviewTime))
	if err != nil {
		return err
	}
	return &barrier.Acceptance{Note: "the bank reviews this charge"}
}
