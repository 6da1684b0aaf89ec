// Package participant reads commands from Kafka, has the barrier serve them, and sends the replies.
package participant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"payment-go/barrier"
	"payment-go/wire"
)

const (
	InHand        = 16   // commands at work at once
	mostTaken     = 1000 // and finished ones behind one that takes long, in a partition
	watchEvery    = 5 * time.Second
	longestPause  = 5 * time.Second
	deadLetterFor = 5 * time.Second
	drainFor      = 10 * time.Second
	mostRefusals  = 5
)

var (
	tracer     = otel.Tracer("payment-go")
	propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
)

// Participant is one instance of a participant.
type Participant struct {
	Barrier                       *barrier.Barrier
	Name, Prefix                  string
	Instance                      string    // static group membership under this name
	Kafka                         []kgo.Opt // how Kafka is reached
	Partitions, ReplicationFactor int       // of the topics that it makes

	client, schemas *kgo.Client
	reading         atomic.Bool
}

// taken is a command in hand. done tells whether its offset may move on.
type taken struct {
	record *kgo.Record
	done   chan bool
}

func (p *Participant) topic(kind string) string { return p.Prefix + "saga." + kind + "." + p.Name }

// Ready tells whether commands are read, or would be if there were more partitions.
func (p *Participant) Ready() bool { return p.reading.Load() }

// Connect makes the clients; nothing is read before Run.
func (p *Participant) Connect() error {
	options := append([]kgo.Opt{
		kgo.ConsumerGroup(p.Prefix + "saga." + p.Name), kgo.ConsumeTopics(p.topic("cmd")),
		kgo.Balancers(kgo.RangeBalancer(), kgo.RoundRobinBalancer()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.AutoCommitMarks(), kgo.AutoCommitInterval(500 * time.Millisecond), kgo.MetadataMaxAge(watchEvery),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { p.reading.Store(true) }),
		kgo.UnknownTopicRetries(-1), kgo.ProducerLinger(0), // and acks=all with idempotence, which are the defaults
	}, p.Kafka...)
	if p.Instance != "" {
		options = append(options, kgo.InstanceID(p.Instance))
	}
	var failed, failedToo error
	p.client, failed = kgo.NewClient(options...)
	p.schemas, failedToo = kgo.NewClient(append([]kgo.Opt{
		kgo.ConsumeTopics(p.Prefix + "saga.schemas"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMaxAge(watchEvery),
	}, p.Kafka...)...)
	return errors.Join(failed, failedToo)
}

// Run serves commands until ctx ends; what is in hand is finished first.
func (p *Participant) Run(ctx context.Context) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	context.AfterFunc(ctx, func() { time.AfterFunc(drainFor, cancel) })
	go p.watchTopics(ctx)
	go p.learnSchemas(ctx)
	var marking sync.WaitGroup
	slots, queues := make(chan struct{}, InHand), map[int32]chan taken{} // of each partition
	for ctx.Err() == nil {
		fetches := p.client.PollRecords(ctx, InHand)
		if err := fetches.Err(); err != nil && ctx.Err() == nil {
			slog.Warn("commands cannot be read", "error", err)
			p.readAnew(ctx, err)
		}
		for _, record := range fetches.Records() {
			queue, there := queues[record.Partition]
			if !there {
				queue = make(chan taken, mostTaken)
				queues[record.Partition] = queue
				marking.Go(func() { p.markInOrder(queue) })
			}
			command := taken{record, make(chan bool, 1)}
			slots <- struct{}{}
			queue <- command
			go func() {
				command.done <- p.serve(work, record)
				<-slots
			}()
		}
	}
	for _, queue := range queues {
		close(queue)
	}
	marking.Wait()
	leaving, done := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer done()
	_ = p.client.CommitMarkedOffsets(leaving)
	p.client.Close()
}

// markInOrder lets a partition's offset move on when everything that was taken before is finished too. What is not
// marked when the program ends is served again.
func (p *Participant) markInOrder(queue <-chan taken) {
	for command := range queue {
		if !<-command.done {
			return
		}
		p.client.MarkCommitRecords(command.record)
	}
}

// readAnew lets the client forget topics that were deleted and made anew: it would ask for the old ones for ever.
func (p *Participant) readAnew(ctx context.Context, err error) {
	if errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.UnknownTopicOrPartition) {
		p.ensureTopics(ctx)
		p.client.PurgeTopicsFromClient(p.topic("cmd"), p.topic("reply"), p.topic("dlq"))
		p.client.AddConsumeTopics(p.topic("cmd"))
	}
	Sleep(ctx, time.Second)
}

