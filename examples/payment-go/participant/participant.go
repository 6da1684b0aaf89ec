// Package participant reads commands from Kafka, has the barrier serve them, and sends the replies.
package participant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"payment-go/barrier"
	"payment-go/wire"
)

const (
	InHand        = 16 // commands at work at once
	watchEvery    = 5 * time.Second
	firstPause    = 200 * time.Millisecond
	longestPause  = 5 * time.Second
	deadLetterFor = 5 * time.Second
	drainFor      = 10 * time.Second
	mostRefusals  = 4 // of one reply, before it is given up
)

// Settings say how a participant reaches Kafka.
type Settings struct {
	Name, Prefix                  string
	Instance                      string // static group membership under this name
	Kafka                         []kgo.Opt
	Partitions, ReplicationFactor int
}

// Participant is one instance of a participant.
type Participant struct {
	settings                         Settings
	barrier                          *barrier.Barrier
	schemas                          *schemaTopic
	client                           *kgo.Client
	commands, replies, deads, source string

	mu      sync.Mutex
	windows map[int32]*window // of the partitions that are read here
	reading atomic.Bool
}

// New makes an instance; nothing is read before Run.
func New(settings Settings, served *barrier.Barrier, catalog *wire.Catalog, records []string) (*Participant, error) {
	host, _ := os.Hostname()
	topic := func(kind string) string { return settings.Prefix + "saga." + kind + "." + settings.Name }
	p := &Participant{
		settings: settings, barrier: served, windows: map[int32]*window{},
		commands: topic("cmd"), replies: topic("reply"), deads: topic("dlq"),
		source: fmt.Sprintf("%s/%s-%d", settings.Name, host, os.Getpid()),
	}
	var err error
	p.schemas, err = newSchemaTopic(settings.Kafka, settings.Prefix+"saga.schemas", catalog, records)
	if err != nil {
		return nil, err
	}
	options := append([]kgo.Opt{
		kgo.ConsumerGroup(settings.Prefix + "saga." + settings.Name), kgo.ConsumeTopics(p.commands),
		kgo.Balancers(kgo.RangeBalancer(), kgo.RoundRobinBalancer()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.AutoCommitMarks(), kgo.AutoCommitInterval(500 * time.Millisecond), kgo.MetadataMaxAge(watchEvery),
		kgo.OnPartitionsAssigned(p.assigned), kgo.OnPartitionsRevoked(p.revoked), kgo.OnPartitionsLost(p.lost),
		kgo.UnknownTopicRetries(-1), kgo.ProducerLinger(0), // and acks=all with idempotence, which are the defaults
	}, settings.Kafka...)
	if settings.Instance != "" {
		options = append(options, kgo.InstanceID(settings.Instance))
	}
	p.client, err = kgo.NewClient(options...)
	return p, err
}

// Ready tells whether commands are read, or would be if there were more partitions.
func (p *Participant) Ready() bool { return p.reading.Load() }

// Run serves commands until ctx ends; what is in hand is finished first.
func (p *Participant) Run(ctx context.Context) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	p.ensureTopics(ctx)
	go p.watch(ctx)
	go p.schemas.read(ctx)
	var busy sync.WaitGroup
	slots := make(chan struct{}, InHand)
	for ctx.Err() == nil {
		fetches := p.client.PollRecords(ctx, InHand)
		if err := fetches.Err(); err != nil && ctx.Err() == nil {
			slog.Warn("commands cannot be read", "error", err)
			p.readAnew(ctx, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			within := p.take(record)
			slots <- struct{}{}
			busy.Go(func() {
				defer func() { <-slots }()
				if p.serve(work, record) {
					p.finish(record, within)
				}
			})
		})
	}
	time.AfterFunc(drainFor, cancel)
	busy.Wait()
	leaving, done := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer done()
	_ = p.client.CommitMarkedOffsets(leaving)
	p.client.CloseAllowingRebalance()
}

// readAnew lets the client forget topics that were deleted and made anew: it would ask for the old ones for ever.
func (p *Participant) readAnew(ctx context.Context, err error) {
	if errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.UnknownTopicOrPartition) {
		p.ensureTopics(ctx)
		p.client.PurgeTopicsFromClient(p.commands, p.replies, p.deads)
		p.client.AddConsumeTopics(p.commands)
	}
	sleep(ctx, time.Second)
}

// serve brings a command from its record to its acknowledged reply. It tells whether the offset may move on.
func (p *Participant) serve(ctx context.Context, record *kgo.Record) bool {
	taken := time.Now()
	command, err := wire.ReadCommand(record)
	bad := (*wire.Bad)(nil)
	if errors.As(err, &bad) && !bad.Answerable {
		p.deadLetter(ctx, record, bad)
		return true
	}
	if bad == nil && command.Kind == wire.Resolve {
		errors.As(p.schemas.catalog.IsEmpty(command.Value), &bad)
	}
	span := begin(ctx, command, record, p.settings.Name)
	defer span.End()
	var answer *wire.Answer
	if bad != nil {
		slog.Error("command refused", "reason", bad, "saga", command.SagaID, "step", command.Step)
		answer = p.barrier.Unreadable(command, bad)
	} else {
		p.schemas.await(ctx, command, p.barrier.Handles(command))
		answer = p.handle(span.context, command)
	}
	if answer == nil {
		span.outcome(wire.Answer{Outcome: "none"})
		return ctx.Err() == nil
	}
	answer.TakenAt = taken
	answer.Traceparent, answer.Tracestate = span.carried()
	span.outcome(*answer)
	return p.Send(ctx, answer.Record(p.replies, p.source))
}

