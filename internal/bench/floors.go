package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/internal/store"
)

// floors are what the least program takes, for the ratios of other rows.
type floors struct {
	create map[int]Row // grouped durable create over HTTP, by clients
	model  Row         // smallest agent loop
	sse    Row
}

// measureFloors measures what nothing on this machine can be quicker than.
func measureFloors(ctx context.Context, s *suite) error {
	for _, f := range []func(context.Context, *suite) error{floorSync, floorHTTP, floorCreate, floorStream, floorExec, floorAgent} {
		if err := f(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// floorSync makes one small write durable.
func floorSync(ctx context.Context, s *suite) error {
	f, err := os.Create(filepath.Join(s.dir, "fsync"))
	if err != nil {
		return err
	}
	defer f.Close()
	took, rate, err := drive(ctx, 1, s.count(300), func(context.Context) error {
		if _, err := f.Write(make([]byte, 512)); err != nil {
			return err
		}
		return f.Sync()
	})
	r := took.row("fsync of 512 bytes")
	r.Rate = rate
	s.add(r)
	return err
}

// serve answers HTTP on loopback until stop.
func serve(ctx context.Context, h http.Handler) (url string, stop func(), err error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }() // it ends by Close
	return "http://" + l.Addr().String(), func() { _ = srv.Close() }, nil
}

// floorHTTP answers a request with the bytes it brought.
func floorHTTP(ctx context.Context, s *suite) error {
	url, stop, err := serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	if err != nil {
		return err
	}
	defer stop()
	for _, clients := range []int{1, 64} {
		c := client()
		took, rate, err := drive(ctx, clients, s.count(5000), func(ctx context.Context) error {
			return post(ctx, c, "", http.MethodPost, url, []byte(`{"prompt":"fix the failing test"}`), nil)
		})
		if err != nil {
			return err
		}
		r := took.row(fmt.Sprintf("bare HTTP, %d clients", clients))
		r.Rate = rate
		s.add(r)
	}
	return nil
}

// floorCreate stores one row per request, durably, with all that wait at the same time in one commit.
func floorCreate(ctx context.Context, s *suite) error {
	db, err := store.Open(ctx, store.Options{DSN: filepath.Join(s.dir, "floor.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // what it holds is thrown away
	url, stop, err := serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Prompt string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		id := uuid.Must(uuid.NewV7()).String()
		if err := db.Write(r.Context(), id, func(tx *store.Tx) error {
			return tx.Send("INSERT INTO server_secrets (name, value) VALUES ($1, $2)", id, body.Prompt)
		}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, `{"run_id":"`+id+`"}`)
	}))
	if err != nil {
		return err
	}
	defer stop()
	s.floor.create = map[int]Row{}
	for _, clients := range []int{1, 16, 64} {
		c := client()
		took, rate, err := drive(ctx, clients, s.count(600+clients*100), func(ctx context.Context) error {
			return post(ctx, c, "", http.MethodPost, url, []byte(`{"prompt":"fix the failing test"}`), nil)
		})
		if err != nil {
			return err
		}
		r := took.row(fmt.Sprintf("durable create, %d clients", clients))
		r.Rate = rate
		s.floor.create[clients] = r
		s.add(r)
	}
	return nil
}

// floorStream passes one event through an open stream.
func floorStream(ctx context.Context, s *suite) error {
	events := make(chan string)
	url, stop, err := serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flush := http.NewResponseController(w)
		_ = flush.Flush()
		for {
			select {
			case e := <-events:
				_, _ = io.WriteString(w, "data: "+e+"\n\n")
				_ = flush.Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
	if err != nil {
		return err
	}
	defer stop()
	c := &cadre{url: url, clients: client()}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen, open := make(chan struct{}), make(chan struct{})
	go func() {
		_ = c.stream(ctx, "", "", func() { close(open) }, func([]byte) bool { seen <- struct{}{}; return true })
	}()
	<-open
	took, _, err := drive(ctx, 1, s.count(3000), func(context.Context) error {
		events <- "x"
		<-seen
		return nil
	})
	s.floor.sse = took.row("bare SSE, one viewer")
	s.add(s.floor.sse)
	return err
}

// floorExec starts a process and waits for it.
func floorExec(ctx context.Context, s *suite) error {
	took, _, err := drive(ctx, 1, s.count(200), func(ctx context.Context) error { return exec.CommandContext(ctx, "/bin/true").Run() })
	s.add(took.row("fork and exec"))
	return err
}

// floorAgent asks a model twice and runs one command in between, keeping nothing.
func floorAgent(ctx context.Context, s *suite) error {
	v := newVendor()
	url, stop, err := serve(ctx, v)
	if err != nil {
		return err
	}
	defer stop()
	c := client()
	took, _, err := drive(ctx, 1, s.count(100), func(ctx context.Context) error {
		for _, history := range []string{"", `,{"role":"assistant","content":"x"}`} {
			body := `{"model":"m","stream":true,"messages":[{"role":"user","content":"turns=2"}` + history + `]}`
			if err := post(ctx, c, "", http.MethodPost, url+"/v1/messages", []byte(body), nil); err != nil {
				return err
			}
			if history == "" {
				if err := exec.CommandContext(ctx, "/bin/sh", "-c", "echo hi").Run(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	s.floor.model = took.row("smallest agent loop, two turns")
	s.add(s.floor.model)
	return err
}
