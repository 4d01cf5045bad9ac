package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) agentListCommand() *cobra.Command {
	var jq filter
	var sortBy, order string
	c := &cobra.Command{Use: "list", Short: "List your team's agents, oldest first",
		Long: "Lists the agents of your team: identities that runs, schedules and API keys can act as. Skills are listed by\n'agent skills'."}
	c.Flags().Var(choice[string]{to: &sortBy, all: oneOf("name", "created-at")}, "sort-by", "`what` to sort by: name or created-at")
	c.Flags().Var(choice[string]{to: &order, all: oneOf("asc", "desc")}, "sort-order", "`direction`: asc or desc")
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		raw, err := readRaw(cl.API().ListAgentIdentities(cmd.Context(), nil))
		if err != nil {
			return err
		}
		if jq.code != nil || a.settings.format == formatJSON {
			return passThrough(a, jq)(raw, nil)
		}
		var answer api.ListAgentIdentitiesResponse
		if err := json.Unmarshal(raw, &answer); err != nil {
			return err
		}
		sortAgents(answer.Agents, sortBy, order)
		return a.printAgents(answer.Agents)
	})
}

// sortAgents orders agents; the server's order is by age.
func sortAgents(agents []api.AgentResponse, by, order string) {
	if by == "name" {
		slices.SortStableFunc(agents, func(x, y api.AgentResponse) int {
			return cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name))
		})
	}
	if order == "desc" {
		slices.Reverse(agents)
	}
}

// printAgents shows the agents that can be used, and says how many cannot.
func (a *app) printAgents(agents []api.AgentResponse) error {
	l := list{table: term.Table{Header: []string{"UID", "Name", "Created", "Description", "Secrets", "Skills", "Base model", "Environment", "Prompt"}},
		empty: "No agents found."}
	hidden := 0
	for _, g := range agents {
		if !g.Available {
			hidden++
			continue
		}
		l.items = append(l.items, g)
		l.table.Rows = append(l.table.Rows, []string{g.Uid, g.Name, instant(g.CreatedAt), term.Shorten(term.CleanLine(g.Description), 50),
			strings.Join(secretNames(g), ", "), strings.Join(g.Skills, ", "), g.BaseModel, g.EnvironmentId, term.Shorten(term.CleanLine(g.Prompt), 50)})
	}
	if err := a.printList(l); err != nil {
		return err
	}
	if hidden > 0 {
		fmt.Fprintf(a.Stderr, "%d unavailable: the team has more agents than the server allows.\n", hidden)
	}
	return nil
}

func secretNames(g api.AgentResponse) []string {
	names := make([]string, len(g.Secrets))
	for i, s := range g.Secrets {
		names[i] = s.Name
	}
	return names
}

// printAgent shows the agent in a server's answer, which programs get as it came.
func (a *app) printAgent(raw rawJSON, jq filter) error {
	if jq.code != nil || a.settings.format.machine() {
		return passThrough(a, jq)(raw, nil)
	}
	var g api.AgentResponse
	if err := json.Unmarshal(raw, &g); err != nil {
		return err
	}
	return a.printFields([]field{{"UID", g.Uid}, {"Name", g.Name}, {"Available", yesNo(g.Available)}, {"Created", instant(g.CreatedAt)},
		{"Description", g.Description}, {"Secrets", strings.Join(secretNames(g), ", ")}, {"Skills", strings.Join(g.Skills, ", ")},
		{"Base model", g.BaseModel}, {"Harness", string(g.Harness.Type)}, {"Environment", g.EnvironmentId}, {"Host", g.WorkerHost},
		{"Credential strategy", string(g.CredentialStrategy)}, {"On behalf of others", yesNo(g.OnBehalfOfEnabled)}, {"Prompt", g.Prompt}})
}

func (a *app) agentGetCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "get UID", Short: "Show one agent", Args: arguments(1, 1)}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		raw, err := readRaw(cl.API().GetAgentIdentity(cmd.Context(), args[0]))
		if err != nil {
			return err
		}
		return a.printAgent(raw, jq)
	})
}

// newAgent is what agent create asks for.
type newAgent struct {
	req      api.CreateAgentRequest
	secrets  []string
	strategy api.CredentialStrategy
}

var strategyWords = map[string]api.CredentialStrategy{"creator": api.CredentialStrategyCREATOR, "executor": api.CredentialStrategyEXECUTOR}

