package crash

import (
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/fault"
	"github.com/cadrehq/cadre/internal/secret"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// Every server of a fleet has both master keys; the first is the primary one to begin with.
const (
	oldMaster = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	newMaster = "/+7dzLuqmYh3ZlVEMyIRAP/u3cy7qpmId2ZVRDMiEQA="
)

// rotate stores a secret and changes the master key, until it is changed.
func (f *fleet) rotate() {
	f.t.Helper()
	id, err := secret.MasterID(newMaster)
	if err != nil {
		f.t.Fatal(err)
	}
	var list api.ListSecretsResponse
	f.until("a secret to be stored", func() bool {
		if f.call("GET", "/secrets", nil, &list) == nil && len(list.Secrets) > 0 {
			return true
		}
		_ = f.call("POST", "/secrets", map[string]any{"name": "KEPT", "value": map[string]any{"value": "kept-value"}}, nil)
		return false
	})
	var state api.MasterKeyState
	f.insist("change the master key", func() error { return f.call("POST", "/master-key/rotate", map[string]any{"key_id": id}, &state) })
	f.until("the old master key to be out of use", func() bool {
		return f.call("GET", "/master-key", nil, &state) == nil && len(state.Keys) == 1 && state.Keys[0].Id == id && state.Keys[0].DataKeys > 0
	})
}

// TestRotationKilled: a server dies between sealing data keys anew and storing them, or just after. It goes
// on with what is left, on one server and on two, and a run gets what was sealed before.
func TestRotationKilled(t *testing.T) {
	for _, p := range []fault.Point{fault.SecretBeforeRewrap, fault.SecretAfterRewrap} {
		for name, l := range map[string]func() layout{
			"one server": func() layout { return layout{} },
			"replicas":   func() layout { return layout{database: storetest.Postgres(t)} },
		} {
			t.Run(string(p)+"/"+name, func(t *testing.T) {
				t.Parallel()
				f := newFleet(t, l(), newReferee(t, p, 1))
				id := f.begin(p, "story")
				f.until("somebody to die at "+string(p), f.ref.struck)
				f.ready()
				check(t, f, id, "story")
				var run api.RunItem
				f.insist("read the run", func() error { return f.call("GET", "/agent/runs/"+id, nil, &run) })
				if len(run.Secrets) != 1 || run.Secrets[0].Name != "KEPT" {
					t.Errorf("the run received %+v", run.Secrets)
				}
			})
		}
	}
}
