package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) apiKeyCommand() *cobra.Command {
	c := &cobra.Command{Use: "api-key", Aliases: []string{"api-keys"}, Short: "Make and revoke API keys"}
	return a.newGroup(c, a.apiKeyListCommand(), a.apiKeyCreateCommand(), a.apiKeyRenameCommand(), a.apiKeyExpireCommand())
}

// keyInfo is a key as list and create show it.
type keyInfo struct {
	UID        string  `json:"uid"`
	Name       string  `json:"name"`
	KeySuffix  string  `json:"key_suffix"`
	Scope      string  `json:"scope"`
	CreatedAt  string  `json:"created_at"`
	LastUsedAt *string `json:"last_used_at"`
	ExpiresAt  *string `json:"expires_at"`
}

func newKeyInfo(k api.ApiKey) keyInfo {
	moment := func(t time.Time) *string {
		if t.IsZero() {
			return nil
		}
		s := t.UTC().Format(time.RFC3339)
		return &s
	}
	info := keyInfo{UID: k.Uid, Name: k.Name, KeySuffix: k.KeySuffix, CreatedAt: k.CreatedAt.UTC().Format(time.RFC3339),
		LastUsedAt: moment(k.LastUsedAt), ExpiresAt: moment(k.ExpiresAt)}
	switch k.OwnerType {
	case api.ApiKeyOwnerTeam:
		info.Scope = "team"
	case api.ApiKeyOwnerAgent:
		info.Scope = "agent " + firstNonEmpty(k.AgentInfo.Name, k.OwnerUid)
	default:
		info.Scope = "personal"
	}
	if len(k.Scopes) > 0 && !slices.Contains(k.Scopes, api.ApiKeyScopeFull) {
		var words []string
		for _, s := range k.Scopes {
			words = append(words, string(s))
		}
		info.Scope += " (" + strings.Join(words, " ") + ")"
	}
	return info
}

func (k keyInfo) row() []string {
	or := func(s *string, none string) string {
		if s == nil {
			return none
		}
		return *s
	}
	return []string{k.UID, k.Name, "wk-**" + k.KeySuffix, k.Scope, k.CreatedAt, or(k.LastUsedAt, "never"), or(k.ExpiresAt, "never")}
}

func (a *app) apiKeyListCommand() *cobra.Command {
	var jq filter
	var sortBy, order string
	c := &cobra.Command{Use: "list", Short: "List API keys, newest first"}
	c.Flags().Var(choice[string]{to: &sortBy, all: oneOf("name", "created-at", "last-used-at", "expires-at", "scope")}, "sort-by", "`what` to sort by: name, created-at, last-used-at, expires-at or scope")
	c.Flags().Var(choice[string]{to: &order, all: oneOf("asc", "desc")}, "sort-order", "`direction`: asc or desc")
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		keys, err := cl.APIKeys(cmd.Context())
		if err != nil {
			return err
		}
		sortKeys(keys, sortBy, order)
		l := list{table: term.Table{Header: []string{"UID", "Name", "Key", "Scope", "Created", "Last used", "Expires"}}, empty: "No API keys found."}
		for _, k := range keys {
			info := newKeyInfo(k)
			l.items = append(l.items, info)
			l.table.Rows = append(l.table.Rows, info.row())
		}
		return a.printListFiltered(l, jq)
	})
}

// oneOf is a closed set of words that stand for themselves.
func oneOf(words ...string) map[string]string {
	set := map[string]string{}
	for _, w := range words {
		set[w] = w
	}
	return set
}

var roleWords = map[string]api.TeamRole{"admin": api.TeamRoleAdmin, "member": api.TeamRoleMember, "viewer": api.TeamRoleViewer}

// sortKeys orders keys; the server's order is the newest first.
func sortKeys(keys []api.ApiKey, by, order string) {
	compare := map[string]func(x, y api.ApiKey) int{
		"name":         func(x, y api.ApiKey) int { return cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)) },
		"created-at":   func(x, y api.ApiKey) int { return x.CreatedAt.Compare(y.CreatedAt) },
		"last-used-at": func(x, y api.ApiKey) int { return x.LastUsedAt.Compare(y.LastUsedAt) },
		"expires-at":   func(x, y api.ApiKey) int { return x.ExpiresAt.Compare(y.ExpiresAt) },
		"scope":        func(x, y api.ApiKey) int { return cmp.Compare(newKeyInfo(x).Scope, newKeyInfo(y).Scope) },
	}[by]
	if compare != nil {
		slices.SortStableFunc(keys, compare)
	}
	if order == "desc" && compare != nil || order == "asc" && compare == nil {
		slices.Reverse(keys)
	}
}

// newKey is what api-key create asks for.
type newKey struct {
	in     duration
	at     timestamp
	agent  string
	never  bool
	team   bool
	role   api.TeamRole
	scopes []string
}

