// Payment is the demo's participant of that name, in Go: it charges cards and refunds them. README.md tells how to copy it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
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
	startPatience    = 60 * time.Second // for a database that is not up yet
	advisoryLock     = 0x73616764656d6f // instances that start at once make the tables one after the other
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
	defer traced(ctx)()
	db, err := openDatabase(ctx, given.database)
	if err != nil {
		return err
	}
	defer db.Close()
	service := &payment{db: db, catalog: wire.NewCatalog(chargeCardSchema, cardChargedSchema, refundCardSchema), given: given}
	served := &barrier.Barrier{DB: db, Limit: handlerLimit, Fenceable: true} // a review charges nothing before its end
	served.Actions, served.Compensations = service.handlers()
	records := []string{chargeCardSchema.Name, refundCardSchema.Name}
	instance, err := participant.New(given.participant, served, service.catalog, records)
	if err != nil {
		return err
	}
	if given.healthPort != 0 {
		go serveHealth(given.healthPort, instance.Ready)
	}
	go service.endReviews(ctx, served, instance)
	slog.Info("payment serves commands", "prefix", given.participant.Prefix)
	instance.Run(ctx)
	return nil
}

// openDatabase connects and makes the tables, as soon as the database is up.
func openDatabase(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("SAGA_PAYMENT_DATABASE_URL is not usable: write postgresql://user@host:5432/name")
	}
	config.MaxConns = participant.InHand * 2 // a fault is counted beside its command's transaction
	config.ConnConfig.RuntimeParams["statement_timeout"] = fmt.Sprint(handlerLimit.Milliseconds() / 2)
	db, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	for until := time.Now().Add(startPatience); ; wait(ctx, time.Second) {
		_, err = db.Exec(ctx, fmt.Sprintf("SELECT pg_advisory_xact_lock(%d);", advisoryLock)+barrier.Table+";"+tables)
		if err == nil || ctx.Err() != nil || time.Now().After(until) {
			return db, err
		}
		slog.Warn("waiting for the database", "error", err)
	}
}

// traced sends spans where OTEL_EXPORTER_OTLP_ENDPOINT says. It gives what ends that.
func traced(ctx context.Context) func() {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
		return func() {}
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		slog.Error("no spans are sent", "error", err)
		return func() {}
	}
	name, _ := resource.Merge(resource.NewSchemaless(attribute.String("service.name", "payment")), resource.Environment())
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(name))
	otel.SetTracerProvider(provider)
	return func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = provider.Shutdown(last)
	}
}

func serveHealth(port int, ready func() bool) {
	http.HandleFunc("/readyz", func(response http.ResponseWriter, _ *http.Request) {
		if !ready() {
			response.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	if err := http.ListenAndServe(net.JoinHostPort("127.0.0.1", fmt.Sprint(port)), nil); err != nil {
		slog.Error("nothing serves /readyz", "error", err)
	}
}
