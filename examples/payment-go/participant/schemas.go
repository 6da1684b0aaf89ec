package participant

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"payment-go/wire"
)

const (
	schemaPatience  = 8 * time.Second // so long a command waits: a coordinator publishes a new schema within seconds
	schemaForgotten = 10 * time.Second
	mostLearnt      = 1000
)

// schemaTopic adds schemas that came later than this program's: it follows saga.schemas from the beginning.
type schemaTopic struct {
	client  *kgo.Client
	catalog *wire.Catalog
	records []string // full names of those we have to do with; the topic is not trusted beyond them
	mu      sync.Mutex
	inVain  map[uint32]time.Time // until when nobody waits for this one
}

func newSchemaTopic(kafka []kgo.Opt, topic string, catalog *wire.Catalog, records []string) (*schemaTopic, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMaxAge(watchEvery),
	}, kafka...)...)
	return &schemaTopic{client: client, catalog: catalog, records: records, inVain: map[uint32]time.Time{}}, err
}

func (s *schemaTopic) read(ctx context.Context) {
	defer s.client.Close()
	for learnt := 0; ctx.Err() == nil && learnt < mostLearnt; {
		s.client.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
			if s.learn(record) {
				learnt++
			}
		})
	}
}

// learn takes a schema only if its canonical document has the id of the key.
func (s *schemaTopic) learn(record *kgo.Record) bool {
	schema, err := wire.ParseSchema(record.Value)
	if err != nil || !slices.Contains(s.records, schema.Name) || fmt.Sprintf("%08x", schema.ID) != string(record.Key) ||
		!s.catalog.Add(schema) {
		return false
	}
	slog.Info("schema learnt", "id", string(record.Key), "record", schema.Name)
	return true
}

// await waits for the schema of a command that is handled here. Other commands go on meanwhile.
func (s *schemaTopic) await(ctx context.Context, command wire.Command, handled bool) {
	id, known, err := s.catalog.Writer(command.Value)
	if !handled || known != nil || id == 0 || err == nil {
		return
	}
	for until := time.Now().Add(schemaPatience); known == nil && time.Now().Before(until) && s.worthIt(id); {
		sleep(ctx, 100*time.Millisecond)
		_, known, _ = s.catalog.Writer(command.Value)
	}
	if known == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.inVain[id] = time.Now().Add(schemaForgotten)
	}
}

func (s *schemaTopic) worthIt(id uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().After(s.inVain[id])
}
