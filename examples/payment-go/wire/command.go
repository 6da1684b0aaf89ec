// Package wire reads commands and writes replies as docs/wire.md says: headers, framing, schema ids.
// It knows Kafka's records, and neither a database nor a handler. Copy it.
package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/trace"
)

// The kinds of a command.
const (
	Action       = "action"
	Compensation = "compensation"
	Resolve      = "resolve"
)

// The sizes that a message may have.
const (
	maxKeyBytes     = 1 << 10
	maxValueBytes   = 256 << 10
	maxHeaders      = 64
	maxHeaderBytes  = 4 << 10
	maxHeadersBytes = 32 << 10
)

// When a header's form is looked at.
const (
	echoed   = iota // first: a reply echoes it, also the one to a command of another protocol or an unknown kind
	required        // then
	optional        // then, where it is there
	tracing         // a fault makes it absent: tracing never refuses work
	other           // never: it is of other messages than commands
	framing         // never: it is bytes
)

// isText: printable, without spaces at the ends.
var isText = like(`[\pL\pM\pN\pP\pS]([\pL\pM\pN\pP\pS ]{0,254}[\pL\pM\pN\pP\pS])?`)

// The table of docs/wire.md#a-message. Headers of other names are ignored.
var headers = []struct {
	name  string
	when  int
	valid func(string) bool
}{
	{"ce_specversion", echoed, like(`1\.0`)},
	{"ce_sagaprotocol", echoed, isText},
	{"ce_id", echoed, isText},
	{"ce_correlationid", echoed, like(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)},
	{"ce_sagastep", echoed, like(`[a-z][a-z0-9-]{0,62}(\[(0|[1-9][0-9]{0,5})\])?`)},
	{"ce_sagakind", echoed, isText},
	{"ce_sagatenant", echoed, isText},
	{"ce_sagatoken", echoed, like(`[ -~]{1,128}`)},
	{"ce_sagarun", echoed, isNumber},
	{"ce_sagaattempt", echoed, isNumber},
	{"ce_sagaincarnation", echoed, isNumber},
	{"ce_sagaversion", echoed, isNumber},
	{"ce_source", required, isText},
	{"ce_type", required, isText},
	{"ce_time", required, isTime},
	{"ce_expirytime", required, isTime},
	{"ce_subject", required, isText},
	{"ce_sagadef", required, like(`[0-9a-f]{64}`)},
	{"ce_causationid", optional, isText},
	{"content-type", optional, like(`application/avro`)},
	{"traceparent", tracing, isContext},
	{"tracestate", tracing, isTraceState},
	{"ce_traceparent", tracing, isContext},
	{"baggage", tracing, like(`[ -~]{1,1000}[ -~]{0,24}`)}, // 1,024; a regexp repeats up to 1,000 times
	{"__value_schema_id", framing, nil},
	{"ce_sequence", other, nil},
	{"ce_sagadefinition", other, nil},
	{"ce_sagaoutcome", other, nil},
	{"ce_sagaseq", other, nil},
	{"ce_sagarowrun", other, nil},
}

// Command is what the coordinator asks.
type Command struct {
	ID, Type, SagaID, Step, Kind, Tenant string
	Run, Attempt, Incarnation, Version   int
	ExpiresAt                            int64 // microseconds since 1970
	Value                                []byte
	Headers                              map[string]string // as they came, as far as they are of a command
}

// IsAnnouncement tells whether a record is about no single saga: docs/wire.md#announcements.
func IsAnnouncement(record *kgo.Record) bool {
	for _, header := range record.Headers {
		if header.Key == "ce_sagakind" {
			return string(header.Value) == "horizon" || string(header.Value) == "sweep"
		}
	}
	return false
}

// ReadCommand reads a record of a command topic. The error is a *Bad; of the value only a RESOLVE's is looked at.
func ReadCommand(record *kgo.Record) (Command, error) {
	h, err := readHeaders(record)
	if err == nil {
		err = check(h, echoed)
	}
	if err != nil {
		return Command{}, err
	}
	number := func(name string) int {
		n, _ := strconv.Atoi(h[name])
		return n
	}
	c := Command{
		ID: h["ce_id"], Type: h["ce_type"], SagaID: h["ce_correlationid"], Step: h["ce_sagastep"],
		Kind: h["ce_sagakind"], Tenant: h["ce_sagatenant"], Run: number("ce_sagarun"), Attempt: number("ce_sagaattempt"),
		Incarnation: number("ce_sagaincarnation"), Version: number("ce_sagaversion"), Headers: h,
	}
	if h["ce_sagaprotocol"] != "1" { // answered, never ignored: the rest may look different there
		return c, &Bad{"protocol_unsupported", "we speak 1", Unsupported}
	}
	if c.Kind != Action && c.Kind != Compensation && c.Kind != Resolve {
		return c, &Bad{"kind_unsupported", "not a kind we know", Unsupported}
	}
	if err := errors.Join(check(h, required), check(h, optional)); err != nil {
		return Command{}, err
	}
	c.ExpiresAt, _ = parseTime(h["ce_expirytime"])
	c.Value = append([]byte(h["__value_schema_id"]), record.Value...) // the framing may stand in that header
	delete(h, "__value_schema_id")
	switch {
	case h["ce_subject"] != c.SagaID+"/"+c.Step:
		return c, &Bad{Reason: "header_invalid", Detail: "ce_subject: <saga id>/<step>"}
	case record.Key == nil:
		return c, &Bad{"null_key", "the key is the saga id", Unsupported}
	case string(record.Key) != c.SagaID:
		return c, &Bad{"key_mismatch", "the key is the saga id", Unsupported}
	case record.Value == nil:
		return c, &Bad{"null_value", "a value is never null", Unsupported}
	case c.Kind == Resolve && (c.Type != NoValue.Type || !isEmpty(c.Value)):
		return c, &Bad{"record_mismatch", "a resolve carries " + NoValue.Type, Unsupported}
	}
	return c, nil
}

