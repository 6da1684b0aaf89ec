package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"payment-go/participant"
)

// settings come from the environment. An empty variable is not set; a misspelt one is refused.
type settings struct {
	participant participant.Settings
	database    string
	healthPort  int
	allowCrash  bool
	reviewAbove int64         // cents; 0: no charge is reviewed
	reviewTime  time.Duration // from the command to the review's end
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// variables are all that are read, with the form of each.
var variables = map[string]*regexp.Regexp{
	"SAGA_KAFKA_BOOTSTRAP_SERVERS":  regexp.MustCompile(`^[^\s,]+:\d+(,[^\s,]+:\d+)*$`),
	"SAGA_KAFKA_PARTITIONS":         regexp.MustCompile(`^[1-9]\d{0,3}$`),
	"SAGA_KAFKA_REPLICATION_FACTOR": regexp.MustCompile(`^[1-9]\d?$`),
	"SAGA_KAFKA_SESSION_TIMEOUT_MS": regexp.MustCompile(`^[1-9]\d{3,5}$`),
	"SAGA_TOPIC_PREFIX":             regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`),
	"SAGA_INSTANCE":                 regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`),
	"SAGA_PAYMENT_DATABASE_URL":     regexp.MustCompile(`^postgres(ql)?(\+\w+)?://`),
	"SAGA_PARTICIPANT_DATABASE_URL": regexp.MustCompile(`^postgres(ql)?(\+\w+)?://`),
	"SAGA_DEMO_ALLOW_CRASH":         regexp.MustCompile(`^[01]$`),
	"PAYMENT_COMPRESSION":           regexp.MustCompile(`^(none|gzip|snappy|lz4|zstd)$`),
	"PAYMENT_HEALTH_PORT":           regexp.MustCompile(`^\d{1,5}$`),
	"PAYMENT_REVIEW_ABOVE":          regexp.MustCompile(`^[1-9]\d{0,17}$`),
	"PAYMENT_REVIEW_MS":             regexp.MustCompile(`^\d{1,9}$`),
}

func readSettings(environ []string) (settings, error) {
	given := map[string]string{
		"SAGA_KAFKA_PARTITIONS": "6", "SAGA_KAFKA_REPLICATION_FACTOR": "1", "SAGA_KAFKA_SESSION_TIMEOUT_MS": "10000",
		"PAYMENT_COMPRESSION": "lz4", "PAYMENT_HEALTH_PORT": "0", "PAYMENT_REVIEW_ABOVE": "0", "PAYMENT_REVIEW_MS": "0",
	}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		form, known := variables[name]
		switch {
		case value == "":
		case known && !form.MatchString(value): // never the value, which may be a secret
			return settings{}, fmt.Errorf("%s is not usable: it does not match %s", name, form)
		case known:
			given[name] = value
		case strings.HasPrefix(name, "SAGA_KAFKA_") || strings.HasPrefix(name, "PAYMENT_"):
			return settings{}, fmt.Errorf("%s is not a setting of this program", name)
		}
	}
	number := func(name string) int64 { n, _ := strconv.ParseInt(given[name], 10, 64); return n }
	database := given["SAGA_PAYMENT_DATABASE_URL"]
	if database == "" {
		database = given["SAGA_PARTICIPANT_DATABASE_URL"]
	}
	if database == "" {
		return settings{}, fmt.Errorf("SAGA_PAYMENT_DATABASE_URL is not set: write postgresql://user@host:5432/name")
	}
	if given["SAGA_KAFKA_BOOTSTRAP_SERVERS"] == "" {
		return settings{}, fmt.Errorf("SAGA_KAFKA_BOOTSTRAP_SERVERS is not set: write host:port")
	}
	kafka := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(given["SAGA_KAFKA_BOOTSTRAP_SERVERS"], ",")...), kgo.ClientID("payment-go"),
		kgo.SessionTimeout(time.Duration(number("SAGA_KAFKA_SESSION_TIMEOUT_MS")) * time.Millisecond),
		kgo.ProducerBatchCompression(codecs[given["PAYMENT_COMPRESSION"]]),
	}
	return settings{
		participant: participant.Settings{
			Name: "payment", Prefix: given["SAGA_TOPIC_PREFIX"], Kafka: kafka, Instance: given["SAGA_INSTANCE"],
			Partitions: int(number("SAGA_KAFKA_PARTITIONS")), ReplicationFactor: int(number("SAGA_KAFKA_REPLICATION_FACTOR")),
		},
		database:    regexp.MustCompile(`^postgres(ql)?(\+\w+)?:`).ReplaceAllString(database, "postgres:"), // also a SQLAlchemy URL
		healthPort:  int(number("PAYMENT_HEALTH_PORT")),
		allowCrash:  given["SAGA_DEMO_ALLOW_CRASH"] == "1",
		reviewAbove: number("PAYMENT_REVIEW_ABOVE"),
		reviewTime:  time.Duration(number("PAYMENT_REVIEW_MS")) * time.Millisecond,
	}, nil
}
