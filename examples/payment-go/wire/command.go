// Package wire reads commands and writes replies as docs/wire.md says: headers, framing, schema ids.
// It knows Kafka's records, and neither a database nor a handler. Copy it.
package wire

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
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

// When a header is looked at. What a reply echoes is read also of a command of another protocol or an unknown kind.
const (
	echoed = iota
	required
	optional
	other // of other messages than commands
)

// The table of the page. A fault in one of these headers makes a command bad; headers of other names are ignored.
var headers = []struct {
	name string
	when int
	ok   func(string) bool
}{
	{"ce_specversion", echoed, like(`1\.0`)},
	{"ce_sagaprotocol", echoed, IsText},
	{"ce_id", echoed, IsText},
	{"ce_correlationid", echoed, like(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)},
	{"ce_sagastep", echoed, like(`[a-z][a-z0-9-]{0,62}(\[(0|[1-9][0-9]{0,5})\])?`)},
	{"ce_sagakind", echoed, IsText},
	{"ce_sagatenant", echoed, IsText},
	{"ce_sagatoken", echoed, like(`[ -~]{1,128}`)},
	{"ce_sagarun", echoed, isNumber},
	{"ce_sagaattempt", echoed, isNumber},
	{"ce_sagaincarnation", echoed, isNumber},
	{"ce_sagaversion", echoed, isNumber},
	{"ce_source", required, IsText},
	{"ce_type", required, IsText},
	{"ce_time", required, isTime},
	{"ce_expirytime", required, isTime},
	{"ce_subject", required, IsText},
	{"ce_sagadef", required, like(`[0-9a-f]{64}`)},
	{"ce_causationid", optional, IsText},
	{"content-type", optional, like(`application/avro`)},
	{"__value_schema_id", other, nil},
	{"ce_sequence", other, nil},
	{"ce_sagadefinition", other, nil},
	{"ce_sagaoutcome", other, nil},
	{"ce_sagaseq", other, nil},
	{"ce_sagarowrun", other, nil},
}

// Headers of tracing. A fault in one of them makes it absent: tracing never refuses work.
var tracing = []string{"traceparent", "tracestate", "ce_traceparent", "baggage"}

