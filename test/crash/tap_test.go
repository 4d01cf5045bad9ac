package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/cadrehq/cadre/api"
)

// tap stands between a worker with its sandboxes and a server and notes every entry the server
// acknowledged.
type tap struct {
	url string

	mu   sync.Mutex
	seen map[string]bool // by token and index: one sent again is one entry
	all  map[string]int  // by print
}

type bodyKey struct{}

func newTap(t *testing.T, server string) *tap {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{seen: map[string]bool{}, all: map[string]int{}}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0),
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // as a dead server's connection
		ModifyResponse: p.note,
		Transport:      &http.Transport{},
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == api.BasePath+"/runner/entries" {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, body))
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		proxy.ServeHTTP(w, r)
	}))
	srv.Config.ErrorLog = proxy.ErrorLog
	srv.Start()
	p.url = srv.URL
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return p
}

// note remembers what an answer acknowledged.
func (p *tap) note(rsp *http.Response) error {
	body, ok := rsp.Request.Context().Value(bodyKey{}).([]byte)
	if !ok || rsp.StatusCode != http.StatusOK {
		return nil
	}
	var req api.RunnerAppendRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, e := range req.Entries {
		id := fmt.Sprintf("%s %d", rsp.Request.Header.Get("Authorization"), req.FirstIndex+int64(i))
		if !p.seen[id] {
			p.seen[id] = true
			p.all[print(e.Type, e.CreatedAt, e.Data)]++
		}
	}
	return nil
}

// acknowledged is how often each entry was acknowledged for the first time.
func (p *tap) acknowledged() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.all)
}
