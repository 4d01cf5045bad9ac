package secret

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// TestResolve is what lists and phases leave of a run's reach.
func TestResolve(t *testing.T) {
	t.Parallel()
	team, own := identity.Owner{Type: api.ScopeTypeTeam, UID: "t"}, identity.Owner{Type: api.ScopeTypeUser, UID: "u"}
	of := func(o identity.Owner, name string, kind api.SecretType) Secret {
		return Secret{UID: string(o.Type) + "." + name, Owner: o, Name: name, Type: kind}
	}
	reach := inReach([]Secret{
		of(team, "A", api.SecretTypeRAWVALUE), of(own, "A", api.SecretTypeRAWVALUE), of(team, "B", api.SecretTypeFILE),
		of(own, "C", api.SecretTypeRAWVALUE), of(team, "K", api.SecretTypeOPENAIAPIKEY),
	})
	list := func(names ...string) *[]api.SecretRef {
		refs := []api.SecretRef{}
		for _, n := range names {
			refs = append(refs, api.SecretRef{Name: n})
		}
		return &refs
	}
	split := &[]api.SecretRef{
		{Name: "A", Phases: []api.SecretPhase{api.SecretPhaseSetup}}, {Name: "B", Phases: []api.SecretPhase{api.SecretPhaseAgent}}, {Name: "C"},
	}
	for what, c := range map[string]struct {
		lists              Lists
		setup, agent, lost string
	}{
		"nobody says anything":      {Lists{}, "User.A Team.B User.C", "User.A Team.B User.C", ""},
		"run says none":             {Lists{Run: list(), Environment: list("A"), Agent: list("B")}, "", "", ""},
		"run goes before the rest":  {Lists{Run: list("C"), Environment: list("A")}, "User.C", "User.C", ""},
		"environment says none":     {Lists{Environment: list()}, "", "", ""},
		"environment and agent":     {Lists{Environment: list("A"), Agent: list("B", "A")}, "User.A Team.B", "User.A Team.B", ""},
		"agent alone":               {Lists{Agent: list("B")}, "Team.B", "Team.B", ""},
		"unknown":                   {Lists{Environment: list("Z", "A", "Y")}, "User.A", "User.A", "Y Z"},
		"phases":                    {Lists{Environment: split}, "User.A User.C", "Team.B User.C", ""},
		"two lists, phases of both": {Lists{Environment: split, Agent: &[]api.SecretRef{{Name: "A", Phases: []api.SecretPhase{api.SecretPhaseAgent}}}}, "User.A User.C", "User.A Team.B User.C", ""},
		"a vendor's key":            {Lists{Run: list("K")}, "", "", ""},
	} {
		for phase, want := range map[api.SecretPhase]string{api.SecretPhaseSetup: c.setup, api.SecretPhaseAgent: c.agent} {
			picked, unresolved := resolve(reach, c.lists, phase)
			var got []string
			for _, s := range picked {
				got = append(got, s.UID)
			}
			if fmt.Sprint(got) != "["+want+"]" || fmt.Sprint(unresolved) != "["+c.lost+"]" || !slices.IsSorted(unresolved) {
				t.Errorf("%s in %s: %v without %v, want [%s] without [%s]", what, phase, got, unresolved, want, c.lost)
			}
		}
	}
}
