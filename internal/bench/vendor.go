package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// vendorModel is a model of the vendor's that the server knows.
const vendorModel = "claude-haiku-5-5"

// vendor is a model that answers at once, on Anthropic's wire. A prompt with turns=N is answered with
// N-1 tool calls and a last word; one with mark=M notes when its first request came.
type vendor struct {
	mu    sync.Mutex
	first map[string]chan time.Time
}

func newVendor() *vendor { return &vendor{first: map[string]chan time.Time{}} }

var (
	turnsWord = regexp.MustCompile(`turns=(\d+)`)
	markWord  = regexp.MustCompile(`mark=(\w+)`)
)

// expect returns where the time of the first request with a mark arrives.
func (v *vendor) expect(mark string) <-chan time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := make(chan time.Time, 1)
	v.first[mark] = c
	return c
}

// ServeHTTP answers a request for messages.
func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	came := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/messages") {
		http.NotFound(w, r)
		return
	}
	if m := markWord.FindSubmatch(body); m != nil {
		v.mu.Lock()
		if c := v.first[string(m[1])]; c != nil {
			c <- came
			delete(v.first, string(m[1]))
		}
		v.mu.Unlock()
	}
	var req struct {
		Messages []struct{ Role string }
	}
	if err := json.Unmarshal(body, &req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	turns, turn := 1, 1
	if m := turnsWord.FindSubmatch(body); m != nil {
		turns, _ = strconv.Atoi(string(m[1])) // the pattern has digits only
	}
	for _, m := range req.Messages {
		if m.Role == "assistant" {
			turn++
		}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, answer(turn, turns))
}

// answer is one turn's stream.
func answer(turn, turns int) string {
	block, delta, reason := `{"type":"text","text":""}`, `{"type":"text_delta","text":"Done: everything passes."}`, "end_turn"
	if turn < turns {
		block = fmt.Sprintf(`{"type":"tool_use","id":"toolu_%d","name":"bash","input":{}}`, turn)
		delta = `{"type":"input_json_delta","partial_json":"{\"command\":\"echo hi\"}"}`
		reason = "tool_use"
	}
	var b strings.Builder
	for _, e := range [][2]string{
		{"message_start", `{"type":"message_start","message":{"id":"msg_` + strconv.Itoa(turn) + `","type":"message","role":"assistant","model":"` + vendorModel + `","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":100,"output_tokens":1}}}`},
		{"content_block_start", `{"type":"content_block_start","index":0,"content_block":` + block + `}`},
		{"content_block_delta", `{"type":"content_block_delta","index":0,"delta":` + delta + `}`},
		{"content_block_stop", `{"type":"content_block_stop","index":0}`},
		{"message_delta", `{"type":"message_delta","delta":{"stop_reason":"` + reason + `","stop_sequence":null},"usage":{"output_tokens":12}}`},
		{"message_stop", `{"type":"message_stop"}`},
	} {
		b.WriteString("event: " + e[0] + "\ndata: " + e[1] + "\n\n")
	}
	return b.String()
}
