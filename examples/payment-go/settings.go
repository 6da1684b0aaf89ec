package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// variables are all that are read from the environment, with what holds where one is not set, and the form of each.
var variables = map[string]struct{ otherwise, form string }{
	"SAGA_KAFKA_BOOTSTRAP_SERVERS":  {"", `^[^\s,]+:\d+(,[^\s,]+:\d+)*$`},
	"SAGA_KAFKA_PARTITIONS":         {"6", `^[1-9]\d{0,3}$`},
	"SAGA_KAFKA_REPLICATION_FACTOR": {"1", `^[1-9]\d?$`},
	"SAGA_KAFKA_SESSION_TIMEOUT_MS": {"10000", `^[1-9]\d{3,5}$`},
	"SAGA_TOPIC_PREFIX":             {"", `^[A-Za-z0-9._-]{1,100}$`},
	"SAGA_INSTANCE":                 {"", `^[A-Za-z0-9._-]{1,200}$`},
	"SAGA_PAYMENT_DATABASE_URL":     {"", `^postgres(ql)?(\+\w+)?://`},
	"SAGA_PARTICIPANT_DATABASE_URL": {"", `^postgres(ql)?(\+\w+)?://`},
	"SAGA_DEMO_ALLOW_CRASH":         {"0", `^[01]$`},
	"PAYMENT_COMPRESSION":           {"lz4", `^(none|gzip|snappy|lz4|zstd)$`},
	"PAYMENT_HEALTH_PORT":           {"0", `^\d{1,5}$`},
	"PAYMENT_REVIEW_ABOVE":          {"0", `^[1-9]\d{0,17}$`},
	"PAYMENT_REVIEW_MS":             {"0", `^\d{1,9}$`},
}

var compressions = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// settings have a value for each of the variables.
type settings map[string]string

func (s settings) number(name string) int64 {
	number, _ := strconv.ParseInt(s[name], 10, 64)
	return number
}

// readSettings reads the environment. An empty variable is not set; a misspelt one is refused.
func readSettings(environ []string) (settings, error) {
	given := settings{}
	for name, variable := range variables {
		given[name] = variable.otherwise
	}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		variable, known := variables[name]
		switch {
		case value == "":
		case known && !regexp.MustCompile(variable.form).MatchString(value): // never the value, which may be a secret
			return nil, fmt.Errorf("%s is not usable: it does not match %s", name, variable.form)
		case known:
			given[name] = value
		case strings.HasPrefix(name, "SAGA_KAFKA_") || strings.HasPrefix(name, "PAYMENT_"):
			return nil, fmt.Errorf("%s is not a setting of this program", name)
		}
	}
	database := cmp.Or(given["SAGA_PAYMENT_DATABASE_URL"], given["SAGA_PARTICIPANT_DATABASE_URL"])
	if database == "" {
		return nil, fmt.Errorf("SAGA_PAYMENT_DATABASE_URL is not set: write postgresql://user@host:5432/name")
	}
	if given["SAGA_KAFKA_BOOTSTRAP_SERVERS"] == "" {
		return nil, fmt.Errorf("SAGA_KAFKA_BOOTSTRAP_SERVERS is not set: write host:port")
	}
	_, address, _ := strings.Cut(database, ":") // which may have been SQLAlchemy's
	given["SAGA_PAYMENT_DATABASE_URL"] = "postgres:" + address
	return given, nil
}
