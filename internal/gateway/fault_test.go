package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway"
	"github.com/cadrehq/cadre/internal/gateway/gatewaytest"
	"github.com/cadrehq/cadre/internal/usage"
)

const hello = `[{text: "Hello there, this is the answer.", chunk: 4, usage: {input_tokens: 100, output_tokens: 10}}]`

// request is a request to the wire of a path, for a model of its vendor.
func request(path string, stream bool) string {
	switch path {
	case messagesPath:
		return fmt.Sprintf(`{"model":"claude-sonnet-5-5","max_tokens":50,"stream":%v,"messages":[{"role":"user","content":"hi"}]}`, stream)
	case responsesPath:
		return fmt.Sprintf(`{"model":"gpt-6.1-sol","stream":%v,"input":"hi"}`, stream)
	default:
		return fmt.Sprintf(`{"model":"gpt-6.1-sol","stream":%v,"messages":[{"role":"user","content":"hi"}]}`, stream)
	}
}

var paths = []string{messagesPath, responsesPath, chatPath}

func (b *bundle) vendorOf(path string) *gatewaytest.Vendor {
	if path == messagesPath {
		return b.anthropic
	}
	return b.openai
}

// eachWire runs a test for every wire, streaming and not.
func eachWire(t *testing.T, f func(t *testing.T, path string, stream bool)) {
	t.Helper()
	for _, path := range paths {
		for _, stream := range []bool{true, false} {
			name := fmt.Sprintf("%s/stream=%v", path[strings.LastIndexByte(path, '/')+1:], stream)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f(t, path, stream)
			})
		}
	}
}

func TestRetriesUntilTheVendorAnswers(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, path string, stream bool) {
		b := newBundle(t, hello)
		v := b.vendorOf(path)
		v.Fail(gatewaytest.Fault{Status: 429}, gatewaytest.Fault{Status: 529}, gatewaytest.Fault{Reset: true})
		resp, body := b.post(path, request(path, stream))
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, "answer") && !stream {
			t.Fatalf("status %d: %s", resp.StatusCode, body)
		}
		if n := len(v.Requests()); n != 4 {
			t.Errorf("the vendor was called %d times, want 4", n)
		}
		// Attempts that consumed nothing are not recorded.
		if c := b.ledger.only(t); c.Tokens != (usage.Tokens{Input: 100, Output: 10}) || !c.Priced || c.Error != "" {
			t.Errorf("recorded %+v", c)
		}
	})
}

func TestRetriesEndAndSayWhy(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, path string, stream bool) {
		b := newBundle(t, hello)
		b.vendorOf(path).Fail(slices.Repeat([]gatewaytest.Fault{{Status: 529, Body: `{"error":{"type":"overloaded_error","message":"no room"}}`}}, 4)...)
		resp, body := b.post(path, request(path, stream))
		if resp.StatusCode != 529 || !strings.Contains(body, "no room") {
			t.Errorf("want the vendor's last answer, got %d: %s", resp.StatusCode, body)
		}
		b.vendorOf(path).Fail(slices.Repeat([]gatewaytest.Fault{{Reset: true}}, 4)...)
		resp, body = b.post(path, request(path, stream))
		if resp.StatusCode != http.StatusBadGateway || !strings.Contains(body, "cannot be reached") {
			t.Errorf("unreachable: %d: %s", resp.StatusCode, body)
		}
		if calls := b.ledger.all(); len(calls) != 0 {
			t.Errorf("nothing was consumed, recorded %+v", calls)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello, func(c *gateway.Config) { c.Retry.Base = time.Hour; c.Retry.Max = 2 * time.Hour })
	// The backoff alone would exceed the total: only the vendor's shorter wish makes a retry possible.
	b.anthropic.Fail(gatewaytest.Fault{Status: 429, RetryAfter: "0.01"})
	if resp, body := b.post(messagesPath, request(messagesPath, false)); resp.StatusCode != http.StatusOK {
		t.Errorf("a short wait: %d: %s", resp.StatusCode, body)
	}
	b.anthropic.Fail(gatewaytest.Fault{Status: 429, RetryAfter: "3600"})
	resp, _ := b.post(messagesPath, request(messagesPath, false))
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "3600" {
		t.Errorf("a wait beyond the bounds must be left to the caller, got %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
}

func TestRefusalsOfTheVendorPassUntouched(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, path string, stream bool) {
		b := newBundle(t, hello)
		for _, f := range []gatewaytest.Fault{
			{Status: 400, Body: `{"error":{"type":"invalid_request_error","message":"prompt is too long"}}`},
			{Status: 404, Body: `{"odd":   "formatting"}`},
			{Status: 429, Body: `{"error":{"code":"insufficient_quota","message":"no money"}}`},
		} {
			b.vendorOf(path).Fail(f)
			resp, body := b.post(path, request(path, stream))
			if resp.StatusCode != f.Status || body != f.Body || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("want %d %s, got %d %s", f.Status, f.Body, resp.StatusCode, body)
			}
		}
		if n := len(b.vendorOf(path).Requests()); n != 3 {
			t.Errorf("a refusal was tried again: %d calls", n)
		}
	})
}