func (a *app) apiKeyCreateCommand() *cobra.Command {
	var n newKey
	var jq filter
	c := &cobra.Command{Use: "create NAME", Short: "Make an API key, shown once", Args: arguments(1, 1),
		Long: `Without --team or --agent the key acts as you. Scopes narrow it: runs (see and work with runs), read
(see) or worker (connect workers, with --team).`,
		Example: `  cadre api-key create laptop --expires-in 90d
  cadre api-key create "build box" --team --scope worker --no-expiration`}
	fs := c.Flags()
	fs.Var(&n.in, "expires-in", "`duration` it works for, as 12h or 90d")
	fs.Var(&n.at, "expires-at", "`time` it ends, as 2030-01-02T03:04:05Z")
	fs.BoolVar(&n.never, "no-expiration", false, "works until it is revoked")
	fs.StringVar(&n.agent, "agent", "", "acts as the agent with this `uid`")
	fs.BoolVar(&n.team, "team", false, "acts as your team")
	fs.Var(choice[api.TeamRole]{to: &n.role, all: roleWords}, "role", "`role` of a key of a team or agent: admin, member or viewer (default member)")
	fs.StringSliceVar(&n.scopes, "scope", nil, "`scope` it is narrowed to: runs, read or worker (repeatable; default full)")
	jqFlag(c, &jq)
	c.MarkFlagsMutuallyExclusive("expires-in", "expires-at", "no-expiration")
	c.MarkFlagsOneRequired("expires-in", "expires-at", "no-expiration")
	c.MarkFlagsMutuallyExclusive("agent", "team")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		return a.createKey(cmd.Context(), args[0], n, jq)
	})
}

func (a *app) createKey(ctx context.Context, name string, n newKey, jq filter) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	req := api.CreateApiKeyRequest{Name: name, AgentUid: n.agent, Role: n.role}
	for _, s := range n.scopes {
		req.Scopes = append(req.Scopes, api.ApiKeyScope(s))
	}
	switch {
	case !time.Time(n.at).IsZero():
		req.ExpiresAt = time.Time(n.at).UTC()
	case n.in > 0:
		req.ExpiresAt = now().Add(time.Duration(n.in)).UTC()
	}
	if n.team {
		if req.TeamId, err = ownTeam(ctx, cl); err != nil {
			return err
		}
	}
	made, err := cl.CreateAPIKey(ctx, req)
	if err != nil {
		return err
	}
	info := newKeyInfo(made.ApiKey)
	if jq.code != nil || a.settings.format.machine() {
		b, err := marshal(map[string]any{"raw_api_key": made.RawApiKey, "api_key": info})
		return passThrough(a, jq)(b, err)
	}
	return a.printFields([]field{{"Name", info.Name}, {"UID", info.UID}, {"Raw API key", made.RawApiKey}})
}

func (a *app) apiKeyRenameCommand() *cobra.Command {
	c := &cobra.Command{Use: "rename NAME_OR_UID NEW_NAME", Short: "Rename an API key", Args: arguments(2, 2)}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		k, err := findKey(cmd.Context(), cl, args[0])
		if err != nil {
			return err
		}
		if k, err = cl.RenameAPIKey(cmd.Context(), k.Uid, args[1]); err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(newKeyInfo(k))
		}
		_, err = fmt.Fprintf(a.Stdout, "API key renamed to %s\n", term.CleanLine(k.Name))
		return err
	})
}

func (a *app) apiKeyExpireCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "expire NAME_OR_UID", Aliases: []string{"delete", "revoke"}, Short: "Revoke an API key at once", Args: arguments(1, 1)}
	c.Flags().Bool("force", false, "accepted for compatibility; revoking never asks")
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		k, err := findKey(cmd.Context(), cl, args[0])
		if err != nil {
			return err
		}
		if err := cl.RevokeAPIKey(cmd.Context(), k.Uid); err != nil {
			return err
		}
		if jq.code != nil || a.settings.format.machine() {
			b, err := marshal(map[string]any{"key_uid": k.Uid, "expired": true})
			return passThrough(a, jq)(b, err)
		}
		_, err = fmt.Fprintf(a.Stdout, "API key %s expired\n", term.CleanLine(k.Name))
		return err
	})
}

// findKey finds a key by uid, or by name if only one has it.
func findKey(ctx context.Context, cl *client.Client, nameOrUID string) (api.ApiKey, error) {
	keys, err := cl.APIKeys(ctx)
	if err != nil {
		return api.ApiKey{}, err
	}
	var named []api.ApiKey
	for _, k := range keys {
		if k.Uid == nameOrUID {
			return k, nil
		}
		if k.Name == nameOrUID {
			named = append(named, k)
		}
	}
	switch len(named) {
	case 0:
		return api.ApiKey{}, fmt.Errorf("no API key has the name or uid %q", nameOrUID)
	case 1:
		return named[0], nil
	}
	var uids []string
	for _, k := range named {
		uids = append(uids, k.Uid)
	}
	return api.ApiKey{}, withHint(fmt.Errorf("%d API keys have the name %q", len(named), nameOrUID), "name one by its uid: %s", strings.Join(uids, ", "))
}