const strategyHelp = "`whose` identity its runs have towards code hosts: creator or executor"

func (a *app) agentCreateCommand() *cobra.Command {
	var n newAgent
	var jq filter
	c := &cobra.Command{Use: "create", Short: "Create an agent of your team",
		Long: `Creates an identity that runs, schedules and API keys of your team can act as. What its runs do not say
themselves they get from it.`,
		Example: `  cadre agent create --name reviewer --prompt "Be strict about tests." --skill acme/tools:review
  cadre agent create --name nightly --environment ENV_ID --secret REGISTRY_TOKEN --host build-1`}
	fs := c.Flags()
	fs.StringVarP(&n.req.Name, "name", "n", "", "`name`, of which a team has no two (required)")
	fs.StringVar(&n.req.Description, "description", "", "`text` about it")
	fs.StringVar(&n.req.Prompt, "prompt", "", "standing `instructions` of its runs")
	fs.StringArrayVar(&n.secrets, "secret", nil, "`name` of a secret its runs get (repeatable)")
	fs.StringArrayVar(&n.req.Skills, "skill", nil, "skill `spec` its runs have (repeatable)")
	fs.StringVar(&n.req.BaseModel, "base-model", "", "`model` of its runs, see 'model list'")
	fs.StringVarP(&n.req.EnvironmentId, "environment", "e", "", "environment `id` of its runs, see 'environment list'")
	fs.StringVar(&n.req.WorkerHost, "host", "", "worker `host` of its runs")
	fs.Var(choice[api.CredentialStrategy]{to: &n.strategy, all: strategyWords}, "credential-strategy", strategyHelp)
	fs.BoolVar(&n.req.OnBehalfOfEnabled, "on-behalf-of", false, "let its keys start runs for people of the team; for admins")
	jqFlag(c, &jq)
	_ = c.MarkFlagRequired("name") // fails for an unknown flag only
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		n.req.CredentialStrategy = n.strategy
		for _, name := range n.secrets {
			n.req.Secrets = append(n.req.Secrets, api.SecretRef{Name: name})
		}
		raw, err := readRaw(cl.API().CreateAgentIdentity(cmd.Context(), n.req))
		if err != nil {
			return err
		}
		return a.printAgent(raw, jq)
	})
}

func (a *app) agentDeleteCommand() *cobra.Command {
	c := &cobra.Command{Use: "delete UID", Short: "Delete an agent, and its API keys with it", Args: arguments(1, 1)}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		if err := cl.DeleteAgent(cmd.Context(), args[0]); err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(map[string]any{"uid": args[0], "deleted": true})
		}
		_, err = fmt.Fprintf(a.Stdout, "Agent %s deleted\n", term.CleanLine(args[0]))
		return err
	})
}

// agentChange is what agent update asks for. Every member has a flag that sets it and one that removes
// it, so that an empty value means neither by accident.
type agentChange struct {
	name                            string
	addSecrets, removeSecrets       []string
	addSkills, removeSkills         []string
	removeAllSecrets, dropAllSkills bool
	strategy                        api.CredentialStrategy
	onBehalfOf                      bool
}

// settable are the texts of an agent that update sets and removes.
var settable = []struct {
	flag, short, remove, usage string
	member                     func(*api.UpdateAgentRequest) **string
}{
	{"description", "", "remove-description", "`text` about it", func(r *api.UpdateAgentRequest) **string { return &r.Description }},
	{"prompt", "", "remove-prompt", "standing `instructions` of its runs", func(r *api.UpdateAgentRequest) **string { return &r.Prompt }},
	{"base-model", "", "remove-base-model", "`model` of its runs", func(r *api.UpdateAgentRequest) **string { return &r.BaseModel }},
	{"environment", "e", "remove-environment", "environment `id` of its runs", func(r *api.UpdateAgentRequest) **string { return &r.EnvironmentId }},
	{"host", "", "remove-host", "worker `host` of its runs", func(r *api.UpdateAgentRequest) **string { return &r.WorkerHost }},
}