func TestKeysAreNotEchoed(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello)
	b.anthropic.Key, b.openai.Key = "another", "another" // the fake vendor's refusal quotes the key it got
	for _, path := range paths {
		resp, body := b.post(path, request(path, true))
		if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "[redacted]") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if !strings.Contains(b.log.String(), "refuses the server's key") {
		t.Error("the operator is not told")
	}
	b.openai.Key = openaiKey
	b.openai.Fail(gatewaytest.Fault{FirstEvent: `data: {"choices":[{"delta":{"content":"` + openaiKey + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}` + "\n\n"})
	if _, body := b.post(chatPath, request(chatPath, true)); !strings.Contains(body, "[redacted]") {
		t.Errorf("a stream shows the key: %s", body)
	}
}

func TestBrokenStreamsEndWithAnError(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]gatewaytest.Fault{
		"cut":   {CutAfter: 4},
		"ended": {EndAfter: 4},
		"stall": {StallAfter: 4},
	} {
		for _, path := range paths {
			t.Run(name+path[strings.LastIndexByte(path, '/'):], func(t *testing.T) {
				t.Parallel()
				b := newBundle(t, hello, func(c *gateway.Config) { c.StallTimeout = 100 * time.Millisecond })
				b.vendorOf(path).Fail(f)
				resp, body := b.post(path, request(path, true))
				if resp.StatusCode != http.StatusOK || strings.Contains(body, "event: half") {
					t.Fatalf("status %d, %s", resp.StatusCode, body)
				}
				events := strings.Split(strings.TrimSpace(body), "\n\n")
				if last := events[len(events)-1]; !strings.Contains(last, `"error"`) || len(events) != 5 {
					t.Errorf("want four events and an error: %s", body)
				}
				c := b.ledger.only(t)
				if c.Error == "" || c.Status != 200 {
					t.Errorf("recorded %+v", c)
				}
				// Anthropic says at once what the input was; the others say nothing before the end.
				if path == messagesPath && (c.Tokens.Input != 100 || !c.Priced) || path != messagesPath && (c.Priced || c.Tokens.Total() != 0) {
					t.Errorf("recorded %+v", c)
				}
				if len(b.vendorOf(path).Requests()) != 1 {
					t.Error("a stream that had begun was tried again")
				}
			})
		}
	}
}

func TestErrorsWithinStreamsReachTheClients(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello, func(c *gateway.Config) { c.StallTimeout = 100 * time.Millisecond })
	b.anthropic.Fail(gatewaytest.Fault{StallAfter: 4})
	a := newAnthropicAgent(b, "claude-sonnet-5-5", true)
	s := a.c.Messages.NewStreaming(t.Context(), anthropic.MessageNewParams{
		Model: "claude-sonnet-5-5", MaxTokens: 10, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hi"))},
	})
	for s.Next() {
	}
	if s.Err() == nil || !strings.Contains(s.Err().Error(), "went silent") {
		t.Errorf("the client says %v", s.Err())
	}
}

func TestOverloadWithinTheFirstEventIsRetried(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello)
	b.anthropic.Fail(gatewaytest.Fault{FirstEvent: "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"})
	_, body := b.post(messagesPath, request(messagesPath, true))
	if !strings.Contains(body, "message_stop") || strings.Contains(body, "Overloaded") {
		t.Error(body)
	}
	b.ledger.only(t)
}

func TestSilentVendor(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, path string, stream bool) {
		b := newBundle(t, hello, func(c *gateway.Config) { c.ResponseTimeout = 100 * time.Millisecond })
		v := b.vendorOf(path)
		v.Fail(gatewaytest.Fault{Silence: true})
		resp, body := b.post(path, request(path, stream))
		if resp.StatusCode != http.StatusGatewayTimeout || !strings.Contains(body, "did not answer in time") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
		<-v.Aborted()
	})
}

func TestCallersThatLeaveEndTheVendorsWork(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello)
	b.anthropic.Fail(gatewaytest.Fault{StallAfter: 4})
	ctx, leave := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, b.url+messagesPath, strings.NewReader(request(messagesPath, true)))
	req.Header.Set("Authorization", "Bearer "+runToken)
	resp, err := b.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || line != "event: message_start\n" {
		t.Fatal(line, err)
	}
	leave()
	_ = resp.Body.Close()
	<-b.anthropic.Aborted()
	c := waitCall(t, b)
	if c.Tokens.Input != 100 || !strings.Contains(c.Error, "went away") {
		t.Errorf("recorded %+v", c)
	}
}

// waitCall waits for the one call that a handler records after its caller has gone.
func waitCall(t *testing.T, b *bundle) usage.Call {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if calls := b.ledger.all(); len(calls) > 0 {
			return calls[0]
		}
	}
	t.Fatal("nothing was recorded")
	return usage.Call{}
}

func TestCancelledRunsStopSpending(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(b *bundle){
		"told": func(b *bundle) { b.gw.Stop("run-1") },
		"found out": func(b *bundle) {
			b.auth.revoke(api.Fail(api.PlatformErrorCodeConflict, "the execution was superseded"))
		},
		"shut down": func(b *bundle) { _ = b.gw.Close() },
	} {
		for _, f := range []gatewaytest.Fault{{StallAfter: 4}, {Silence: true}} {
			t.Run(fmt.Sprintf("%s/begun=%v", name, f.StallAfter > 0), func(t *testing.T) {
				t.Parallel()
				b := newBundle(t, hello, func(c *gateway.Config) { c.RecheckEvery = 5 * time.Millisecond })
				b.anthropic.Fail(f)
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+messagesPath, strings.NewReader(request(messagesPath, true)))
				req.Header.Set("X-Api-Key", runToken)
				answered := make(chan string, 1)
				go func() {
					resp, err := b.client().Do(req)
					if err != nil {
						answered <- err.Error()
						return
					}
					body, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					answered <- fmt.Sprint(resp.StatusCode, string(body), err)
				}()
				for len(b.anthropic.Requests()) == 0 {
					time.Sleep(time.Millisecond)
				}
				stop(b)
				<-b.anthropic.Aborted()
				if got := <-answered; !strings.Contains(got, "may not call models any more") && !strings.Contains(got, "shutting down") {
					t.Errorf("the caller got %s", got)
				}
			})
		}
	}
}

func TestAuthenticatorThatFailsEndsNothing(t *testing.T) {
	t.Parallel()
	b := newBundle(t, "[{text: 'A long answer, in pieces.', chunk: 1, chunk_delay: 2ms}]", func(c *gateway.Config) { c.RecheckEvery = time.Millisecond })
	b.openai.Fail(gatewaytest.Fault{})
	first := sync.OnceFunc(func() { b.auth.revoke(errors.New("the database is locked")) })
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+chatPath, strings.NewReader(request(chatPath, true)))
	req.Header.Set("X-Api-Key", runToken)
	resp, err := b.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var all strings.Builder
	for sc := bufio.NewScanner(resp.Body); sc.Scan(); {
		first()
		all.WriteString(sc.Text())
	}
	if !strings.HasSuffix(all.String(), "[DONE]") {
		t.Error(all.String())
	}
}

func TestLedgerIsWrittenBeforeTheEnd(t *testing.T) {
	t.Parallel()
	eachWire(t, func(t *testing.T, path string, stream bool) {
		b := newBundle(t, hello)
		b.ledger.fail = 2 // the third try succeeds
		if resp, body := b.post(path, request(path, stream)); resp.StatusCode != http.StatusOK {
			t.Fatal(body)
		}
		// No waiting: having read the answer, the record must be there.
		b.ledger.only(t)
	})
}

func TestLedgerThatNeverWorksIsLogged(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello)
	b.ledger.fail = 100
	if resp, body := b.post(messagesPath, request(messagesPath, true)); resp.StatusCode != http.StatusOK || !strings.Contains(body, "message_stop") {
		t.Error(body)
	}
	if !strings.Contains(b.log.String(), "could not be recorded") || !strings.Contains(b.log.String(), "input=100") {
		t.Error("what was consumed is lost")
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello)
	b.anthropic.Split(5)
	var wg sync.WaitGroup
	const runs, each = 8, 6
	for n := range runs * each {
		wg.Go(func() {
			path := paths[n%len(paths)]
			resp, body := b.post(path, request(path, n%2 == 0), "X-Api-Key", fmt.Sprint(runToken, n%runs))
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	wg.Wait()
	byRun := map[string]int{}
	ids := map[string]bool{}
	for _, c := range b.ledger.all() {
		byRun[c.RunID]++
		ids[c.ID] = true
		if c.Tokens.Input != 100 || c.Tokens.Output != 10 {
			t.Errorf("recorded %+v", c)
		}
	}
	if len(byRun) != runs || len(ids) != runs*each {
		t.Errorf("%d runs, %d calls: %v", len(byRun), len(ids), byRun)
	}
}
