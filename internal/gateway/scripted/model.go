package scripted

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/cadrehq/cadre/internal/gateway/wire"
)

// HeaderScope tells apart callers that send the same conversation, so that each meets a scripted
// error as often as its script says.
const HeaderScope = "X-Scripted-Scope"

// MaxBody bounds a request.
const MaxBody = 64 << 20

// Model is an http.Handler that answers like a model vendor, on any path that ends in one of the
// wires' own.
type Model struct {
	library  *Library
	fallback Turn
	now      func() time.Time
	faults   faults
}

// New makes a model of a library of scripts. Fallback is what it says when no script fits.
func New(lib *Library, fallback string) *Model {
	return &Model{
		library:  lib,
		fallback: Turn{Text: fallback, Chunk: defaultChunk},
		now:      time.Now,
		faults:   faults{served: map[string]int{}},
	}
}

// over is said when a conversation goes on past its script.
const over = "Scripted model: the script has no further turn, so there is nothing to say. " +
	"This is not a language model; a new message may bring a new script."

func (m *Model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, ok := wire.CallOf(r.URL.Path)
	if !ok {
		wire.Error{Status: http.StatusNotFound, Message: "no such path"}.Write(w, wire.CallChat.Wire())
		return
	}
	if call == wire.CallModels {
		m.list(w)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		wire.Error{Status: http.StatusRequestEntityTooLarge, Message: "the request cannot be read"}.Write(w, call.Wire())
		return
	}
	c, err := parseRequest(call, body)
	if err != nil {
		wire.Error{Status: http.StatusBadRequest, Message: err.Error()}.Write(w, call.Wire())
		return
	}
	if call == wire.CallCountTokens {
		writeJSON(w, object{"input_tokens": tokens(c.chars)})
		return
	}
	m.play(w, r, call, c, body)
}

func (m *Model) play(w http.ResponseWriter, r *http.Request, call wire.Call, c conversation, body []byte) {
	t, err := m.library.choose(c, m.fallback)
	if errors.Is(err, errOver) {
		t, err = Turn{Text: over, Chunk: defaultChunk}, nil
	}
	if err != nil {
		wire.Error{Status: http.StatusBadRequest, Message: err.Error()}.Write(w, call.Wire())
		return
	}
	sum := sha256.Sum256(body)
	seed := hex.EncodeToString(sum[:12])
	if !pause(r.Context(), t.Delay) {
		return
	}
	if f := t.Error; f != nil && m.faults.due(r.Header.Get(HeaderScope)+seed, f.Times) {
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
		}
		wire.Error{Status: f.Status, Message: f.Message}.Write(w, call.Wire())
		return
	}
	rep := newReply(c, t, seed, m.now())
	if !c.stream {
		writeJSON(w, rep.document(call))
		return
	}
	s := &stream{w: w, ctx: r.Context(), delay: t.ChunkDelay}
	s.begin()
	rep.events(call, c, s)
	s.end()
}

// reply is a turn made ready for any wire.
type reply struct {
	id        string
	model     string
	created   time.Time
	text      string
	reasoning string
	calls     []call
	usage     Usage
	truncated bool
	chunk     int
}

type call struct {
	id, name, input string // input is a JSON object
}

func newReply(c conversation, t Turn, seed string, now time.Time) reply {
	out := c.lastToolOutput()
	r := reply{
		id: seed, model: c.model, created: now, truncated: t.Truncated, chunk: t.Chunk,
		text: fill(t.Text, out).(string), reasoning: fill(t.Reasoning, out).(string),
	}
	chars := utf8.RuneCountInString(r.text) + utf8.RuneCountInString(r.reasoning)
	for i, tc := range t.ToolCalls {
		input := tc.Input
		if input == nil {
			input = map[string]any{}
		}
		arg := string(encode(fill(input, out)))
		r.calls = append(r.calls, call{id: seed + strconv.Itoa(i), name: tc.Name, input: arg})
		chars += len(tc.Name) + len(arg)
	}
	if t.Usage != nil {
		r.usage = *t.Usage
	} else {
		r.usage = Usage{Input: tokens(c.chars), Output: tokens(chars)}
	}
	return r
}

// tokens estimates as the vendors' rule of thumb has it: four characters each.
func tokens(chars int) int64 { return int64(chars+3) / 4 }

func (r reply) document(call wire.Call) object {
	switch call {
	case wire.CallMessages:
		return r.anthropicMessage()
	case wire.CallResponses:
		return r.response()
	default:
		return r.chatCompletion()
	}
}

func (r reply) events(call wire.Call, c conversation, s *stream) {
	switch call {
	case wire.CallMessages:
		r.anthropicEvents(s)
	case wire.CallResponses:
		r.responseEvents(s)
	default:
		r.chatEvents(s, c.usage)
	}
}

func (m *Model) list(w http.ResponseWriter) {
	data := []object{{"id": "scripted", "object": "model", "owned_by": "scripted"}}
	for _, n := range m.library.Names() {
		data = append(data, object{"id": "scripted/" + n, "object": "model", "owned_by": "scripted"})
	}
	writeJSON(w, object{"object": "list", "data": data})
}

// faults counts how often each request has met its scripted error.
type faults struct {
	mu     sync.Mutex
	served map[string]int
}

// maxFaults bounds the memory of requests whose error is still being served.
const maxFaults = 4096

func (f *faults) due(key string, times int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.served[key] >= times {
		delete(f.served, key)
		return false
	}
	if len(f.served) >= maxFaults {
		clear(f.served)
	}
	f.served[key]++
	return true
}

// pause waits and tells whether the caller is still there.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
