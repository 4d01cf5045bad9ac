package crash

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
)

// follower reads one session from its beginning to its end, over as many connections as it takes.
type follower struct {
	entries []api.Entry
	drops   int // connections that broke
	err     error
	done    chan struct{}
}

// follow begins to read a session. Nothing the server sends may be out of order or come twice: the
// follower passes nothing over.
func (f *fleet) follow(id string) *follower {
	w := &follower{done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	f.t.Cleanup(func() { cancel(); <-w.done })
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			over, err := w.connect(ctx, "http://"+f.addr+api.BasePath+"/agent/runs/"+id+"/stream")
			if over || err != nil {
				w.err = err
				return
			}
			w.drops++
			select {
			case <-time.After(30 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		w.err = context.Cause(ctx)
	}()
	return w
}

// connect reads one connection. An error is the server's fault; a broken connection is none.
func (w *follower) connect(ctx context.Context, url string) (over bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Last-Event-ID", strconv.Itoa(len(w.entries)))
	rsp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return false, nil
	}
	defer rsp.Body.Close()
	if rsp.StatusCode == http.StatusServiceUnavailable {
		return false, nil
	}
	if rsp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("follow: %s", rsp.Status)
	}
	var name, id, data string
	lines := bufio.NewScanner(rsp.Body)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			data = value
		case "":
			if over, err := w.take(name, id, data); over || err != nil {
				return over, err
			}
			name, id, data = "", "", ""
		}
	}
	return false, nil
}

func (w *follower) take(name, id, data string) (over bool, err error) {
	switch name {
	case "end":
		return true, nil
	case "entry":
		var e api.Entry
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return false, fmt.Errorf("entry %s: %w", id, err)
		}
		want := int64(len(w.entries)) + 1
		if e.Seq != want || id != strconv.FormatInt(want, 10) {
			return false, fmt.Errorf("entry %d with event id %q arrived where %d was to come", e.Seq, id, want)
		}
		w.entries = append(w.entries, e)
	case "delta":
		if id != "" {
			return false, errors.New("a delta has an id")
		}
	}
	return false, nil
}

// check compares what was seen live with what is stored.
func (w *follower) check(t *testing.T, stored []api.Entry) {
	t.Helper()
	<-w.done
	if w.err != nil {
		t.Errorf("follower: %v", w.err)
		return
	}
	if len(w.entries) > len(stored) {
		t.Errorf("the follower saw %d entries, stored are %d", len(w.entries), len(stored))
		return
	}
	for i, e := range w.entries {
		if got, want := print(e.Type, e.CreatedAt, e.Data), print(stored[i].Type, stored[i].CreatedAt, stored[i].Data); got != want {
			t.Errorf("entry %d was seen as\n%s\nand is stored as\n%s", e.Seq, got, want)
		}
	}
	// The sandbox may outlive the end of the run a little: what it says then is no part of the stream.
	for _, e := range stored[len(w.entries):] {
		if e.Type != api.EntryTypeExecution && e.Type != api.EntryTypeNotice {
			t.Errorf("the follower was not shown entry %d (%s)", e.Seq, e.Type)
		}
	}
}
