package e2e

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/server"
	"github.com/cadrehq/cadre/internal/worker"
	"github.com/cadrehq/cadre/internal/worker/backend/direct"
)

// TestDiskFull fills the disk of the server under a run at work: what cannot be stored is refused with
// resource_unavailable, the server stays up, and when there is space again the run goes on and
// nothing that was acknowledged is missing.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root may mount a small file system")
	}
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	w := newWorld(t, func(c *server.Config) {
		c.DataDir = filepath.Join(disk, "data")
		c.Lease = 3 * time.Second
	})
	w.work(func(c *worker.Config, _ *direct.Config) { c.Heartbeat = time.Second })
	gate := filepath.Join(w.home, ".cache", "gate")
	if err := os.MkdirAll(filepath.Dir(gate), 0o755); err != nil {
		t.Fatal(err)
	}
	before := w.start(script(say("Before.")))
	w.finish(before)
	id := w.start(script(
		say("Wait.", bash("until [ -e "+gate+" ]; do sleep 0.05; done; seq 1 2000")),
		say("Again.", bash("seq 1 2000")),
		say("Done."),
	))
	w.until("the command to begin", func() bool { return len(of[api.Action](w, id)) == 1 })

	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	accepted := []string{}
	w.until("a refusal", func() bool {
		rsp, err := w.CreateRun(w.ctx, api.RunAgentRequest{Prompt: script(say("x")) + padding, Config: api.AmbientAgentConfig{ModelId: "scripted", WorkerHost: "nobody"}})
		if err == nil {
			accepted = append(accepted, rsp.RunId)
			return false
		}
		var f *api.Failure
		if !errors.As(err, &f) || f.Code != api.PlatformErrorCodeResourceUnavailable || f.Status != http.StatusServiceUnavailable {
			t.Fatalf("refused with %v", err)
		}
		return true
	})
	if err := os.WriteFile(gate, nil, 0o600); err != nil { // the run now has much to say
		t.Fatal(err)
	}
	for range 20 { // several leases pass without a lease being renewed
		if state := w.get(id).State; state.Ended() {
			t.Fatalf("the run became %s", state)
		}
		w.get(before)
		time.Sleep(250 * time.Millisecond)
	}
	rsp, err := http.Get(w.url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if rsp.Body.Close(); rsp.StatusCode != http.StatusOK {
		t.Errorf("healthz: %s", rsp.Status)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	w.finish(id)
	w.finish(w.start(script(say("After."))))
	for _, id := range append(accepted, before) {
		if w.get(id).RunId != id {
			t.Errorf("run %s is missing", id)
		}
	}
	said := w.said(id)
	contains(t, "the run", said, "Wait.", "Again.", "Done.")
	for i, e := range w.entries(id) {
		if e.Seq != int64(i)+1 {
			t.Errorf("entry %d has seq %d", i+1, e.Seq)
		}
	}
	results := map[string]int{}
	for _, r := range w.results(id) {
		results[r.ActionID]++
	}
	for action, n := range results {
		if n != 1 {
			t.Errorf("action %s has %d results", action, n)
		}
	}
}

// padding makes a request that needs a new page of the database.
var padding = filled(16 << 10)

func filled(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return string(b)
}

// fill writes a file until there is no space left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		for {
			if _, err = f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, io.ErrShortWrite) {
		t.Fatal(err)
	}
}
