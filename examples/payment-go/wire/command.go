// Package wire reads commands and writes replies as docs/wire.md says: headers, framing, schema ids.
// It knows Kafka's records, and neither a database nor a handler. Copy it.
package wire

import (
	"regexp"
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

var (
	number      = regexp.MustCompile(`^[1-9][0-9]{0,9}$`)
	hash        = regexp.MustCompile(`^[0-9a-f]{64}$`)
	step        = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}(\[(0|[1-9][0-9]{0,5})\])?$`)
	sagaID      = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	token       = regexp.MustCompile(`^[ -~]{1,128}$`)
	instant     = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:(\d\d)(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
	traceparent = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
	noTrace     = regexp.MustCompile(`^00-(0{32}-.*|.{32}-0{16}-.*)$`)
	baggage     = regexp.MustCompile(`^[ -~]+$`)
)

// The names of the page's table. A fault in one of these headers makes any message bad; other names are ignored.
var known = setOf("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "ce_correlationid",
	"ce_causationid", "ce_expirytime", "ce_sequence", "content-type", "ce_sagaprotocol", "ce_sagatenant", "ce_sagakind",
	"ce_sagastep", "ce_sagarun", "ce_sagaattempt", "ce_sagaincarnation", "ce_sagaversion", "ce_sagadef", "ce_sagatoken",
	"ce_sagadefinition", "ce_sagaoutcome", "ce_sagaseq", "ce_sagarowrun", "__value_schema_id")

// Headers of tracing. A fault in one of them makes it absent: tracing never refuses work.
var tracing = setOf("traceparent", "tracestate", "ce_traceparent", "baggage")

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
	f, bad := collect(record.Headers)
	if bad != nil {
		return Command{}, bad
	}
	f.expect("ce_specversion", "1.0")
	protocol := f.text("ce_sagaprotocol")
	c := Command{
		ID: f.text("ce_id"), SagaID: f.match("ce_correlationid", sagaID), Step: f.match("ce_sagastep", step),
		Kind: f.text("ce_sagakind"), Tenant: f.text("ce_sagatenant"), Token: f.match("ce_sagatoken", token),
		Run: f.number("ce_sagarun"), Attempt: f.number("ce_sagaattempt"),
		Incarnation: f.number("ce_sagaincarnation"), Version: f.number("ce_sagaversion"),
	}
	c.Traceparent, c.Tracestate, c.Origin, c.Baggage = f.trace()
	if f.bad != nil {
		return Command{}, f.bad
	}
	if protocol != "1" { // answered, never ignored: the rest may look different there
		return c, &Bad{"protocol_unsupported", "we speak 1", true}
	}
	if c.Kind != Action && c.Kind != Compensation && c.Kind != Resolve {
		return c, &Bad{"kind_unsupported", "not a kind we know", true}
	}
	c.Type, c.ExpiresAt = f.text("ce_type"), f.time("ce_expirytime")
	f.time("ce_time")
	f.text("ce_source")
	f.match("ce_sagadef", hash)
	f.optional("ce_causationid")
	f.expect("ce_subject", c.SagaID+"/"+c.Step)
	if _, given := f.found["content-type"]; given {
		f.expect("content-type", "application/avro")
	}
	if f.bad != nil {
		return Command{}, f.bad
	}
	c.Value = append([]byte(f.found["__value_schema_id"]), record.Value...) // the framing may stand in that header
	switch {
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

// fields are the headers of one message. The first fault is kept in bad, and the rest is read all the same.
type fields struct {
	found map[string]string
	bad   error
}

func collect(headers []kgo.RecordHeader) (*fields, error) {
	found, twice, total := map[string]string{}, map[string]bool{}, 0
	for _, h := range headers {
		before, again := found[h.Key]
		if total += len(h.Key) + len(h.Value); total > maxHeadersBytes {
			return nil, &Bad{Reason: "too_large", Detail: "headers"}
		}
		switch {
		case tracing[h.Key] && again && h.Key == "tracestate": // W3C: a list that may come in several headers
			found[h.Key] = before + "," + string(h.Value)
		case tracing[h.Key]:
			found[h.Key], twice[h.Key] = string(h.Value), again
		case !known[h.Key]:
		case again:
			return nil, &Bad{Reason: "header_duplicate", Detail: h.Key}
		case h.Value == nil || !utf8.Valid(h.Value) && h.Key != "__value_schema_id":
			return nil, &Bad{Reason: "header_invalid", Detail: h.Key + ": no UTF-8 text"}
		case len(h.Value) > maxHeaderBytes:
			return nil, &Bad{Reason: "too_large", Detail: h.Key}
		default:
			found[h.Key] = string(h.Value)
		}
	}
	for name, again := range twice {
		if again {
			delete(found, name)
		}
	}
	return &fields{found: found}, nil
}

func (f *fields) fail(reason, detail string) {
	if f.bad == nil {
		f.bad = &Bad{Reason: reason, Detail: detail}
	}
}

func (f *fields) checked(name, rule string, ok func(string) bool) string {
	value, given := f.found[name]
	if !given {
		f.fail("header_missing", name)
	} else if !ok(value) {
		f.fail("header_invalid", name+": "+rule)
	}
	return value
}

func (f *fields) text(name string) string {
	return f.checked(name, "1 to 256 printable characters without spaces at the ends", IsText)
}

func (f *fields) optional(name string) {
	if _, given := f.found[name]; given {
		f.text(name)
	}
}

func (f *fields) match(name string, form *regexp.Regexp) string {
	return f.checked(name, "not of its form", form.MatchString)
}

func (f *fields) expect(name, value string) {
	f.checked(name, "not the value this message must have", func(given string) bool { return given == value })
}

func (f *fields) number(name string) int {
	value := f.checked(name, "a decimal number from 1 to 2147483647", func(given string) bool {
		n, err := strconv.ParseInt(given, 10, 32)
		return number.MatchString(given) && err == nil && n > 0
	})
	n, _ := strconv.Atoi(value)
	return n
}

func (f *fields) time(name string) int64 {
	var us int64
	f.checked(name, "an RFC 3339 time", func(given string) (ok bool) { us, ok = parseTime(given); return ok })
	return us
}

// trace gives traceparent, tracestate, origin and baggage; each is empty where it is absent or makes no context.
func (f *fields) trace() (parent, state, origin, carried string) {
	valid := func(text string) bool { return traceparent.MatchString(text) && !noTrace.MatchString(text) }
	if valid(f.found["traceparent"]) {
		parent, state = f.found["traceparent"], f.found["tracestate"]
		if _, err := trace.ParseTraceState(state); err != nil || len(state) > 512 {
			parent, state = "", ""
		}
	}
	if valid(f.found["ce_traceparent"]) {
		origin = f.found["ce_traceparent"]
	}
	if baggage.MatchString(f.found["baggage"]) && len(f.found["baggage"]) <= 1024 {
		carried = f.found["baggage"]
	}
	return parent, state, origin, carried
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

func setOf(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}
