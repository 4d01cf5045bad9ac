package model_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway/gatewaytest"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/model"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { http.DefaultClient.CloseIdleConnections() }))
}

const token = "run-token"

// wires are all there are, with the base path of each at a vendor.
var wires = map[api.ModelWire]string{
	api.ModelWireAnthropicMessages: "", api.ModelWireOpenaiResponses: "/v1", api.ModelWireOpenaiChat: "/v1",
}

func open(t *testing.T, wire api.ModelWire, base string, vision bool) model.Model {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	m, err := model.New(api.RunnerModel{Id: "m", Wire: wire, BaseUrl: base, Vision: vision}, token, transport)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// said is what a reply's fragments add up to, by part; it fails on one out of place.
func generate(t *testing.T, m model.Model, req model.Request) (model.Reply, map[int]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	said := map[int]string{}
	reply, err := m.Generate(ctx, req, func(f model.Fragment) {
		if f.Offset != int64(len(said[f.Part])) {
			t.Errorf("fragment at %d, have %d bytes", f.Offset, len(said[f.Part]))
		}
		said[f.Part] += f.Text
	})
	return reply, said, err
}

func ask(text string) model.Request {
	return model.Request{System: "be good", Messages: []model.Message{{Role: model.User, Parts: []model.Part{model.Text{Text: text}}}},
		Tools: []model.Tool{{Name: "bash", Description: "runs", Schema: json.RawMessage(`{"type":"object","properties":{"command":{"type":"string"}}}`)}, {Name: "bare", Schema: json.RawMessage(`{}`)}}}
}

const script = `
- reasoning: hm
  text: "Running <it> & that: \u00e9\U0001F600."
  tool_calls: [{name: bash, input: {command: "echo 'a' && true"}}, {name: bare, input: {}}]
- text: done
`

// Every wire tells the same story, however the stream is cut into packets.
func TestWires(t *testing.T) {
	t.Parallel()
	for wire, base := range wires {
		for _, split := range []int{0, 1, 7} {
			t.Run(fmt.Sprint(wire, split), func(t *testing.T) {
				t.Parallel()
				v := gatewaytest.New(t, token, script)
				v.Split(split)
				m := open(t, wire, v.URL+base, true)
				req := ask("go")
				reply, said, err := generate(t, m, req)
				if err != nil {
					t.Fatal(err)
				}
				if reply.Stop != model.StopCalls || reply.Usage.Input == 0 || reply.Usage.Output == 0 {
					t.Errorf("stop %q, usage %+v", reply.Stop, reply.Usage)
				}
				var calls []model.Call
				for i, part := range reply.Parts {
					switch p := part.(type) {
					case model.Call:
						calls = append(calls, p)
					case model.Text:
						if p.Text != "Running <it> & that: \u00e9\U0001F600." || said[reply.Index[i]] != p.Text {
							t.Errorf("text %q, fragments %q", p.Text, said[reply.Index[i]])
						}
					}
				}
				if len(calls) != 2 || calls[0].Name != "bash" || !strings.Contains(string(calls[0].Input), "echo 'a' && true") || string(calls[1].Input) != "{}" {
					t.Fatalf("calls %+v", calls)
				}
				// The whole turn goes back, with its results.
				results := model.Message{Role: model.User}
				for _, c := range calls {
					results.Parts = append(results.Parts, model.Result{CallID: c.ID, Text: "ok"})
				}
				req.Messages = append(req.Messages, model.Message{Role: model.Assistant, Parts: reply.Parts}, results)
				if reply, _, err = generate(t, m, req); err != nil || reply.Stop != model.StopEnd {
					t.Fatalf("%+v, %v", reply, err)
				}
				if diff := cmp.Diff([]model.Part{model.Text{Text: "done"}}, reply.Parts); diff != "" {
					t.Error(diff)
				}
				sent := v.Requests()[1].Body
				for _, want := range []string{calls[0].ID, "ok", "be good", "echo 'a' && true"} {
					if !strings.Contains(sent, want) {
						t.Errorf("%q is not in the request %s", want, sent)
					}
				}
			})
		}
	}
}

// What fails says what can be done about it.
func TestFailures(t *testing.T) {
	t.Parallel()
	for wire, base := range wires {
		for name, c := range map[string]struct {
			fault gatewaytest.Fault
			kind  model.Kind
			after time.Duration
		}{
			"overloaded":   {fault: gatewaytest.Fault{Status: 529}, kind: model.KindTransient},
			"rate limited": {fault: gatewaytest.Fault{Status: 429, RetryAfter: "7"}, kind: model.KindTransient, after: 7 * time.Second},
			"refused":      {fault: gatewaytest.Fault{Status: 400}, kind: model.KindRefused},
			"no key":       {fault: gatewaytest.Fault{Status: 401}, kind: model.KindRefused},
			"broken":       {fault: gatewaytest.Fault{Reset: true}, kind: model.KindTransient},
			"cut":          {fault: gatewaytest.Fault{CutAfter: 3}, kind: model.KindTransient},
			"ended early":  {fault: gatewaytest.Fault{EndAfter: 3}, kind: model.KindTransient},
			"no document":  {fault: gatewaytest.Fault{Status: 500, Body: "<html>oops"}, kind: model.KindTransient},
			"too long":     {fault: gatewaytest.Fault{Status: 400, Body: `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}`}, kind: model.KindTooLong},
			"budget":       {fault: gatewaytest.Fault{Status: 402, Body: `{"type":"urn:cadre:budget_exceeded","title":"Budget","error":"budget_exceeded","detail":"spent"}`}, kind: model.KindBudget},
		} {
			t.Run(fmt.Sprint(wire, " ", name), func(t *testing.T) {
				t.Parallel()
				v := gatewaytest.New(t, token, script)
				v.Fail(c.fault)
				reply, _, err := generate(t, open(t, wire, v.URL+base, true), ask("go"))
				var failed *model.Error
				if !errors.As(err, &failed) || failed.Kind != c.kind || failed.RetryAfter != c.after || failed.Message == "" {
					t.Fatalf("%#v", err)
				}
				for _, p := range reply.Parts {
					if _, ok := p.(model.Call); ok {
						t.Errorf("a call of a turn that did not arrive: %+v", p)
					}
				}
			})
		}
	}
}

// serve answers every request with a stream as it stands.
func serve(t *testing.T, stream string, then func(r *http.Request)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, stream)
		_ = http.NewResponseController(w).Flush()
		if then != nil {
			then(r)
		}
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// Streams no vendor should send end in an error, or in what of them makes sense; never in a hang.
func TestHostileStreams(t *testing.T) {
	t.Parallel()
	const start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1}}}\n\n"
	const stop = "data: {\"type\":\"message_stop\"}\n\n"
	for name, c := range map[string]struct {
		stream string
		kind   model.Kind // empty: no error
	}{
		"garbage":        {"data: {not json\n\n", model.KindTransient},
		"wrong types":    {"data: {\"type\":7}\n\n", model.KindTransient},
		"no events":      {": hello\n\n", model.KindTransient},
		"nothing":        {"", model.KindTransient},
		"an error":       {start + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n", model.KindTransient},
		"endless event":  {"data: " + strings.Repeat("x", 17<<20), model.KindBroken},
		"endless answer": {start + strings.Repeat("data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\""+strings.Repeat("y", 1<<20)+"\"}}\n\n", 9), model.KindBroken},
		"unknown events": {start + "event: ping\ndata: {\"type\":\"ping\"}\n\ndata: {\"type\":\"new\",\"index\":3}\n\n" + stop, ""},
		"split data":     {start + "data: {\"type\":\ndata: \"message_stop\"}\n\n", ""},
		"carriage":       {strings.ReplaceAll(start+stop, "\n", "\r\n"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := generate(t, open(t, api.ModelWireAnthropicMessages, serve(t, c.stream, nil), true), ask("go"))
			var failed *model.Error
			if c.kind == "" && err != nil || c.kind != "" && (!errors.As(err, &failed) || failed.Kind != c.kind) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A vendor that keeps the connection after its last event does not keep the agent.
func TestEndIsTheLastEvent(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	url := serve(t, "data: {\"type\":\"message_stop\"}\n\n", func(r *http.Request) { <-r.Context().Done(); close(left) })
	if _, _, err := generate(t, open(t, api.ModelWireAnthropicMessages, url, true), ask("go")); err != nil {
		t.Error(err)
	}
	<-left
}

// The end of the context is its cause, whatever the stream was doing.
func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	url := serve(t, "data: {\"type\":\"ping\"}\n\n", func(r *http.Request) { <-r.Context().Done() })
	stopped := errors.New("stopped")
	time.AfterFunc(20*time.Millisecond, func() { cancel(stopped) })
	_, err := open(t, api.ModelWireAnthropicMessages, url, true).Generate(ctx, ask("go"), func(model.Fragment) {})
	if !errors.Is(err, stopped) {
		t.Error(err)
	}
}

// Pictures go to models that can see, and nowhere else.
func TestPictures(t *testing.T) {
	t.Parallel()
	im := model.Image{MediaType: "image/png", Data: []byte("png!")}
	for wire, base := range wires {
		for _, vision := range []bool{true, false} {
			v := gatewaytest.New(t, token, script)
			req := ask("look")
			req.Messages[0].Parts = append(req.Messages[0].Parts, im)
			req.Messages = append(req.Messages,
				model.Message{Role: model.Assistant, Parts: []model.Part{model.Call{ID: "c1", Name: "bash", Input: json.RawMessage(`{}`)}}},
				model.Message{Role: model.User, Parts: []model.Part{model.Result{CallID: "c1", Text: "shown", Images: []model.Image{im}}}})
			if _, _, err := generate(t, open(t, wire, v.URL+base, vision), req); err != nil {
				t.Fatal(err)
			}
			want := 0
			if vision {
				want = 2
			}
			body := v.Requests()[0].Body
			if n := strings.Count(body, "cG5nIQ=="); n != want {
				t.Errorf("%s, vision %v: %d pictures sent", wire, vision, n)
			}
			if n := strings.Count(body, "you cannot see"); n != 2-want {
				t.Errorf("%s, vision %v: told of %d pictures", wire, vision, n)
			}
			if len(req.Messages[2].Parts[0].(model.Result).Images) != 1 {
				t.Error("the conversation was changed")
			}
		}
	}
}

func TestUnknownWire(t *testing.T) {
	t.Parallel()
	if _, err := model.New(api.RunnerModel{Id: "m", Wire: "smoke"}, token, nil); api.CodeOf(err) != api.PlatformErrorCodeOperationNotSupported {
		t.Error(err)
	}
}
