package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
)

func entry(seq int64) string {
	b, _ := json.Marshal(api.Entry{Seq: seq, Type: api.EntryTypeNotice, Data: json.RawMessage(`{"level":"info","text":"x"}`)})
	return fmt.Sprintf("id: %d\nevent: entry\ndata: %s\n\n", seq, b)
}

// follow collects what Follow yields: "3" for an entry, "d:text" for a delta, "lost" and "error".
func follow(ctx context.Context, c *client.Client, after int64) (got []string, last error) {
	for ev, err := range c.Follow(ctx, "r", after) {
		switch {
		case err != nil:
			got, last = append(got, "error"), err
		case ev.Entry != nil:
			got = append(got, fmt.Sprint(ev.Entry.Seq))
		case ev.Delta != nil:
			got = append(got, "d:"+ev.Delta.Text)
		case ev.Lost != nil:
			got = append(got, "lost")
		}
	}
	return got, last
}

// streams answers each connection with the next text, and keeps the Last-Event-ID each asked with.
func streams(texts ...string) (http.HandlerFunc, *[]string) {
	var asked []string
	return func(w http.ResponseWriter, r *http.Request) {
		n := len(asked)
		asked = append(asked, r.Header.Get("Last-Event-ID"))
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, texts[min(n, len(texts)-1)])
	}, &asked
}

func TestFollowResumesWithoutGapOrRepeat(t *testing.T) {
	h, asked := streams(
		": hello\n\n"+entry(1)+"event: delta\ndata: {\"key\":\"k\",\"kind\":\"text\",\"text\":\"hi\"}\n\n"+entry(2)+"id: 3\nevent: entry\ndata: {\"seq\":3,", // cut
		entry(2)+entry(3)+entry(5), // a repeat, then a gap
		"event: novelty\r\ndata: {}\r\n\r\n"+entry(4)+entry(5)+"event: end\ndata: {}\n\n",
	)
	got, err := follow(t.Context(), far(t, h), 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1", "d:hi", "2", "lost", "3", "lost", "4", "5"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"0", "2", "3"}, *asked); diff != "" {
		t.Error(diff)
	}
}

func TestFollowEndsWithWhatCannotChange(t *testing.T) {
	calls := 0
	c := far(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		refuse(w, 404, "resource_not_found", "no run")
	})
	got, err := follow(t.Context(), c, 0)
	if calls != 1 || len(got) != 1 || !errors.Is(err, api.Fail(api.PlatformErrorCodeResourceNotFound, "")) {
		t.Errorf("%d calls, %v, %v", calls, got, err)
	}
}

func TestFollowSurvivesAServerThatIsStarting(t *testing.T) {
	calls := 0
	c := far(t, func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			refuse(w, 503, "resource_unavailable", "starting")
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, entry(8)+"event: end\ndata: {}\n\n")
	})
	got, err := follow(t.Context(), c, 7)
	if diff := cmp.Diff([]string{"lost", "8"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("enough")
	c := far(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, entry(1))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	for ev, err := range c.Follow(ctx, "r", 0) {
		if ev.Entry != nil {
			cancel(why)
			continue
		}
		if !errors.Is(err, why) {
			t.Errorf("got %+v, %v", ev, err)
		}
	}
}

func TestFollowStopsWhenTheCallerDoes(t *testing.T) {
	h, asked := streams(entry(1) + entry(2))
	for range far(t, h).Follow(t.Context(), "r", 0) {
		break
	}
	if len(*asked) != 1 {
		t.Errorf("%d connections", len(*asked))
	}
}

func TestFollowRefusesAnEndlessEvent(t *testing.T) {
	if testing.Short() {
		t.Skip("short: writes 33 MiB")
	}
	calls := 0
	c := far(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if calls++; calls > 1 {
			fmt.Fprint(w, "event: end\ndata: {}\n\n")
			return
		}
		chunk := strings.Repeat("x", 1<<20)
		fmt.Fprint(w, "data: ")
		for range 33 {
			if _, err := fmt.Fprint(w, chunk); err != nil {
				return
			}
		}
	})
	got, err := follow(t.Context(), c, 0)
	if diff := cmp.Diff([]string{"lost"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
