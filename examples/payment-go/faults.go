package main

import (
	"context"
	"os"
	"time"

	"payment-go/barrier"
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

// withFaults does the work with the faults that are due at this step. `delay` and `hang` come before the effect, the
// others behind it, so that it has to be rolled back.
func (p *payment) withFaults(
	ctx context.Context, faults []fault, step barrier.Step, work func() (wire.Value, error),
) (wire.Value, error) {
	due, err := p.due(ctx, faults, step)
	if err != nil {
		return wire.Value{}, err
	}
	for _, each := range due {
		switch each.Kind {
		case "delay":
			wait(ctx, time.Duration(each.Ms)*time.Millisecond)
		case "hang":
			<-ctx.Done()
		}
	}
	value, err := work()
	for _, each := range due {
		switch {
		case err != nil:
		case each.Kind == "reject":
			err = &barrier.Rejection{Code: "fault", Message: "the order asked for a rejection"}
		case each.Kind == "fail":
			err = &barrier.Failure{Code: "fault", Message: "the order asked for a failure"}
		case each.Kind == "crash" && !p.given.allowCrash:
			err = &barrier.Failure{Code: "fault", Message: "the order asked for a crash, which SAGA_DEMO_ALLOW_CRASH=1 would allow"}
		case each.Kind == "crash":
			os.Exit(crashExitCode)
		}
	}
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return value, err
}

// due counts this step's faults once more, each in a transaction of its own: the count survives the rollback.
func (p *payment) due(ctx context.Context, faults []fault, step barrier.Step) (due []fault, err error) {
	for place, each := range faults {
		if each.Step != step.Step {
			continue
		}
		var times int
		err = p.db.QueryRow(ctx, `INSERT INTO demo_faults VALUES ($1, $2, $3, 1)
			ON CONFLICT (saga_id, step, fault) DO UPDATE SET times = demo_faults.times + 1 RETURNING times`,
			step.SagaID, step.Step, place).Scan(&times)
		if err != nil {
			return nil, err
		}
		if times <= each.Times {
			due = append(due, each)
		}
	}
	return due, nil
}

func wait(ctx context.Context, duration time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(duration):
	}
}
