package model

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// The vendors' wires are spoken directly rather than with their libraries: those took a fifth of the
// runner's start and of its turns, for three requests and a dozen events.

const (
	// maxEvent bounds one event of a stream; the longest hold a whole turn.
	maxEvent = 2 * maxReplyBytes
	// maxErrorBody bounds what is read of an error's document.
	maxErrorBody = 64 << 10
)

// endpoint is where a wire's requests go.
type endpoint struct {
	client *http.Client
	url    string
	header http.Header
}

func newEndpoint(client *http.Client, base, path string, header map[string]string) endpoint {
	e := endpoint{client: client, url: strings.TrimRight(base, "/") + path, header: http.Header{}}
	for name, value := range header {
		e.header.Set(name, value)
	}
	e.header.Set("Content-Type", "application/json")
	e.header.Set("Accept", "text/event-stream")
	e.header.Set("User-Agent", "cadre")
	return e
}

// stream makes one call and hands over the data of each event, until the stream ends or each says
// that it has all it wants. The data is valid during the call only. Errors are *Error, or the cause
// of ctx's end; a stream that ends without each being satisfied is one.
func (e endpoint) stream(ctx context.Context, body any, each func(data []byte) (whole bool, err error)) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return fmt.Errorf("encode model request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, &b)
	if err != nil {
		return fmt.Errorf("make model request: %w", err)
	}
	req.Header = e.header.Clone()
	resp, err := e.client.Do(req)
	if err != nil {
		return explain(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		return fromHTTP(resp.StatusCode, resp.Header, string(text), nil)
	}
	whole, err := events(resp.Body, each)
	if err == nil && !whole {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return explain(ctx, err)
	}
	drain(resp.Body)
	return nil
}

// drain reads what follows the end of the answer, which matters to nobody: so the connection can be
// used again. A sender that does not come to its end is left.
func drain(body io.ReadCloser) {
	late := time.AfterFunc(20*time.Millisecond, func() { _ = body.Close() })
	defer late.Stop()
	_, _ = io.CopyN(io.Discard, body, 4<<10)
}

// events splits a stream of server-sent events.
func events(r io.Reader, each func(data []byte) (whole bool, err error)) (whole bool, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 8<<10), maxEvent)
	var data []byte
	for lines.Scan() {
		line := lines.Bytes()
		if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			if len(data) > 0 {
				data = append(data, '\n')
			}
			if data = append(data, bytes.TrimPrefix(value, []byte(" "))...); len(data) > maxEvent {
				return false, tooLarge()
			}
			continue
		}
		if len(line) > 0 || len(data) == 0 {
			continue
		}
		if whole, err = each(data); whole || err != nil {
			return whole, err
		}
		data = data[:0]
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return false, tooLarge()
	} else if err != nil {
		return false, err
	}
	if len(data) > 0 {
		return each(data)
	}
	return false, nil
}

func tooLarge() error {
	return &Error{Kind: KindBroken, Message: fmt.Sprintf("the model's answer has an event larger than %d bytes", maxEvent)}
}

// schema makes a tool's schema one that every vendor takes: an object with properties.
func schema(raw json.RawMessage) json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil || m == nil {
		m = map[string]json.RawMessage{}
	}
	if m["type"] != nil && m["properties"] != nil {
		return raw
	}
	m["type"] = json.RawMessage(`"object"`)
	if m["properties"] == nil {
		m["properties"] = json.RawMessage(`{}`)
	}
	fixed, _ := json.Marshal(m)
	return fixed
}

// merge joins neighbouring messages of one role, as the vendors want them to alternate.
func merge(msgs []Message) []Message {
	var out []Message
	for _, m := range msgs {
		if n := len(out); n > 0 && out[n-1].Role == m.Role {
			out[n-1].Parts = append(out[n-1].Parts[:len(out[n-1].Parts):len(out[n-1].Parts)], m.Parts...)
			continue
		}
		out = append(out, m)
	}
	return out
}

// maxOutput is the bound of one turn.
func (l Limits) maxOutput(req Request) int {
	if req.MaxOutputTokens > 0 {
		return min(l.MaxOutputTokens, req.MaxOutputTokens)
	}
	return l.MaxOutputTokens
}
