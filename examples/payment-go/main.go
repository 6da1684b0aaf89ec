// Payment is the demo's participant of that name, in Go: it charges cards and refunds them. README.md tells more.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"payment-go/barrier"
	"payment-go/participant"
	"payment-go/wire"
)

const (
	badConfiguration = 78
	handlerLimit     = 30 * time.Second
	oneByOne         = "SELECT pg_advisory_xact_lock(32476719015619951);" // for instances that start at once
)

func main() {
	given, err := readSettings(os.Environ())
	if err != nil {
		fmt.Fprintln(os.Stderr, "payment:", err)
		os.Exit(badConfiguration)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, given); err != nil {
		fmt.Fprintln(os.Stderr, "payment:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, given settings) error {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" {
		spans, err := traced(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = spans.Shutdown(context.WithoutCancel(ctx)) }()
	}
	db, err := openDatabase(ctx, given["SAGA_PAYMENT_DATABASE_URL"])
	if err != nil {
		return err
	}
	defer db.Close()
	service := &payment{db: db, given: given}
	instance := &participant.Participant{
		Name: "payment", Prefix: given["SAGA_TOPIC_PREFIX"], Instance: given["SAGA_INSTANCE"],
		Partitions:        int(given.number("SAGA_KAFKA_PARTITIONS")),
		ReplicationFactor: int(given.number("SAGA_KAFKA_REPLICATION_FACTOR")),
		Kafka: []kgo.Opt{
			kgo.SeedBrokers(strings.Split(given["SAGA_KAFKA_BOOTSTRAP_SERVERS"], ",")...), kgo.ClientID("payment-go"),
			kgo.SessionTimeout(time.Duration(given.number("SAGA_KAFKA_SESSION_TIMEOUT_MS")) * time.Millisecond),
			kgo.ProducerBatchCompression(compressions[given["PAYMENT_COMPRESSION"]]),
		},
		Barrier: &barrier.Barrier{
			DB: db, Limit: handlerLimit, Handlers: map[string]map[string]barrier.Handler{
				wire.Action:       {chargeCardSchema.Name: barrier.Reads(chargeCardSchema, service.chargeWithFaults)},
				wire.Compensation: {refundCardSchema.Name: barrier.Reads(refundCardSchema, service.refund)},
			},
		},
	}
	if err := instance.Connect(); err != nil {
		return err
	}
	if port := given["PAYMENT_HEALTH_PORT"]; port != "0" {
		go serveHealth("127.0.0.1:"+port, instance.Ready)
	}
	go service.endReviews(ctx, instance)
	slog.Info("payment serves commands", "prefix", instance.Prefix)
	instance.Run(ctx)
	return nil
}

// openDatabase connects and makes the tables.
func openDatabase(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("SAGA_PAYMENT_DATABASE_URL is not usable: write postgresql://user@host:5432/name")
	}
	config.MaxConns = participant.InHand * 2 // a fault is counted beside its command's transaction
	config.ConnConfig.RuntimeParams["statement_timeout"] = fmt.Sprint(handlerLimit.Milliseconds() / 2)
	db, err := pgxpool.NewWithConfig(ctx, config)
	if err == nil {
		_, err = db.Exec(ctx, oneByOne+barrier.Table+tables)
	}
	return db, err
}

// traced sends spans where OTEL_EXPORTER_OTLP_ENDPOINT says. What is left is sent by Shutdown.
func traced(ctx context.Context) (*sdktrace.TracerProvider, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, err
	}
	name, _ := resource.Merge(resource.NewSchemaless(attribute.String("service.name", "payment")), resource.Environment())
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(name))
	otel.SetTracerProvider(provider)
	return provider, nil
}

func serveHealth(address string, ready func() bool) {
	http.HandleFunc("/readyz", func(response http.ResponseWriter, _ *http.Request) {
		if !ready() {
			response.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	slog.Error("nothing serves /readyz", "error", http.ListenAndServe(address, nil))
}
