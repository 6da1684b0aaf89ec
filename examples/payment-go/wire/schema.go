package wire

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/hamba/avro/v2"
)

// Lengths in a value are believed up to these bounds only.
var codec = avro.Config{MaxByteSliceSize: maxValueBytes, MaxSliceAllocSize: 16 << 20}.Freeze()

// known has the schemas that writers may have used, by id.
var known sync.Map

// mostLearnt of them come from the topic of schemas: whoever may write there must not fill the memory.
const mostLearnt = 1000

var learnt atomic.Int32

// learnPatience: a coordinator publishes a new schema within seconds.
const learnPatience = 8 * time.Second

// Schema is a record's schema, with the id that it has everywhere.
type Schema struct {
	ID   uint32
	Name string // full
	avro avro.Schema
}

// Value is a record as a reply carries it, and as a row remembers it.
type Value struct {
	Type   string // full name of the record
	Framed []byte
}

// ParseSchema reads a schema from JSON; it must not refer to other files.
func ParseSchema(text []byte) (*Schema, error) {
	canonical, err := Canonical(text)
	if err != nil {
		return nil, err
	}
	parsed, err := avro.ParseBytesWithCache(canonical, "", &avro.SchemaCache{})
	if err != nil {
		return nil, err
	}
	record, ok := parsed.(*avro.RecordSchema)
	if !ok {
		return nil, errors.New("a message's schema is a record")
	}
	hash := sha256.Sum256(canonical)
	id := 0x40000000 | binary.BigEndian.Uint32(hash[:4])&0x3fffffff
	return &Schema{ID: id, Name: record.FullName(), avro: parsed}, nil
}

// MustSchema reads a schema that is part of the program, from its folder of schemas. Values in it can be read then.
func MustSchema(files embed.FS, name string) *Schema {
	text, missing := files.ReadFile("schemas/" + name + ".avsc")
	schema, err := ParseSchema(text)
	if err := cmp.Or(missing, err); err != nil {
		panic(fmt.Sprintf("%v in %s", err, name))
	}
	known.Store(schema.ID, schema)
	return schema
}

// Learn takes a schema from the topic of schemas, which is not trusted: its canonical document has the id of the key.
func Learn(key string, text []byte) {
	if len(text) > maxValueBytes {
		return
	}
	schema, err := ParseSchema(text)
	if err != nil || fmt.Sprintf("%08x", schema.ID) != key {
		return
	}
	if _, there := known.Load(schema.ID); !there && learnt.Add(1) <= mostLearnt {
		known.Store(schema.ID, schema)
	}
}

// writerOf gives the schema that a value was written in. One that is not known has some seconds to be learnt.
func writerOf(framed []byte) (*Schema, error) {
	if len(framed) < 5 || framed[0] != 0 {
		return nil, &Bad{"bad_framing", "a value begins with 0x00 and a schema id", Unsupported}
	}
	id := binary.BigEndian.Uint32(framed[1:5])
	for until := time.Now().Add(learnPatience); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if schema, there := known.Load(id); there {
			return schema.(*Schema), nil
		}
	}
	return nil, &Bad{"unknown_schema", fmt.Sprintf("no schema with id %08x", id), Failed}
}

// Encode gives the framed value of a record.
func (s *Schema) Encode(record any) (Value, error) {
	value, err := codec.Marshal(s.avro, record)
	framing := binary.BigEndian.AppendUint32([]byte{0}, s.ID)
	return Value{Type: s.Name, Framed: append(framing, value...)}, err
}

// Decode reads a framed value as this schema says, whichever it was written in. The error is a *Bad.
func (s *Schema) Decode(framed []byte, into any) error {
	writer, err := writerOf(framed)
	if err != nil {
		return err
	}
	if writer.Name != s.Name {
		return &Bad{"record_mismatch", "expected " + s.Name + ", this is a " + writer.Name, Unsupported}
	}
	resolved, err := avro.NewSchemaCompatibility().Resolve(s.avro, writer.avro)
	if err != nil {
		return &Bad{"schema_mismatch", "it does not resolve to the reader's", Failed}
	}
	var whole any // as it was written, to look at all its texts: the codec does not check that they are UTF-8
	if err := errors.Join(decode(writer.avro, framed[5:], &whole), decode(resolved, framed[5:], into)); err != nil {
		return err
	}
	if !utf8.ValidString(fmt.Sprint(whole)) {
		return &Bad{"invalid_value", "a text is not UTF-8", Unsupported}
	}
	return nil
}

func decode(schema avro.Schema, value []byte, into any) (err error) {
	invalid := &Bad{"invalid_value", "not a value of its schema", Unsupported}
	defer func() {
		if recover() != nil { // a length that no reader should believe
			err = invalid
		}
	}()
	reader := avro.NewReader(nil, 0, avro.WithReaderConfig(codec)).Reset(value)
	if reader.ReadVal(schema, into); reader.Error != nil {
		return invalid
	}
	if reader.Peek(); reader.Error == nil {
		return &Bad{"trailing_bytes", "the value goes on too long", Unsupported}
	}
	return nil
}