// handle has the barrier serve the command, again and again while the database is away or a commit is in doubt.
func (p *Participant) handle(ctx context.Context, command wire.Command) *wire.Answer {
	for turn := 0; ctx.Err() == nil; turn++ {
		answer, err := p.barrier.Handle(ctx, command)
		if err == nil {
			return answer
		}
		slog.Warn("served again", "error", err, "saga", command.SagaID, "step", command.Step)
		pause(ctx, turn)
	}
	return nil
}

// Reply is the record of an answer.
func (p *Participant) Reply(answer wire.Answer) *kgo.Record {
	return answer.Record(p.replies, p.source)
}

// Send sends a record until it is acknowledged. It tells whether its end is known: what Kafka refuses for good is given
// up, since the same would come of another asking.
func (p *Participant) Send(ctx context.Context, record *kgo.Record) bool {
	for turn := 0; ; turn++ {
		err := p.client.ProduceSync(ctx, record).FirstErr()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		slog.Warn("not sent", "topic", record.Topic, "error", err)
		if kafkaError := (*kerr.Error)(nil); errors.As(err, &kafkaError) && !kafkaError.Retriable && turn >= mostRefusals {
			return true
		}
		pause(ctx, turn)
	}
}

// deadLetter keeps a command that cannot be answered. Losing it is harmless, so it holds nothing up for long.
func (p *Participant) deadLetter(ctx context.Context, record *kgo.Record, bad *wire.Bad) {
	slog.Error("bad command", "reason", bad, "partition", record.Partition, "offset", record.Offset)
	ctx, cancel := context.WithTimeout(ctx, deadLetterFor)
	defer cancel()
	if err := p.client.ProduceSync(ctx, wire.DeadLetter(p.deads, record, bad)).FirstErr(); err != nil {
		slog.Error("not dead-lettered, gone on", "error", err)
	}
}

// watch makes missing topics, now and then.
func (p *Participant) watch(ctx context.Context) {
	for ctx.Err() == nil {
		sleep(ctx, watchEvery)
		p.ensureTopics(ctx)
	}
}

func (p *Participant) ensureTopics(ctx context.Context) {
	admin := kadm.NewClient(p.client)
	held, err := admin.ListTopics(ctx, p.commands, p.replies, p.deads)
	if err != nil {
		slog.Warn("topics", "error", err)
		return
	}
	for _, topic := range held {
		if topic.Err == nil {
			continue
		}
		made, err := admin.CreateTopic(ctx, int32(p.settings.Partitions), int16(p.settings.ReplicationFactor), nil, topic.Topic)
		if err != nil && !errors.Is(made.Err, kerr.TopicAlreadyExists) {
			slog.Error("a topic is missing and cannot be made", "topic", topic.Topic, "error", err)
		}
	}
}

func pause(ctx context.Context, turn int) {
	longest := min(firstPause<<min(turn, 10), longestPause)
	sleep(ctx, longest/2+rand.N(longest/2))
}

func sleep(ctx context.Context, duration time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(duration):
	}
}

// window holds the commands of one partition that were taken and are not committed, in their order: an offset is
// committed when everything before it is finished.
type window struct {
	taken    []*kgo.Record
	finished map[int64]bool
}

func (p *Participant) take(record *kgo.Record) *window {
	p.mu.Lock()
	defer p.mu.Unlock()
	within := p.windows[record.Partition]
	if within == nil {
		within = &window{finished: map[int64]bool{}}
		p.windows[record.Partition] = within
	}
	within.taken = append(within.taken, record)
	return within
}

func (p *Participant) finish(record *kgo.Record, within *window) {
	p.mu.Lock()
	defer p.mu.Unlock()
	within.finished[record.Offset] = true
	for len(within.taken) > 0 && within.finished[within.taken[0].Offset] {
		first := within.taken[0]
		delete(within.finished, first.Offset)
		within.taken = within.taken[1:]
		if p.windows[record.Partition] == within { // else the partition went to another instance meanwhile
			p.client.MarkCommitRecords(first)
		}
	}
}

func (p *Participant) assigned(context.Context, *kgo.Client, map[string][]int32) {
	p.reading.Store(true)
}

func (p *Participant) revoked(ctx context.Context, client *kgo.Client, gone map[string][]int32) {
	_ = client.CommitMarkedOffsets(ctx)
	p.lost(ctx, client, gone)
}

func (p *Participant) lost(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, partition := range gone[p.commands] {
		delete(p.windows, partition)
	}
}
