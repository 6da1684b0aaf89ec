// It reads Kafka messages with the official SDK of CloudEvents, and writes starts with it.
//
// Standard input has one message a line, {"headers": {"ce_id": "…"}, "value": "<base64>"}. Each must be a valid event. For
// each line that is a start, a start of the SDK's own with the same data and another id comes back in the same form.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
)

type message struct {
	Headers map[string]string `json:"headers"`
	Value   []byte            `json:"value"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		if err := read(lines.Bytes()); err != nil {
			fmt.Fprintln(os.Stderr, err, lines.Text())
			os.Exit(1)
		}
	}
}

func read(line []byte) error {
	var given message
	if err := json.Unmarshal(line, &given); err != nil {
		return err
	}
	headers := map[string][]byte{}
	for name, value := range given.Headers {
		headers[strings.ToLower(name)] = []byte(value)
	}
	event, err := binding.ToEvent(context.Background(), kafka_sarama.NewMessage(given.Value, given.Headers["content-type"], headers))
	if err != nil {
		return err
	}
	if err := event.Validate(); err != nil {
		return err
	}
	fmt.Println("read", event.Type(), event.ID())
	if _, start := event.Extensions()["sagadefinition"]; !start {
		return nil
	}
	event.SetID(event.ID() + "-by-the-sdk")
	written := sarama.ProducerMessage{}
	if err := kafka_sarama.WriteProducerMessage(context.Background(), binding.ToMessage(event), &written); err != nil {
		return err
	}
	answer := message{Headers: map[string]string{}}
	for _, h := range written.Headers {
		answer.Headers[string(h.Key)] = string(h.Value)
	}
	answer.Value, _ = written.Value.Encode()
	text, err := json.Marshal(answer)
	fmt.Println("start", string(text))
	return err
}
