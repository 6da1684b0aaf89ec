package wire

import (
	"strings"
	"time"
)

// The records of the protocol that a participant writes or reads.
var (
	Empty   = MustSchema([]byte(`{"type":"record","name":"saga.v1.Empty","fields":[{"name":"padding","type":"int","default":0}]}`))
	failure = MustSchema([]byte(`{"type":"record","name":"saga.v1.Failure","fields":[{"name":"code","type":"string"},
		{"name":"message","type":"string","default":""},{"name":"retry_after_ms","type":["null","long"],"default":null}]}`))
	progress = MustSchema([]byte(`{"type":"record","name":"saga.v1.Progress","fields":[{"name":"note","type":"string","default":""}]}`))
)

// NoValue is the value of a reply that says nothing beyond its headers.
var NoValue = must(Empty.Encode(map[string]any{"padding": 0}))

// Failure is the value of REJECTED and FAILED, cut to its bounds. retry: not before; 0 leaves it to the coordinator.
func Failure(code, message string, retry time.Duration) Value {
	var retryMs *int64
	if retry > 0 {
		ms := min(retry, 24*time.Hour).Milliseconds()
		retryMs = &ms
	}
	return must(failure.Encode(map[string]any{"code": cut(code, 128), "message": cut(message, 1024), "retry_after_ms": retryMs}))
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
