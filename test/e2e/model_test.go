package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway"
	"github.com/cadrehq/cadre/internal/gateway/gatewaytest"
	"github.com/cadrehq/cadre/internal/server"
)

// wires are the ways to speak to a model, each with a model that is spoken to so.
var wires = map[string]struct {
	model string
	use   func(*gateway.Config, string)
}{
	"anthropic": {"claude-sonnet-5-5", func(c *gateway.Config, url string) { c.Anthropic = gateway.Vendor{Key: vendorKey, BaseURL: url} }},
	"responses": {"gpt-6.1-sol", func(c *gateway.Config, url string) { c.OpenAI = gateway.Vendor{Key: vendorKey, BaseURL: url + "/v1"} }},
	"chat":      {"local/scripted", func(c *gateway.Config, url string) { c.LocalURL, c.LocalKey = url+"/v1", vendorKey }},
}

const vendorKey = "the-vendors-key"

// TestModelFaults: a vendor that is overloaded, breaks off, stalls or is down does not end a run that
// can go on; nothing the agent did is repeated, no key reaches the sandbox, and the ledger has
// what was used.
func TestModelFaults(t *testing.T) {
	t.Parallel()
	for wire, via := range wires {
		t.Run(wire, func(t *testing.T) {
			t.Parallel()
			vendor := gatewaytest.New(t, vendorKey, "")
			w := newWorld(t, func(c *server.Config) {
				via.use(&c.Models, vendor.URL)
				c.Models.StallTimeout = 300 * time.Millisecond
				c.Models.Retry = gateway.Retry{Attempts: 2, Base: 10 * time.Millisecond, Max: 50 * time.Millisecond, Total: time.Second}
			})
			w.work()
			vendor.Fail(
				gatewaytest.Fault{Status: 529}, gatewaytest.Fault{Status: 529}, // more than the gateway bears alone
				gatewaytest.Fault{},
				gatewaytest.Fault{CutAfter: 2},
				gatewaytest.Fault{},
				gatewaytest.Fault{StallAfter: 2},
				gatewaytest.Fault{},
				gatewaytest.Fault{Reset: true},
			)
			id := w.start(script(
				say("One.", bash("echo first >> log; env | grep -c '"+vendorKey[4:]+"'")),
				say("Two.", bash("echo second >> log")),
				say("Three.", bash("echo third >> log; cat log")),
				say("Finished."),
			), func(r *api.RunAgentRequest) { r.Config.ModelId = via.model })
			w.finish(id)
			r := w.results(id)
			if len(r) != 3 || r[2].Output != "first\nsecond\nthird\n" || !strings.HasPrefix(r[0].Output, "0\n") {
				t.Errorf("results:\n%s", w.dump(id))
			}
			contains(t, "what the agent said", w.said(id), "One.", "Two.", "Three.", "Finished.")
			calls, err := w.Usage(w.ctx, id)
			if err != nil || len(calls) < 4 {
				t.Errorf("%d calls in the ledger, %v", len(calls), err)
			}
		})
	}
}

// TestModelDown: a vendor that stays down ends the run ERROR, retryable, saying so; a message takes it
// up again when the vendor is back.
func TestModelDown(t *testing.T) {
	t.Parallel()
	vendor := gatewaytest.New(t, vendorKey, "")
	w := newWorld(t, func(c *server.Config) {
		wires["anthropic"].use(&c.Models, vendor.URL)
		c.Models.Retry = gateway.Retry{Attempts: 1, Base: time.Millisecond, Max: time.Millisecond, Total: time.Second}
	})
	w.work()
	var down []gatewaytest.Fault
	for range 64 {
		down = append(down, gatewaytest.Fault{Status: 400, Body: `{"type":"error","error":{"type":"invalid_request_error","message":"credit balance is too low"}}`})
	}
	vendor.Fail(down...)
	id := w.start(script(say("At last.", bash("echo worked")), say("Done.")), func(r *api.RunAgentRequest) { r.Config.ModelId = "claude-sonnet-5-5" })
	w.until("the run to end", func() bool { return w.get(id).State.Ended() })
	run := w.get(id)
	if run.State == api.RunStateSUCCEEDED || run.StatusMessage.ErrorCode == "" {
		t.Errorf("ended %s: %+v", run.State, run.StatusMessage)
	}
	contains(t, "the message", run.StatusMessage.Message, "credit balance is too low")
	if strings.Contains(w.dump(id), vendorKey) {
		t.Error("the session holds the vendor's key")
	}
}
