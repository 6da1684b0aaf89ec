package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/hamba/avro/v2"
)

// Lengths in a value are believed up to these bounds only.
var codec = avro.Config{MaxByteSliceSize: maxValueBytes, MaxSliceAllocSize: 16 << 20}.Freeze()

var primitives = []string{"null", "boolean", "int", "long", "float", "double", "bytes", "string"}

// Schema is a record's schema, with the id that it has everywhere.
type Schema struct {
	ID   uint32
	Name string // full
	avro avro.Schema
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
	return &Schema{ID: 0x40000000 | binary.BigEndian.Uint32(hash[:4])&0x3fffffff, Name: record.FullName(), avro: parsed}, nil
}

// MustSchema is ParseSchema for schemas that are part of the program.
func MustSchema(text []byte) *Schema {
	schema, err := ParseSchema(text)
	if err != nil {
		panic(fmt.Sprintf("%v in %s", err, text))
	}
	return schema
}

// Encode gives the framed value of a record.
func (s *Schema) Encode(record any) (Value, error) {
	value, err := codec.Marshal(s.avro, record)
	framing := binary.BigEndian.AppendUint32([]byte{0}, s.ID)
	return Value{Type: s.Name, Framed: append(framing, value...)}, err
}

// Catalog holds the schemas that writers may have used.
type Catalog struct {
	mu   sync.RWMutex
	byID map[uint32]*Schema
}

// NewCatalog makes a catalog of these schemas and Empty.
func NewCatalog(schemas ...*Schema) *Catalog {
	c := &Catalog{byID: map[uint32]*Schema{}}
	for _, schema := range append(schemas, Empty) {
		c.Add(schema)
	}
	return c
}

// Add adds a schema. One that is there already stays.
func (c *Catalog) Add(schema *Schema) (added bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.byID[schema.ID]; !there {
		c.byID[schema.ID], added = schema, true
	}
	return added
}

// Writer gives the id in a value's framing, and its schema, or a *Bad.
func (c *Catalog) Writer(framed []byte) (uint32, *Schema, error) {
	if len(framed) < 5 || framed[0] != 0 {
		return 0, nil, &Bad{"bad_framing", "a value begins with 0x00 and a schema id", true}
	}
	id := binary.BigEndian.Uint32(framed[1:5])
	c.mu.RLock()
	defer c.mu.RUnlock()
	if schema, known := c.byID[id]; known {
		return id, schema, nil
	}
	return id, nil, &Bad{"unknown_schema", fmt.Sprintf("no schema with id %08x", id), true}
}

// Decode reads a framed value under the reader's schema. The error is a *Bad.
func (c *Catalog) Decode(reader *Schema, framed []byte, into any) error {
	_, writer, err := c.Writer(framed)
	if err != nil {
		return err
	}
	if writer.Name != reader.Name {
		return &Bad{"record_mismatch", "expected " + reader.Name + ", this is a " + writer.Name, true}
	}
	resolved, err := avro.NewSchemaCompatibility().Resolve(reader.avro, writer.avro)
	if err != nil {
		return &Bad{"schema_mismatch", "it does not resolve to the reader's", true}
	}
	if err := decode(resolved, framed[5:], into); err != nil {
		return err
	}
	if !isUTF8(reflect.ValueOf(into)) {
		return &Bad{"invalid_value", "a text is not UTF-8", true}
	}
	return nil
}

// IsEmpty checks the value of a RESOLVE: records of saga.v1 have one spelling. The error is a *Bad.
func (c *Catalog) IsEmpty(framed []byte) error {
	var empty struct {
		Padding int32 `avro:"padding"`
	}
	if err := c.Decode(Empty, framed, &empty); err != nil {
		return err
	}
	if again, _ := Empty.Encode(empty); !bytes.Equal(again.Framed, framed) {
		return &Bad{"not_canonical", "records of saga.v1 have one spelling", true}
	}
	return nil
}

