package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// readyTimeout bounds one look at everything a run needs.
const readyTimeout = 2 * time.Second

// Readiness is one thing without which no run could be accepted.
type Readiness struct {
	Name  string // as shown to an operator
	Check func(ctx context.Context) error
}

// healthz answers whether the process serves at all.
func (a *API) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyAnswer is the body of /readyz. Missing names what is not ready; why goes to the log, because
// the endpoint is public.
type readyAnswer struct {
	Ready   bool     `json:"ready"`
	Missing []string `json:"missing,omitempty"`
	// Bus says which servers hear each other, and how: a run is accepted without the others.
	Bus string `json:"bus,omitempty"`
}

// readyz answers 200 only when a run could be accepted now.
func (a *API) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	var missing []string
	select {
	case <-a.closing:
		missing = append(missing, "server is stopping")
	default:
	}
	for _, need := range a.cfg.Ready {
		if err := need.Check(ctx); err != nil {
			missing = append(missing, need.Name)
			a.cfg.Log.WarnContext(r.Context(), "not ready", "missing", need.Name, "err", err)
		}
	}
	slices.Sort(missing)
	status := http.StatusOK
	if len(missing) > 0 {
		status = http.StatusServiceUnavailable
	}
	answer := readyAnswer{Ready: len(missing) == 0, Missing: missing}
	if a.cfg.Reach != nil {
		answer.Bus = a.cfg.Reach()
	}
	writeJSON(w, status, answer)
}

// writeJSON answers with a value of our own making.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // only plain structs are passed
		status, b = http.StatusInternalServerError, []byte("{}")
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}