var (
	instant   = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:(\d\d)(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
	isContext = like(`00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}`)
	isNone    = like(`00-(0{32}-.*|.{32}-0{16}-.*)`)
	isBaggage = like(`[ -~]+`)
)

// Bad is what is wrong with a message.
type Bad struct {
	Reason string // a code of the page's table of dead letters
	Detail string
	// Answerable: what an answer echoes could be read, so the command is answered and is no dead letter.
	Answerable bool
}

func (b *Bad) Error() string { return b.Reason + ": " + b.Detail }

// Command is what the coordinator asks.
type Command struct {
	ID, Type, SagaID, Step, Kind, Tenant, Token string
	Run, Attempt, Incarnation, Version          int
	ExpiresAt                                   int64 // microseconds since 1970
	Value                                       []byte
	Traceparent, Tracestate, Origin, Baggage    string
}

// Newer tells whether the coordinator decided this command after the other, in whatever order they come.
func (c Command) Newer(other Command) bool {
	if c.Incarnation != other.Incarnation {
		return c.Incarnation > other.Incarnation
	}
	return c.Version > other.Version || c.Version == other.Version && c.Attempt > other.Attempt
}

// ReadCommand reads a record of a command topic; the value is not looked at. The error is a *Bad.
func ReadCommand(record *kgo.Record) (Command, error) {
	if len(record.Key) > maxKeyBytes || len(record.Value) > maxValueBytes || len(record.Headers) > maxHeaders {
		return Command{}, &Bad{Reason: "too_large", Detail: "key, value or headers"}
	}
	h, err := collect(record.Headers)
	if err != nil {
		return Command{}, err
	}
	if err := check(h, echoed); err != nil {
		return Command{}, err
	}
	number := func(name string) int { n, _ := strconv.Atoi(h[name]); return n }
	c := Command{
		ID: h["ce_id"], SagaID: h["ce_correlationid"], Step: h["ce_sagastep"], Kind: h["ce_sagakind"],
		Tenant: h["ce_sagatenant"], Token: h["ce_sagatoken"], Run: number("ce_sagarun"), Attempt: number("ce_sagaattempt"),
		Incarnation: number("ce_sagaincarnation"), Version: number("ce_sagaversion"),
	}
	c.readTrace(h)
	if h["ce_sagaprotocol"] != "1" { // answered, never ignored: the rest may look different there
		return c, &Bad{"protocol_unsupported", "we speak 1", true}
	}
	if c.Kind != Action && c.Kind != Compensation && c.Kind != Resolve {
		return c, &Bad{"kind_unsupported", "not a kind we know", true}
	}
	if err := errors.Join(check(h, required), check(h, optional)); err != nil {
		return Command{}, err
	}
	c.Type = h["ce_type"]
	c.ExpiresAt, _ = parseTime(h["ce_expirytime"])
	c.Value = append([]byte(h["__value_schema_id"]), record.Value...) // the framing may stand in that header
	switch {
	case h["ce_subject"] != c.SagaID+"/"+c.Step:
		return Command{}, &Bad{Reason: "header_invalid", Detail: "ce_subject: <saga id>/<step>"}
	case record.Key == nil:
		return c, &Bad{"null_key", "the key is the saga id", true}
	case string(record.Key) != c.SagaID:
		return c, &Bad{"key_mismatch", "the key is the saga id", true}
	case c.Kind == Resolve && c.Type != Empty.Name:
		return c, &Bad{"record_mismatch", "a resolve carries " + Empty.Name, true}
	case record.Value == nil:
		return c, &Bad{"null_value", "a value is never null", true}
	}
	return c, nil
}

// check looks at the forms of the headers of one sort.
func check(found map[string]string, when int) error {
	for _, h := range headers {
		value, given := found[h.name]
		if h.when != when || !given && when == optional {
			continue
		}
		if !given {
			return &Bad{Reason: "header_missing", Detail: h.name}
		}
		if !h.ok(value) {
			return &Bad{Reason: "header_invalid", Detail: h.name + ": not of its form"}
		}
	}
	return nil
}

// collect gives the known headers by name.
func collect(given []kgo.RecordHeader) (map[string]string, error) {
	known, found, twice, total := map[string]bool{}, map[string]string{}, []string{}, 0
	for _, h := range headers {
		known[h.name] = true
	}
	for _, h := range given {
		before, again := found[h.Key]
		total += len(h.Key) + len(h.Value)
		switch traced := slices.Contains(tracing, h.Key); {
		case total > maxHeadersBytes || known[h.Key] && len(h.Value) > maxHeaderBytes:
			return nil, &Bad{Reason: "too_large", Detail: h.Key}
		case traced && again && h.Key == "tracestate": // W3C: a list that may come in several headers
			found[h.Key] = before + "," + string(h.Value)
		case traced && again:
			twice = append(twice, h.Key)
		case traced:
			found[h.Key] = string(h.Value)
		case !known[h.Key]:
		case again:
			return nil, &Bad{Reason: "header_duplicate", Detail: h.Key}
		case h.Value == nil || !utf8.Valid(h.Value) && h.Key != "__value_schema_id":
			return nil, &Bad{Reason: "header_invalid", Detail: h.Key + ": no UTF-8 text"}
		default:
			found[h.Key] = string(h.Value)
		}
	}
	for _, name := range twice {
		delete(found, name)
	}
	return found, nil
}

// readTrace takes the trace context. What is absent, or makes no context, stays empty.
func (c *Command) readTrace(h map[string]string) {
	valid := func(text string) bool { return isContext(text) && !isNone(text) }
	_, err := trace.ParseTraceState(h["tracestate"])
	if valid(h["traceparent"]) && err == nil && len(h["tracestate"]) <= 512 {
		c.Traceparent, c.Tracestate = h["traceparent"], h["tracestate"]
	}
	if valid(h["ce_traceparent"]) {
		c.Origin = h["ce_traceparent"]
	}
	if isBaggage(h["baggage"]) && len(h["baggage"]) <= 1024 {
		c.Baggage = h["baggage"]
	}
}

func like(form string) func(string) bool { return regexp.MustCompile(`^(?:` + form + `)$`).MatchString }

func isNumber(text string) bool {
	n, err := strconv.ParseInt(text, 10, 32)
	return err == nil && n > 0 && strconv.FormatInt(n, 10) == text
}

func isTime(text string) bool {
	_, ok := parseTime(text)
	return ok
}

// IsText tells whether a header that is a text may have this value.
func IsText(text string) bool {
	printable := func(r rune) bool { return unicode.IsPrint(r) && r != utf8.RuneError }
	return text != "" && utf8.RuneCountInString(text) <= 256 && strings.TrimSpace(text) == text &&
		strings.IndexFunc(text, func(r rune) bool { return !printable(r) }) < 0
}

// parseTime gives microseconds since 1970. A leap second is the second after it; digits behind the microsecond are cut.
func parseTime(text string) (us int64, ok bool) {
	text = strings.ToUpper(text)
	parts := instant.FindStringSubmatchIndex(text)
	if parts == nil {
		return 0, false
	}
	leap := text[parts[2]:parts[3]] == "60"
	if leap {
		text = text[:parts[2]] + "59" + text[parts[3]:]
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if leap {
		utc := at.UTC()
		if utc.Hour() != 23 || utc.Minute() != 59 {
			return 0, false
		}
		at = at.Add(time.Second)
	}
	return at.UnixMicro(), err == nil
}
