package wire

import (
	"strconv"
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

// Value is a record as a reply carries it, and as a row remembers it.
type Value struct {
	Type   string // full name of the record
	Framed []byte
}

// Answer is one reply before it has headers.
type Answer struct {
	To      Command // the command that is answered: its headers are echoed
	Outcome Outcome
	Value   Value
	Seq     int64 // orders IN_PROGRESS; 0: none
	RowRun  int   // the row's run, where it is newer than the command's; 0: it is not

	TakenAt                 time.Time     // when the command was taken in hand; zero: not said
	Handler                 time.Duration // how long its handler took; 0: none ran
	Traceparent, Tracestate string        // of the span that worked on it; empty: the command's own go back
}

// Record is the reply for Kafka.
func (a Answer) Record(topic, source string) *kgo.Record {
	c, value := a.To, a.Value
	if value.Type == "" {
		value = NoValue
	}
	if a.Traceparent == "" {
		a.Traceparent, a.Tracestate = c.Traceparent, c.Tracestate
	}
	record := &kgo.Record{Topic: topic, Key: []byte(c.SagaID), Value: value.Framed}
	for _, h := range [][2]string{
		{"ce_specversion", "1.0"}, {"content-type", "application/avro"}, {"ce_sagaprotocol", "1"},
		{"ce_id", uuid.NewString()}, {"ce_source", source}, {"ce_type", value.Type}, {"ce_time", timeText(time.Now())},
		{"ce_causationid", c.ID}, {"ce_correlationid", c.SagaID}, {"ce_subject", c.SagaID + "/" + c.Step},
		{"ce_sagakind", c.Kind}, {"ce_sagaoutcome", string(a.Outcome)}, {"ce_sagastep", c.Step},
		{"ce_sagatenant", c.Tenant}, {"ce_sagarun", strconv.Itoa(c.Run)}, {"ce_sagaattempt", strconv.Itoa(c.Attempt)},
		{"ce_sagaincarnation", strconv.Itoa(c.Incarnation)}, {"ce_sagaversion", strconv.Itoa(c.Version)},
		{"ce_sagatoken", c.Token}, {"ce_sagaseq", unlessZero(a.Seq)}, {"ce_sagarowrun", unlessZero(int64(a.RowRun))},
		{"ce_sagatakentime", timeText(a.TakenAt)}, {"ce_sagahandlerus", unlessZero(a.Handler.Microseconds())},
		{"traceparent", a.Traceparent}, {"tracestate", a.Tracestate}, {"ce_traceparent", c.Origin},
	} {
		if h[1] != "" {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
		}
	}
	return record
}

func timeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func unlessZero(number int64) string {
	if number == 0 {
		return ""
	}
	return strconv.FormatInt(number, 10)
}

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
	for _, h := range [][2]string{
		{"saga_dlq_reason", why.Reason}, {"saga_dlq_topic", bad.Topic},
		{"saga_dlq_partition", strconv.Itoa(int(bad.Partition))}, {"saga_dlq_offset", strconv.FormatInt(bad.Offset, 10)},
	} {
		letter.Headers = append(letter.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
	}
	return letter
}
