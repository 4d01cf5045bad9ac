package dispatch

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
)

// A worker that sends nonsense without end is read on, for the sake of newer ones, but not logged on.
func TestNonsenseDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var log bytes.Buffer
		d := w.start(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		worker := connect(t, d, "team", "linux")
		for range 1000 {
			worker.up <- []byte(`{"type":"x\nlevel=ERROR msg=forged"}`)
		}
		w.queue("team", "linux", 1)
		worker.claim(worker.assignment()) // it still works
		synctest.Wait()
		lines := strings.Split(log.String(), "\n")
		ignored := strings.Count(log.String(), "worker message ignored")
		if ignored != maxComplaints || len(lines) > maxComplaints+5 || strings.Contains(log.String(), "\nlevel=ERROR") {
			t.Errorf("%d lines about %d messages:\n%s", len(lines), ignored, log.String())
		}
	})
}