func (f *agentChange) register(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVarP(&f.name, "name", "n", "", "new `name`")
	for _, s := range settable {
		fs.StringP(s.flag, s.short, "", s.usage)
		fs.Bool(s.remove, false, "remove it")
		c.MarkFlagsMutuallyExclusive(s.flag, s.remove)
	}
	fs.StringArrayVar(&f.addSecrets, "add-secret", nil, "`name` of one more secret (repeatable)")
	fs.StringArrayVar(&f.removeSecrets, "remove-secret", nil, "`name` of a secret to remove (repeatable)")
	fs.BoolVar(&f.removeAllSecrets, "remove-all-secrets", false, "remove every secret")
	fs.StringArrayVar(&f.addSkills, "add-skill", nil, "one more skill `spec` (repeatable)")
	fs.StringArrayVar(&f.removeSkills, "remove-skill", nil, "skill `spec` to remove (repeatable)")
	fs.BoolVar(&f.dropAllSkills, "remove-all-skills", false, "remove every skill")
	for _, kind := range []string{"secret", "skill"} {
		c.MarkFlagsMutuallyExclusive("remove-all-"+kind+"s", "remove-"+kind)
	}
	fs.Var(choice[api.CredentialStrategy]{to: &f.strategy, all: strategyWords}, "credential-strategy", strategyHelp)
	fs.BoolVar(&f.onBehalfOf, "on-behalf-of", false, "let its keys start runs for people of the team; =false to stop")
}

func (a *app) agentUpdateCommand() *cobra.Command {
	var f agentChange
	var jq filter
	c := &cobra.Command{Use: "update UID", Short: "Change an agent", Args: arguments(1, 1),
		Long: `What is not named stays as it is. Runs that exist keep what they were made with.`,
		Example: `  cadre agent update AGENT_UID --prompt "Be kind." --add-skill lint --remove-skill old
  cadre agent update AGENT_UID --remove-environment --remove-all-secrets`}
	f.register(c)
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		req, err := a.agentUpdate(cmd, args[0], f)
		if err != nil {
			return err
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		raw, err := readRaw(cl.API().UpdateAgentIdentity(cmd.Context(), args[0], req))
		if err != nil {
			return err
		}
		return a.printAgent(raw, jq)
	})
}

// agentUpdate is the request for a change; lists are read first where only a part of them changes.
func (a *app) agentUpdate(cmd *cobra.Command, uid string, f agentChange) (api.UpdateAgentRequest, error) {
	var req api.UpdateAgentRequest
	fs := cmd.Flags()
	if fs.Changed("name") {
		req.Name = &f.name
	}
	for _, s := range settable {
		if text, err := fs.GetString(s.flag); err == nil && fs.Changed(s.flag) {
			*s.member(&req) = &text
		}
		if gone, err := fs.GetBool(s.remove); err == nil && gone {
			*s.member(&req) = new(string)
		}
	}
	if f.strategy != "" {
		req.CredentialStrategy = &f.strategy
	}
	if fs.Changed("on-behalf-of") {
		req.OnBehalfOfEnabled = &f.onBehalfOf
	}
	if err := a.mergeLists(cmd.Context(), uid, f, &req); err != nil {
		return req, err
	}
	if req == (api.UpdateAgentRequest{}) {
		return req, usagef("say what to change: see 'cadre agent update --help'")
	}
	return req, nil
}

func (a *app) mergeLists(ctx context.Context, uid string, f agentChange, req *api.UpdateAgentRequest) error {
	secrets := f.removeAllSecrets || len(f.addSecrets)+len(f.removeSecrets) > 0
	skills := f.dropAllSkills || len(f.addSkills)+len(f.removeSkills) > 0
	if !secrets && !skills {
		return nil
	}
	cl, err := a.client()
	if err != nil {
		return err
	}
	now, err := cl.Agent(ctx, uid)
	if err != nil {
		return err
	}
	if secrets {
		refs := []api.SecretRef{}
		for _, name := range merge(secretNames(now), f.addSecrets, f.removeSecrets, f.removeAllSecrets) {
			refs = append(refs, api.SecretRef{Name: name})
		}
		req.Secrets = &refs
	}
	if skills {
		list := merge(now.Skills, f.addSkills, f.removeSkills, f.dropAllSkills)
		req.Skills = &list
	}
	return nil
}

// merge is a list without what is removed from it, or without all it had, and with what is added.
func merge(have, add, remove []string, all bool) []string {
	out := []string{}
	if !all {
		out = append(out, have...)
	}
	out = slices.DeleteFunc(out, func(s string) bool { return slices.Contains(remove, s) })
	for _, s := range add {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
