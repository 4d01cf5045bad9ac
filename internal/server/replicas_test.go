package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/secret"
	"github.com/cadrehq/cadre/internal/server"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// TestServersOfOneDatabase: two servers that share PostgreSQL and nothing else are told of each other's
// doings. Nothing but being told brings them what this test waits for: fragments are stored nowhere,
// and with leases of an hour no server looks for what a worker should have stopped.
func TestServersOfOneDatabase(t *testing.T) {
	t.Parallel()
	dsn, blobs, master := storetest.Postgres(t), "file://"+t.TempDir(), secret.NewMasterKey()
	member := func(name string) *world {
		return newWorld(t, func(c *server.Config) {
			c.DatabaseURL, c.BlobURL, c.Instance, c.Lease, c.MasterKeys = dsn, blobs, name, time.Hour, master
		})
	}
	here := member("here")
	there := member("there")
	there.key = here.key
	for _, w := range []*world{here, there} {
		w.reaches("2 servers by PostgreSQL notifications")
	}

	worker := there.connect("far")
	id := here.create(api.RunAgentRequest{Prompt: "work", Config: api.AmbientAgentConfig{WorkerHost: "far"}})
	token := worker.claim(id).EnvVars["WARP_API_KEY"]
	there.as(token).post("/runner/start", api.RunnerStartRequest{}).want(200)
	there.say(token, 0, api.RunStateINPROGRESS, api.AgentMessage{Text: "on it"}).want(200)

	viewer := here.follow("/agent/runs/" + id + "/stream")
	for viewer.entry().Type != api.EntryTypeAgentMessage { // it is in the room now
	}
	word := api.Delta{Key: "m", Kind: api.DeltaKindText, Text: "größe\n"}
	there.as(token).post("/runner/deltas", api.RunnerDeltasRequest{Deltas: []api.Delta{word}}).want(204)
	for {
		e, ok := viewer.next()
		if !ok {
			t.Fatal("the stream ended")
		}
		if e.name != "delta" {
			continue
		}
		var got api.Delta
		if err := json.Unmarshal([]byte(e.data), &got); err != nil || got.Text != word.Text {
			t.Errorf("delta %s: %v", e.data, err)
		}
		break
	}

	here.post("/agent/runs/"+id+"/cancel", nil).want(200)
	var cancelled api.TaskCancellation
	worker.receive(api.WorkerCancellation, &cancelled)
	if cancelled.TaskID != id {
		t.Errorf("cancelled %+v", cancelled)
	}
}

// A server on a file of its own says that no other hears it.
func TestServerSaysWhomItReaches(t *testing.T) {
	t.Parallel()
	newWorld(t).reaches("this server only")
}

// reaches waits until a server says that its bus connects as much.
func (w *world) reaches(want string) {
	w.t.Helper()
	var said string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		rsp, err := http.Get(w.url + "/readyz")
		if err != nil {
			w.t.Fatal(err)
		}
		b, err := io.ReadAll(rsp.Body)
		if err != nil {
			w.t.Fatal(err)
		}
		_ = rsp.Body.Close()
		if said = string(b); strings.Contains(said, `"bus":"`+want+`"`) {
			return
		}
	}
	w.t.Fatalf("it says %s", said)
}