// readHeaders gives the headers of the table by name, after what holds for all of them: sizes, UTF-8, one of each name.
func readHeaders(record *kgo.Record) (map[string]string, error) {
	given, total := map[string][][]byte{}, 0
	for _, h := range record.Headers {
		total += len(h.Key) + len(h.Value)
		given[h.Key] = append(given[h.Key], h.Value)
	}
	if len(record.Key) > maxKeyBytes || len(record.Value) > maxValueBytes ||
		len(record.Headers) > maxHeaders || total > maxHeadersBytes {
		return nil, &Bad{Reason: "too_large", Detail: "key, value or headers"}
	}
	found := map[string]string{}
	for _, h := range headers {
		values := given[h.name]
		switch {
		case len(values) == 0:
		case h.when == tracing:
			text := string(bytes.Join(values, []byte(","))) // W3C: several tracestate are one list
			if (len(values) == 1 || h.name == "tracestate") && h.valid(text) {
				found[h.name] = text
			}
		case len(values) > 1:
			return nil, &Bad{Reason: "header_duplicate", Detail: h.name}
		case len(values[0]) > maxHeaderBytes:
			return nil, &Bad{Reason: "too_large", Detail: h.name}
		case values[0] == nil || !utf8.Valid(values[0]) && h.when != framing:
			return nil, &Bad{Reason: "header_invalid", Detail: h.name + ": no UTF-8 text"}
		case h.when != other:
			found[h.name] = string(values[0])
		}
	}
	_, valid := found["tracestate"]
	if found["traceparent"] == "" || given["tracestate"] != nil && !valid { // neither of the two goes without the other
		delete(found, "traceparent")
		delete(found, "tracestate")
	}
	return found, nil
}

// check looks at the forms of the headers that are to be looked at now.
func check(found map[string]string, now int) error {
	for _, h := range headers {
		value, given := found[h.name]
		switch {
		case h.when != now || !given && now == optional:
		case !given:
			return &Bad{Reason: "header_missing", Detail: h.name}
		case !h.valid(value):
			return &Bad{Reason: "header_invalid", Detail: h.name + ": not of its form"}
		}
	}
	return nil
}

// isEmpty tells whether a value is a saga.v1.Empty, in the one spelling of its int.
func isEmpty(framed []byte) bool {
	framing := NoValue.Framed[:5:5]
	padding, _ := binary.Varint(framed[min(len(framing), len(framed)):])
	return int64(int32(padding)) == padding && bytes.Equal(binary.AppendVarint(framing, padding), framed)
}

func like(form string) func(string) bool { return regexp.MustCompile(`^(?:` + form + `)$`).MatchString }

func isNumber(text string) bool {
	n, err := strconv.ParseInt(text, 10, 32)
	return err == nil && n > 0 && strconv.FormatInt(n, 10) == text
}

func isContext(text string) bool { return traceparent(text) && !zeroID.MatchString(text) }

func isTraceState(text string) bool {
	_, err := trace.ParseTraceState(text)
	return err == nil && len(text) <= 512
}

func isTime(text string) bool {
	_, ok := parseTime(text)
	return ok
}

var (
	traceparent = like(`00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}`)
	zeroID      = regexp.MustCompile(`-(0{32}|0{16})-`)

	instant = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
	leap    = regexp.MustCompile(`(T\d\d:\d\d):60`)
)

// parseTime gives microseconds since 1970. A leap second is the second after it.
func parseTime(text string) (us int64, ok bool) {
	text = strings.ToUpper(text)
	plain := leap.ReplaceAllString(text, "$1:59")
	at, err := time.Parse(time.RFC3339Nano, plain)
	if plain != text && at.UTC().Format("15:04:05") != "23:59:59" {
		return 0, false
	} else if plain != text {
		at = at.Add(time.Second)
	}
	return at.UnixMicro(), err == nil && instant.MatchString(text)
}
