package wire

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Outcome is what a reply says of its command.
type Outcome string

// All outcomes.
const (
	Succeeded     Outcome = "SUCCEEDED"
	Rejected      Outcome = "REJECTED"
	Failed        Outcome = "FAILED"
	InProgress    Outcome = "IN_PROGRESS"
	Fenced        Outcome = "FENCED"
	Undone        Outcome = "UNDONE"
	NothingToUndo Outcome = "NOTHING_TO_UNDO"
	Expired       Outcome = "EXPIRED"
	Unsupported   Outcome = "UNSUPPORTED"
)

// schemaPatience: a command in an unknown schema is asked again so late, since somebody has to deploy something.
const schemaPatience = 30 * time.Second

//go:embed schemas/*.avsc
var files embed.FS

// The records of the protocol that a participant writes.
var (
	empty    = MustSchema(files, "saga.v1.Empty")
	failure  = MustSchema(files, "saga.v1.Failure")
	progress = MustSchema(files, "saga.v1.Progress")
)

// NoValue is the value of a reply that says nothing beyond its headers.
var NoValue = must(empty.Encode(map[string]any{"padding": 0}))

// Failure is the value of REJECTED and FAILED. retry: not before; 0 leaves it to the coordinator.
func Failure(code, message string, retry time.Duration) Value {
	record := map[string]any{"code": cut(code, 128), "message": cut(message, 1024), "retry_after_ms": nil}
	if retry > 0 {
		record["retry_after_ms"] = min(retry, 24*time.Hour).Milliseconds()
	}
	return must(failure.Encode(record))
}

// Progress is the value of IN_PROGRESS.
func Progress(note string) Value {
	return must(progress.Encode(map[string]any{"note": cut(note, 1024)}))
}

func cut(text string, most int) string {
	runes := []rune(strings.ToValidUTF8(text, "\uFFFD"))
	return string(runes[:min(len(runes), most)])
}

func must(value Value, err error) Value {
	if err != nil {
		panic(err)
	}
	return value
}

// Bad is what is wrong with a message.
type Bad struct {
	Reason  string // a code of docs/wire.md#dead-letters
	Detail  string
	Outcome Outcome // what is answered; none: the command is a dead letter
}

func (b *Bad) Error() string { return b.Reason + ": " + b.Detail }

// Answer is what is said to a bad command.
func (b *Bad) Answer(to Command) *Answer {
	answer := &Answer{To: to, Outcome: b.Outcome}
	if b.Outcome == Failed {
		answer.Value = Failure(b.Reason, b.Detail, schemaPatience)
	}
	return answer
}

// Answer is one reply before it has headers.
type Answer struct {
	To      Command // the command that is answered: its headers are echoed, or the trace context of your own span
	Outcome Outcome
	Value   Value
	Seq     int64 // orders IN_PROGRESS; 0: none
	RowRun  int   // the row's run, where it is newer than the command's; 0: it is not

	TakenAt time.Time     // when the command was taken in hand; zero: not said
	Handler time.Duration // how long its handler took; 0: none ran
}

// Record is the reply for Kafka.
func (a Answer) Record(topic, source string) *kgo.Record {
	c := a.To
	if a.Value.Type == "" {
		a.Value = NoValue
	}
	given := map[string]string{
		"ce_specversion": "1.0", "content-type": "application/avro", "ce_sagaprotocol": "1",
		"ce_id": uuid.NewString(), "ce_source": source, "ce_type": a.Value.Type, "ce_time": timeText(time.Now()),
		"ce_causationid": c.ID, "ce_subject": c.SagaID + "/" + c.Step, "ce_sagaoutcome": string(a.Outcome),
		"ce_sagaseq": unlessZero(a.Seq), "ce_sagarowrun": unlessZero(int64(a.RowRun)),
		"ce_sagatakentime": timeText(a.TakenAt), "ce_sagahandlerus": unlessZero(a.Handler.Microseconds()),
	}
	for _, name := range []string{"ce_correlationid", "ce_sagakind", "ce_sagastep", "ce_sagatenant", "ce_sagatoken",
		"ce_sagarun", "ce_sagaattempt", "ce_sagaincarnation", "ce_sagaversion",
		"ce_traceparent", "traceparent", "tracestate"} {
		given[name] = c.Headers[name]
	}
	return &kgo.Record{Topic: topic, Key: []byte(c.SagaID), Value: a.Value.Framed, Headers: headersOf(given)}
}

// headersOf gives headers by their names, without those that are empty.
func headersOf(given map[string]string) (headers []kgo.RecordHeader) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if given[name] != "" {
			headers = append(headers, kgo.RecordHeader{Key: name, Value: []byte(given[name])})
		}
	}
	return headers
}

func timeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func unlessZero(number int64) string { return strings.TrimPrefix(strconv.FormatInt(number, 10), "0") }

// DeadLetter is the record of a command that cannot be answered: cut, with why and where it stood.
func DeadLetter(topic string, bad *kgo.Record, why *Bad) *kgo.Record {
	letter := &kgo.Record{Topic: topic, Key: bad.Key[:min(len(bad.Key), maxKeyBytes)]}
	letter.Value = bad.Value[:min(len(bad.Value), 64<<10)]
	size := 0
	for _, h := range bad.Headers {
		if size += len(h.Key) + len(h.Value); size > 16<<10 {
			break
		}
		letter.Headers = append(letter.Headers, h)
	}
	letter.Headers = append(letter.Headers, headersOf(map[string]string{
		"saga_dlq_reason": why.Reason, "saga_dlq_topic": bad.Topic,
		"saga_dlq_partition": fmt.Sprint(bad.Partition), "saga_dlq_offset": fmt.Sprint(bad.Offset),
	})...)
	return letter
}