// isUTF8 looks at all texts in a value: Avro's strings are UTF-8, which the codec does not check.
func isUTF8(value reflect.Value) bool {
	switch value.Kind() {
	case reflect.String:
		return utf8.ValidString(value.String())
	case reflect.Pointer, reflect.Interface:
		return value.IsNil() || isUTF8(value.Elem())
	case reflect.Struct:
		for i := range value.NumField() {
			if !isUTF8(value.Field(i)) {
				return false
			}
		}
	case reflect.Slice:
		for i := 0; value.Type().Elem().Kind() != reflect.Uint8 && i < value.Len(); i++ {
			if !isUTF8(value.Index(i)) {
				return false
			}
		}
	case reflect.Map:
		for _, key := range value.MapKeys() {
			if !isUTF8(key) || !isUTF8(value.MapIndex(key)) {
				return false
			}
		}
	}
	return true
}

func decode(schema avro.Schema, value []byte, into any) (err error) {
	defer func() {
		if found := recover(); found != nil { // a length that no reader should believe
			err = &Bad{"invalid_value", "not a value of its schema", true}
		}
	}()
	r := avro.NewReader(nil, 0, avro.WithReaderConfig(codec)).Reset(value)
	r.ReadVal(schema, into)
	if errors.Is(r.Error, io.EOF) || errors.Is(r.Error, io.ErrUnexpectedEOF) {
		return &Bad{"truncated", "the value ends too early", true}
	} else if r.Error != nil {
		return &Bad{"invalid_value", "not a value of its schema", true}
	}
	if r.Peek(); r.Error == nil {
		return &Bad{"trailing_bytes", "the value goes on too long", true}
	}
	return nil
}

// Canonical gives the document that a schema's id is made from: named types in-lined where they are first used, under
// their full names, and named afterwards; without `doc` and `namespace`; keys sorted, no spaces, UTF-8 without escapes.
func Canonical(text []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out) // sorts keys
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(canonical(plainNumbers(document), "", map[string]bool{}))
	// Two characters are escaped all the same. A backslash that is a text's own is skipped as a pair.
	unescaped := strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029")
	return []byte(unescaped.Replace(strings.TrimSuffix(out.String(), "\n"))), err
}

func canonical(node any, namespace string, seen map[string]bool) any {
	switch node := node.(type) {
	case string:
		return fullName(node, namespace)
	case []any:
		for i, branch := range node {
			node[i] = canonical(branch, namespace, seen)
		}
	case map[string]any:
		return canonicalType(node, namespace, seen)
	}
	return node
}

func canonicalType(node map[string]any, namespace string, seen map[string]bool) any {
	if name, named := node["name"].(string); named {
		if own, given := node["namespace"].(string); given {
			namespace = own
		}
		full := fullName(name, namespace)
		if seen[full] {
			return full
		}
		seen[full], node["name"], namespace = true, full, full[:max(0, strings.LastIndex(full, "."))]
	}
	delete(node, "doc")
	delete(node, "namespace")
	fields, _ := node["fields"].([]any)
	for _, entry := range fields {
		if field, ok := entry.(map[string]any); ok {
			delete(field, "doc")
			delete(field, "namespace")
			field["type"] = canonical(field["type"], namespace, seen)
		}
	}
	for _, inner := range []string{"items", "values"} {
		if of, ok := node[inner]; ok {
			node[inner] = canonical(of, namespace, seen)
		}
	}
	return node
}

func fullName(name, namespace string) string {
	if slices.Contains(primitives, name) || strings.Contains(name, ".") || namespace == "" {
		return name
	}
	return namespace + "." + name
}

// plainNumbers keeps integers as they came, and writes anything else with the fewest digits that mean the same double:
// plain from 0.0001 up to 1e16, else with an exponent of two digits or more.
func plainNumbers(node any) any {
	switch node := node.(type) {
	case []any:
		for i, each := range node {
			node[i] = plainNumbers(each)
		}
	case map[string]any:
		for key, each := range node {
			node[key] = plainNumbers(each)
		}
	case json.Number:
		value, err := node.Float64()
		if node == "-0" {
			return json.Number("0")
		} else if err != nil || !strings.ContainsAny(node.String(), ".eE") {
			return node
		}
		if size := math.Abs(value); size != 0 && (size < 1e-4 || size >= 1e16) {
			return json.Number(strconv.FormatFloat(value, 'e', -1, 64))
		}
		plain := strconv.FormatFloat(value, 'f', -1, 64)
		if !strings.Contains(plain, ".") {
			plain += ".0"
		}
		return json.Number(plain)
	}
	return node
}
