package run

import (
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// TestPersonOf is the table of who has a run's personal secrets: kind of caller by what started it.
func TestPersonOf(t *testing.T) {
	t.Parallel()
	calls := map[api.RunSourceType]bool{
		api.RunSourceTypeAPI: true, api.RunSourceTypeCLI: true, api.RunSourceTypeWEBAPP: true, api.RunSourceTypeLOCAL: true,
		api.RunSourceTypeCLOUDMODE: true, api.RunSourceTypeGITHUBACTION: true, api.RunSourceTypeSLACK: true, api.RunSourceTypeLINEAR: true,
		api.RunSourceTypeSCHEDULEDAGENT: false, api.RunSourceTypeGITHUBWEBHOOK: false, api.RunSourceTypeGITLABWEBHOOK: false,
		api.RunSourceTypeAUTOFIX: false, api.RunSourceTypeSELFIMPROVEMENT: false, api.RunSourceTypeORCHESTRATION: false, "NEW": false,
	}
	for source, own := range calls {
		for _, kind := range []identity.Kind{identity.KindUser, identity.KindTeam, identity.KindAgent, identity.KindRun} {
			want := ""
			if own && kind == identity.KindUser {
				want = "u"
			}
			if got := personOf(identity.Actor{Kind: kind, UID: "u"}, source); got != want {
				t.Errorf("%s by a %s: %q, want %q", source, kind, got, want)
			}
		}
	}
}
