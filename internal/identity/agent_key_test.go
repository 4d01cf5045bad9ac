package identity_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// TestAgentKeysActAsTheAgent for as long as there is one.
func TestAgentKeysActAsTheAgent(t *testing.T) {
	there := true
	ids, err := identity.New(t.Context(), identity.Config{
		Store: store.NewIdentity(storetest.Open(t, store.Options{})), Log: slog.New(slog.DiscardHandler),
		Agents: func(_ context.Context, _, uid string) (string, error) {
			if uid != "a-1" || !there {
				return "", api.NotFound("agent", uid)
			}
			return "Fixer", nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ids.Bootstrap(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	admin, err := ids.Authenticate(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ids.CreateKey(t.Context(), admin, identity.KeyRequest{Name: "x", Owner: identity.OwnerAgent, AgentUID: "a-2"}); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
		t.Errorf("a key of nobody: %v", err)
	}
	secret, _, err := ids.CreateKey(t.Context(), admin, identity.KeyRequest{Name: "x", Owner: identity.OwnerAgent, AgentUID: "a-1"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := ids.Authenticate(t.Context(), secret)
	if err != nil || a.Kind != identity.KindAgent || a.UID != "a-1" || a.Name != "Fixer" || a.Role != identity.RoleMember || a.TeamUID != admin.TeamUID {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, _, err := ids.CreateKey(t.Context(), a, identity.KeyRequest{Name: "y"}); api.CodeOf(err) != api.PlatformErrorCodeNotAuthorized {
		t.Errorf("an agent makes keys: %v", err)
	}
	there = false
	ids.Forget()
	if _, err := ids.Authenticate(t.Context(), secret); api.CodeOf(err) != api.PlatformErrorCodeAuthenticationRequired {
		t.Errorf("the key of an agent that is gone: %v", err)
	}
}
