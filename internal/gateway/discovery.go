package gateway

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/cadrehq/cadre/internal/gateway/wire"
	"github.com/cadrehq/cadre/internal/usage"
)

// discovery asks the local endpoint for its models: when first needed, which the caller waits for,
// and from then on in the background.
type discovery struct {
	p   *provider
	now func() time.Time
	log *slog.Logger

	mu      sync.Mutex
	found   []Model
	next    time.Time // when the list is asked for again
	asking  chan struct{}
	pending sync.WaitGroup
	ctx     context.Context // ends with the gateway
}

const (
	discoverTimeout = 2 * time.Second
	discoverAgain   = time.Minute     // after an answer
	discoverRetry   = 5 * time.Second // after none
	maxModelList    = 4 << 20
)

// models returns what the endpoint serves as last heard; nothing when it cannot be reached.
func (d *discovery) models(ctx context.Context) []Model {
	d.mu.Lock()
	first := d.next.IsZero()
	if d.asking == nil && !d.now().Before(d.next) && d.ctx.Err() == nil {
		d.asking = make(chan struct{})
		d.pending.Go(d.ask)
	}
	asking, found := d.asking, d.found
	d.mu.Unlock()
	if !first || asking == nil {
		return found
	}
	select {
	case <-asking:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.found
}

func (d *discovery) ask() {
	ctx, cancel := context.WithTimeout(d.ctx, discoverTimeout)
	defer cancel()
	found, err := d.fetch(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = d.now().Add(discoverAgain)
	if err != nil {
		// What was found before is kept: an endpoint that restarts must not change anyone's default.
		d.next = d.now().Add(discoverRetry)
		d.log.Warn("the local model endpoint does not list its models", "error", d.p.scrubString(err.Error()))
	} else {
		d.found = found
	}
	close(d.asking)
	d.asking = nil
}

func (d *discovery) fetch(ctx context.Context) ([]Model, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.p.base+wire.CallModels.Path(), nil)
	if err != nil {
		return nil, err
	}
	d.p.authorize(req.Header)
	resp, err := d.p.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, &statusError{resp.StatusCode}
	}
	var list struct {
		Data []struct {
			ID          string `json:"id"`
			MaxModelLen int    `json:"max_model_len"` // vLLM's
		} `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxModelList)).Decode(&list); err != nil {
		return nil, err
	}
	var found []Model
	for _, e := range list.Data {
		if e.ID == "" || len(e.ID) > maxModelID {
			continue
		}
		m := guess(usage.ProviderLocal, e.ID)
		if e.MaxModelLen > 0 {
			m.Context, m.MaxOutput = e.MaxModelLen, min(m.MaxOutput, e.MaxModelLen/2)
		}
		found = append(found, m)
	}
	return found, nil
}
