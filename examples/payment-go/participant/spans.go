package participant

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"payment-go/wire"
)

var (
	tracer     = otel.Tracer("payment-go")
	propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
)

// span is the `process` span of a command, a child of the command's traceparent. Without an SDK nothing is recorded.
type span struct {
	trace.Span
	context context.Context
}

func begin(ctx context.Context, c wire.Command, record *kgo.Record, name string) span {
	carrier := propagation.MapCarrier{"traceparent": c.Traceparent, "tracestate": c.Tracestate, "baggage": c.Baggage}
	ctx, began := tracer.Start(propagator.Extract(ctx, carrier), "process "+c.Type, trace.WithSpanKind(trace.SpanKindConsumer))
	if began.IsRecording() {
		began.SetAttributes(
			attribute.String("messaging.system", "kafka"), attribute.String("messaging.operation.type", "process"),
			attribute.String("messaging.operation.name", "process"), attribute.String("messaging.destination.name", record.Topic),
			attribute.String("messaging.destination.partition.id", fmt.Sprint(record.Partition)),
			attribute.Int64("messaging.kafka.offset", record.Offset), attribute.String("messaging.message.id", c.ID),
			attribute.String("saga.participant", name), attribute.String("saga.id", c.SagaID),
			attribute.String("saga.step", c.Step), attribute.String("saga.kind", c.Kind),
			attribute.Int("saga.run", c.Run), attribute.Int("saga.attempt", c.Attempt),
		)
	}
	return span{began, ctx}
}

// carried is what the reply carries: the span's own context, where one was recorded or passed on.
func (s span) carried() (traceparent, tracestate string) {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(s.context, carrier)
	return carrier["traceparent"], carrier["tracestate"]
}

func (s span) outcome(answer wire.Answer) {
	s.SetAttributes(attribute.String("saga.outcome", string(answer.Outcome)))
	switch answer.Outcome {
	case wire.Rejected, wire.Failed, wire.Unsupported:
		s.SetAttributes(attribute.String("error.type", string(answer.Outcome)))
		s.SetStatus(codes.Error, string(answer.Outcome))
	}
}
