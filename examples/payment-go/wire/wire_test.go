package wire

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

var page = "../../../docs/wire.md"

// Every schema of the vectors that needs no other file has its canonical form and its id.
func TestSchemaIDs(t *testing.T) {
	text, err := os.ReadFile("../../../schemas/saga_schemas/vectors/schema-id-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			Name      string
			Document  string
			Others    []any
			Canonical string
			ID        string `json:"id_hex"`
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors.Cases) < 20 {
		t.Fatal(err, len(vectors.Cases))
	}
	for _, vector := range vectors.Cases {
		if len(vector.Others) > 0 {
			continue
		}
		canonical, err := Canonical([]byte(vector.Document))
		if err != nil || string(canonical) != vector.Canonical {
			t.Errorf("%s\nmade %s (%v)\nnot  %s", vector.Name, canonical, err, vector.Canonical)
			continue
		}
		parsed, err := ParseSchema([]byte(vector.Document))
		if err != nil || fmt.Sprintf("%08x", parsed.ID) != vector.ID {
			t.Errorf("%s: %v, not %s (%v)", vector.Name, parsed, vector.ID, err)
		}
	}
}

// Each recorded command is read, and each recorded reply is made from the command before it, header by header.
func TestRecordedMessages(t *testing.T) {
	text, _ := os.ReadFile(page)
	commands, replies := map[string]Command{}, 0
	for _, block := range regexp.MustCompile("```text\n(topic (?s:.+?))```").FindAllStringSubmatch(string(text), -1) {
		record := recorded(t, block[1])
		if strings.HasPrefix(record.Topic, "saga.cmd.") {
			command, err := ReadCommand(record)
			if err != nil {
				t.Fatal(err)
			}
			commands[command.ID] = command
		}
		given := headersIn(record)
		command, answered := commands[given["ce_causationid"]]
		if !answered || !strings.HasPrefix(record.Topic, "saga.reply.") {
			continue
		}
		replies++
		var seq int64
		var rowRun int
		fmt.Sscan(given["ce_sagaseq"], &seq)
		fmt.Sscan(given["ce_sagarowrun"], &rowRun)
		command.Headers["traceparent"], command.Headers["tracestate"] = given["traceparent"], given["tracestate"]
		answer := Answer{To: command, Outcome: Outcome(given["ce_sagaoutcome"]), Value: Value{given["ce_type"], record.Value},
			Seq: seq, RowRun: rowRun}
		made := headersIn(answer.Record(record.Topic, given["ce_source"]))
		for _, own := range []string{"ce_id", "ce_time"} {
			delete(made, own)
			delete(given, own)
		}
		if fmt.Sprint(made) != fmt.Sprint(given) {
			t.Errorf("made %v\nnot  %v", made, given)
		}
	}
	if replies < 7 {
		t.Fatalf("only %d replies were compared", replies)
	}
}

func headersIn(record *kgo.Record) map[string]string {
	found := map[string]string{}
	for _, h := range record.Headers {
		found[h.Key] = string(h.Value)
	}
	return found
}

func recorded(t *testing.T, block string) *kgo.Record {
	record := &kgo.Record{}
	for _, line := range strings.Split(block, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		switch word {
		case "topic":
			record.Topic = rest
		case "key":
			record.Key = []byte(rest)
		case "header":
			name, value, _ := strings.Cut(rest, ": ")
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
		case "value":
			value, err := hex.DecodeString(rest)
			if err != nil {
				t.Fatal(err)
			}
			record.Value = value
		}
	}
	return record
}

// Whoever may write to the topic of schemas cannot fill the memory.
func TestWhatIsLearntIsBounded(t *testing.T) {
	known := func(id uint32) bool {
		_, there := known.Load(id)
		return there
	}
	var ids []uint32
	for number := range mostLearnt + 1 {
		text := fmt.Appendf(nil, `{"name":"t.R%d","type":"record","fields":[]}`, number)
		schema, err := ParseSchema(text)
		if err != nil {
			t.Fatal(err)
		}
		Learn(fmt.Sprintf("%08x", schema.ID), text)
		Learn(fmt.Sprintf("%08x", schema.ID), text) // what is known does not count again
		ids = append(ids, schema.ID)
	}
	if !known(ids[mostLearnt-1]) || known(ids[mostLearnt]) {
		t.Errorf("%d schemas may be learnt", mostLearnt)
	}
}
