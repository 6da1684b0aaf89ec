package main

import (
	"cmp"
	"context"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"payment-go/barrier"
	"payment-go/participant"
	"payment-go/wire"
)

// fault is an order's request that a step fails the first times it is tried.
type fault struct {
	Step  string `avro:"step"`
	Kind  string `avro:"kind"`
	Times int    `avro:"times"`
	Ms    int    `avro:"ms"`
}

const crashExitCode = 137

// refusals are what comes of a fault. The effect has to be rolled back.
var refusals = map[string]error{
	"reject": barrier.Reject("fault", "the order asked for a rejection"),
	"fail":   barrier.Fail("fault", "the order asked for a failure"),
	"crash":  barrier.Fail("fault", "the order asked for a crash, which SAGA_DEMO_ALLOW_CRASH=1 would allow"),
}

// chargeWithFaults charges with the faults that are due at this step. `delay` and `hang` come before the effect, so
// they hold no locks. A fault is counted in a transaction of its own, so its count survives the rollback.
func (p *payment) chargeWithFaults(
	ctx context.Context, db pgx.Tx, step barrier.Step, command chargeCard,
) (value wire.Value, err error) {
	var refusal error
	for place, each := range command.Faults {
		if each.Step != step.Step {
			continue
		}
		var times int
		err = p.db.QueryRow(ctx, `INSERT INTO demo_faults VALUES ($1, $2, $3, 1)
			ON CONFLICT (saga_id, step, fault) DO UPDATE SET times = demo_faults.times + 1 RETURNING times`,
			step.SagaID, step.Step, place).Scan(&times)
		switch {
		case err != nil:
			return value, err
		case times > each.Times:
		case each.Kind == "delay":
			participant.Sleep(ctx, time.Duration(each.Ms)*time.Millisecond)
		case each.Kind == "hang":
			<-ctx.Done()
			return value, ctx.Err()
		default:
			refusal = cmp.Or(refusal, refusals[each.Kind])
		}
	}
	value, err = p.charge(ctx, db, step, command)
	if err == nil && refusal == refusals["crash"] && p.given["SAGA_DEMO_ALLOW_CRASH"] == "1" {
		os.Exit(crashExitCode)
	}
	return value, cmp.Or(err, refusal)
}
