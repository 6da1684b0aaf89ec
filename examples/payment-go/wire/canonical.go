package wire

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	// typeWords are what `type`, `items` and `values` may hold beside names.
	typeWords = []string{"null", "boolean", "int", "long", "float", "double", "bytes", "string",
		"record", "enum", "fixed", "array", "map"}
	token = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*`)
	// Go escapes two characters that the canonical form does not. A text's own backslash is skipped as a pair.
	unescaped = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029")
)

// Canonical gives the document that a schema's id is made from: docs/wire.md#schema-ids.
func Canonical(text []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // which keeps numbers as they are spelled
	var document any
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	var written bytes.Buffer
	encoder := json.NewEncoder(&written) // sorts keys
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(inlined(document, "", map[string]bool{}))
	result := token.ReplaceAllStringFunc(strings.TrimSpace(written.String()), func(token string) string {
		switch {
		case token[0] == '"':
			return unescaped.Replace(token)
		case strings.ContainsAny(token, ".eE"):
			return double(token)
		case token == "-0":
			return "0"
		}
		return token
	})
	return []byte(result), err
}

// inlined gives a type, a field, or a list of them: named types in full where they are first used, then by full name.
func inlined(node any, namespace string, seen map[string]bool) any {
	switch node := node.(type) {
	case string:
		return fullName(node, namespace)
	case []any:
		for i, each := range node {
			node[i] = inlined(each, namespace, seen)
		}
	case map[string]any:
		if kind := node["type"]; kind == "record" || kind == "enum" || kind == "fixed" {
			if own, given := node["namespace"].(string); given {
				namespace = own
			}
			name, _ := node["name"].(string)
			name = fullName(name, namespace)
			if seen[name] {
				return name
			}
			seen[name], node["name"] = true, name
			namespace = name[:max(0, strings.LastIndex(name, "."))]
		}
		delete(node, "doc")
		delete(node, "namespace")
		for _, key := range []string{"type", "items", "values", "fields"} {
			if inner, there := node[key]; there {
				node[key] = inlined(inner, namespace, seen)
			}
		}
	}
	return node
}

func fullName(name, namespace string) string {
	if slices.Contains(typeWords, name) || strings.Contains(name, ".") || namespace == "" {
		return name
	}
	return namespace + "." + name
}

// double spells a number with the fewest digits that mean the same.
func double(text string) string {
	value, _ := strconv.ParseFloat(text, 64)
	if size := math.Abs(value); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(value, 'e', -1, 64)
	}
	plain := strconv.FormatFloat(value, 'f', -1, 64)
	if !strings.Contains(plain, ".") {
		plain += ".0"
	}
	return plain
}