// serve brings a command from its record to its acknowledged reply. It tells whether the offset may move on.
func (p *Participant) serve(ctx context.Context, record *kgo.Record) bool {
	if wire.IsAnnouncement(record) { // passed over: rows are kept for ever here, and no sweep is answered
		return true
	}
	takenAt := time.Now()
	command, err := wire.ReadCommand(record)
	bad, _ := errors.AsType[*wire.Bad](err)
	if bad != nil {
		slog.Error("bad command", "reason", bad, "partition", record.Partition, "offset", record.Offset)
	}
	if bad != nil && bad.Outcome == "" { // losing it is harmless, so it holds nothing up for long
		trying, cancel := context.WithTimeout(ctx, deadLetterFor)
		defer cancel()
		p.send(trying, wire.DeadLetter(p.topic("dlq"), record, bad))
		return true
	}
	ctx, span := tracer.Start(propagator.Extract(ctx, propagation.MapCarrier(command.Headers)),
		"process "+command.Type, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", record.Topic),
			attribute.String("saga.participant", p.Name), attribute.String("saga.id", command.SagaID),
			attribute.String("saga.step", command.Step), attribute.String("saga.kind", command.Kind),
			attribute.Int("saga.run", command.Run), attribute.Int("saga.attempt", command.Attempt)))
	defer span.End()
	var answer *wire.Answer
	if bad != nil {
		answer = bad.Answer(command)
	} else {
		answer = p.handle(ctx, command)
	}
	if answer == nil {
		return ctx.Err() == nil
	}
	span.SetAttributes(attribute.String("saga.outcome", string(answer.Outcome)))
	propagation.TraceContext{}.Inject(ctx, propagation.MapCarrier(answer.To.Headers))
	answer.TakenAt = takenAt
	return p.Reply(ctx, *answer) || ctx.Err() == nil
}

// handle has the barrier serve the command, again and again while the database is away or a commit is in doubt.
func (p *Participant) handle(ctx context.Context, command wire.Command) *wire.Answer {
	for turn := 0; ctx.Err() == nil; turn++ {
		answer, err := p.Barrier.Handle(ctx, command)
		if err == nil {
			return answer
		}
		slog.Warn("served again", "error", err, "saga", command.SagaID, "step", command.Step)
		pause(ctx, turn)
	}
	return nil
}

// Reply sends an answer, and tells whether it is acknowledged.
func (p *Participant) Reply(ctx context.Context, answer wire.Answer) bool {
	host, _ := os.Hostname()
	source := fmt.Sprintf("%s/%s-%d", p.Name, host, os.Getpid())
	return p.send(ctx, answer.Record(p.topic("reply"), source))
}

// send leaves it to the client to wait for Kafka, and gives up what is refused again and again.
func (p *Participant) send(ctx context.Context, record *kgo.Record) bool {
	for turn := range mostRefusals {
		err := p.client.ProduceSync(ctx, record).FirstErr()
		if err == nil {
			return true
		}
		slog.Warn("not sent", "topic", record.Topic, "error", err)
		pause(ctx, turn)
	}
	return false
}

// learnSchemas follows the topic of schemas, from its beginning: some are newer than this program.
func (p *Participant) learnSchemas(ctx context.Context) {
	defer p.schemas.Close()
	for ctx.Err() == nil {
		p.schemas.PollFetches(ctx).EachRecord(func(record *kgo.Record) { wire.Learn(string(record.Key), record.Value) })
	}
}

// watchTopics makes missing topics, at once and now and then.
func (p *Participant) watchTopics(ctx context.Context) {
	for ; ctx.Err() == nil; Sleep(ctx, watchEvery) {
		p.ensureTopics(ctx)
	}
}

func (p *Participant) ensureTopics(ctx context.Context) {
	admin, names := kadm.NewClient(p.client), []string{p.topic("cmd"), p.topic("reply"), p.topic("dlq")}
	held, err := admin.ListTopics(ctx, names...)
	if err != nil {
		slog.Warn("topics", "error", err)
		return
	}
	missing := slices.DeleteFunc(names, held.Has)
	made, err := admin.CreateTopics(ctx, int32(p.Partitions), int16(p.ReplicationFactor), nil, missing...)
	if err := errors.Join(err, made.Error()); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		slog.Error("topics are missing and cannot be made", "topics", missing, "error", err)
	}
}

func pause(ctx context.Context, turn int) {
	longest := min(200*time.Millisecond<<min(turn, 10), longestPause)
	Sleep(ctx, longest/2+rand.N(longest/2))
}

// Sleep waits, or until ctx ends.
func Sleep(ctx context.Context, duration time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(duration):
	}
}
