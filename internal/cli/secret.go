package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	outterm "github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) secretCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "secret", Aliases: []string{"secrets"}, Short: "Keep what runs need and nobody may read",
		Long: `A secret becomes an environment variable of the runs that get it, or a file whose path is in that variable.
Its value is sealed and never shown again. A team's secrets go into every run of the team, your own only into
runs that you start yourself.`,
		Example: `  printf %s "$TOKEN" | cadre secret create NPM_TOKEN
  cadre secret create KUBECONFIG --type file -f ~/.kube/config --team
  cadre secret create claude api-key ANTHROPIC --personal
  cadre secret uses NPM_TOKEN`},
		a.secretCreateCommand(), a.secretUpdateCommand(), a.secretDeleteCommand(), a.secretListCommand(), a.secretUsesCommand(),
		a.masterKeyCommand(), a.rotateMasterKeyCommand(), a.newMasterKeyCommand())
}

// maxSecret bounds what is read as a value; the server's own bound is lower.
const maxSecret = 1 << 20

var secretTypes = map[string]api.SecretType{
	"raw-value": api.SecretTypeRAWVALUE, "file": api.SecretTypeFILE, "anthropic-api-key": api.SecretTypeANTHROPICAPIKEY,
	"openai-api-key": api.SecretTypeOPENAIAPIKEY,
}

// newSecret is what the commands that create one have in common.
type newSecret struct {
	req   api.CreateSecretRequest
	file  string
	scope scopeFlags
}

func (n *newSecret) register(c *cobra.Command) {
	c.Flags().StringVarP(&n.req.Description, "description", "d", "", "what it is for, at most 240 characters")
	n.scope.register(c)
}

func (n *newSecret) registerFile(c *cobra.Command) {
	c.Flags().StringVarP(&n.file, "value-file", "f", "", "read the value from `path` (default: standard input, or a hidden prompt)")
}

func (a *app) secretCreateCommand() *cobra.Command {
	n := &newSecret{req: api.CreateSecretRequest{Type: api.SecretTypeRAWVALUE}}
	c := &cobra.Command{Use: "create NAME", Short: "Store a secret", Args: arguments(1, 1),
		Long: `The value is read from a file, from standard input, or asked for without showing it. The end of its last line
is left out, but not of a file's. 'create claude' and 'create codex' store keys of model vendors.`,
		Example: `  cadre secret create NPM_TOKEN -d "reads our registry"
  cadre secret create DEPLOY_KEY --type file -f id_ed25519 --personal`}
	c.Flags().VarP(choice[api.SecretType]{to: &n.req.Type, all: secretTypes}, "type", "t", "`what` it holds: raw-value, file, anthropic-api-key or openai-api-key (default raw-value)")
	n.registerFile(c)
	c.Flags().StringVar(&n.req.FileName, "file-name", "", "`name` of the file that a secret of type file becomes (default: its own name)")
	n.register(c)
	create := a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		value, err := a.secretValue(n.file, n.req.Type, "Value of "+args[0]+": ")
		if err != nil {
			return err
		}
		n.req.Value = value
		return a.createSecret(cmd.Context(), args[0], n)
	})
	create.AddCommand(
		a.newGroup(&cobra.Command{Use: "claude", Short: "Store a key for Anthropic's models"},
			a.secretKeyCommand("api-key", api.SecretTypeANTHROPICAPIKEY), a.bedrockKeyCommand(), a.bedrockAccessCommand()),
		a.newGroup(&cobra.Command{Use: "codex", Short: "Store a key for OpenAI's models"}, a.secretKeyCommand("api-key", api.SecretTypeOPENAIAPIKEY)))
	return create
}

// secretKeyCommand stores a single key of a vendor.
func (a *app) secretKeyCommand(use string, t api.SecretType) *cobra.Command {
	n := &newSecret{req: api.CreateSecretRequest{Type: t}}
	var base string
	c := &cobra.Command{Use: use + " NAME", Short: "Store an API key", Args: arguments(1, 1),
		Long: "The model gateway pays the calls of runs that name it; no sandbox gets it."}
	n.registerFile(c)
	if t == api.SecretTypeOPENAIAPIKEY {
		c.Flags().StringVar(&base, "base-url", "", "`URL` of the endpoint the key is for (default: the vendor's own)")
	}
	n.register(c)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		value, err := a.secretValue(n.file, t, "API key: ")
		if err != nil {
			return err
		}
		n.req.Value = value
		n.req.Value.BaseUrl = base
		return a.createSecret(cmd.Context(), args[0], n)
	})
}

func (a *app) bedrockKeyCommand() *cobra.Command {
	n := &newSecret{req: api.CreateSecretRequest{Type: api.SecretTypeANTHROPICBEDROCKAPIKEY}}
	v := &n.req.Value
	c := &cobra.Command{Use: "bedrock-api-key NAME", Short: "Store an API key of Amazon Bedrock", Args: arguments(1, 1),
		Long: "What is not given is asked for, the key without showing it. On the command line others on this machine can see it."}
	c.Flags().StringVar(&v.AwsBearerTokenBedrock, "bedrock-api-key", "", "the `key`")
	c.Flags().StringVar(&v.AwsRegion, "region", "", "AWS `region`")
	n.register(c)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		if err := a.askRest(asked{&v.AwsBearerTokenBedrock, "Bedrock API key: ", true}, asked{&v.AwsRegion, "Region: ", false}); err != nil {
			return err
		}
		return a.createSecret(cmd.Context(), args[0], n)
	})
}

func (a *app) bedrockAccessCommand() *cobra.Command {
	n := &newSecret{req: api.CreateSecretRequest{Type: api.SecretTypeANTHROPICBEDROCKACCESSKEY}}
	v := &n.req.Value
	c := &cobra.Command{Use: "bedrock-access-key NAME", Short: "Store an AWS access key for Amazon Bedrock", Args: arguments(1, 1),
		Long: "What is not given is asked for, keys without showing them. On the command line others on this machine can see them."}
	c.Flags().StringVar(&v.AwsAccessKeyId, "access-key-id", "", "`id` of the access key")
	c.Flags().StringVar(&v.AwsSecretAccessKey, "secret-access-key", "", "the `key` itself")
	c.Flags().StringVar(&v.AwsSessionToken, "session-token", "", "`token` of a temporary key")
	c.Flags().StringVar(&v.AwsRegion, "region", "", "AWS `region`")
	n.register(c)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		err := a.askRest(asked{&v.AwsAccessKeyId, "Access key ID: ", false}, asked{&v.AwsSecretAccessKey, "Secret access key: ", true}, asked{&v.AwsRegion, "Region: ", false})
		if err != nil {
			return err
		}
		return a.createSecret(cmd.Context(), args[0], n)
	})
}

// asked is a member to be asked for unless it was given.
type asked struct {
	to     *string
	prompt string
	hidden bool
}

// askRest asks for what was not given: on a terminal, else line by line from standard input.
func (a *app) askRest(members ...asked) error {
	lines := bufio.NewReader(io.LimitReader(a.Stdin, maxSecret))
	f, ok := a.Stdin.(*os.File)
	for _, m := range members {
		if *m.to != "" {
			continue
		}
		if ok && a.terminal(f) && m.hidden {
			text, err := a.askSecret(m.prompt)
			if err != nil {
				return err
			}
			*m.to = text
			continue
		}
		if ok && a.terminal(f) {
			fmt.Fprint(a.Stderr, m.prompt)
		}
		line, err := lines.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read standard input: %w", err)
		}
		if *m.to = strings.TrimSpace(line); *m.to == "" {
			return usagef("%s nothing was given", m.prompt)
		}
	}
	return nil
}

// secretValue reads a value of a type from a file, standard input or a hidden prompt.
func (a *app) secretValue(path string, t api.SecretType, prompt string) (api.SecretValue, error) {
	b, err := a.readSecret(path, prompt)
	if err != nil {
		return api.SecretValue{}, err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch t {
	case api.SecretTypeFILE:
		return api.SecretValue{Data: b}, nil
	case api.SecretTypeRAWVALUE:
		return api.SecretValue{Value: text}, nil
	}
	return api.SecretValue{ApiKey: strings.TrimSpace(text)}, nil
}

func (a *app) readSecret(path, prompt string) ([]byte, error) {
	from := a.Stdin
	f, ok := from.(*os.File)
	switch {
	case path != "" && path != "-":
		opened, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		from = opened
	case ok && a.terminal(f):
		fmt.Fprint(a.Stderr, prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.Stderr)
		return b, err
	}
	b, err := io.ReadAll(io.LimitReader(from, maxSecret+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the value: %w", err)
	case len(b) == 0:
		return nil, usagef("no value: write it to standard input, or name its file with --value-file")
	case len(b) > maxSecret:
		return nil, usagef("the value is larger than %s", size(maxSecret))
	}
	return b, nil
}

func (a *app) createSecret(ctx context.Context, name string, n *newSecret) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	n.req.Name, n.req.Team = name, n.scope.value()
	s, err := cl.CreateSecret(ctx, n.req)
	return a.secretDone(s, "created", err)
}

func (a *app) secretDone(s api.Secret, did string, err error) error {
	if err != nil {
		return err
	}
	if a.settings.format.machine() {
		return a.printObject(newSecretInfo(s))
	}
	_, err = fmt.Fprintf(a.Stdout, "Secret '%s' %s\n", outterm.CleanLine(s.Name), did)
	return err
}

// secretInfo is the CLI's JSON shape of a secret.
type secretInfo struct {
	UID         string    `json:"uid"`
	Name        string    `json:"name"`
	Scope       string    `json:"scope"`
	Type        string    `json:"type"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
}

func newSecretInfo(s api.Secret) secretInfo {
	scope := "team"
	if s.Scope.Type == api.ScopeTypeUser {
		scope = "personal"
	}
	return secretInfo{s.Uid, s.Name, scope, strings.ReplaceAll(strings.ToLower(string(s.Type)), "_", "-"), s.Description,
		s.CreatedAt.UTC(), s.ValueUpdatedAt.UTC()}
}

func (a *app) secretListCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "list", Short: "List secrets, never their values"}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		secrets, err := cl.Secrets(cmd.Context())
		if err != nil {
			return err
		}
		infos := make([]secretInfo, 0, len(secrets))
		for _, s := range secrets {
			infos = append(infos, newSecretInfo(s))
		}
		return a.printListFiltered(listOf(infos, "No secrets found.", []string{"Name", "Scope", "Type", "Created", "Updated", "Description"}, func(s secretInfo) []string {
			return []string{s.Name, s.Scope, s.Type, s.Created.Format(time.RFC3339), s.Updated.Format(time.RFC3339), s.Description}
		}), jq)
	})
}

// findSecret finds a secret by its name: the team's or one's own.
func findSecret(ctx context.Context, cl *client.Client, name string, scope scopeFlags) (api.Secret, error) {
	list, err := cl.Secrets(ctx)
	if err != nil {
		return api.Secret{}, err
	}
	var found []api.Secret
	for _, s := range list {
		own := s.Scope.Type == api.ScopeTypeUser
		if s.Name == name && (scope.value() == nil || *scope.value() != own) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return api.Secret{}, withHint(fmt.Errorf("no secret %q", name), "cadre secret list shows those there are")
	case 1:
		return found[0], nil
	}
	return api.Secret{}, usagef("the team has a secret %s and so do you: add --team or --personal", name)
}

func (a *app) secretUpdateCommand() *cobra.Command {
	var scope scopeFlags
	var file, description string
	var ask bool
	c := &cobra.Command{Use: "update NAME", Short: "Change a secret's value or description", Args: arguments(1, 1),
		Long: "The next execution of any run gets the new value. Keys of Amazon Bedrock are deleted and created anew.",
		Example: `  cadre secret update NPM_TOKEN --value
  cadre secret update NPM_TOKEN -f token.txt`}
	fs := c.Flags()
	fs.BoolVar(&ask, "value", false, "ask for the new value without showing it, or read it from standard input")
	fs.StringVarP(&file, "value-file", "f", "", "read the new value from `path`")
	fs.StringVarP(&description, "description", "d", "", "what it is for; empty clears it")
	scope.register(c)
	c.MarkFlagsMutuallyExclusive("value", "value-file")
	c.MarkFlagsOneRequired("value", "value-file", "description")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		s, err := findSecret(cmd.Context(), cl, args[0], scope)
		if err != nil {
			return err
		}
		var req api.UpdateSecretRequest
		if fs.Changed("description") {
			req.Description = &description
		}
		if ask || file != "" {
			if req.Value, err = a.secretValue(file, s.Type, "New value of "+args[0]+": "); err != nil {
				return err
			}
		}
		s, err = cl.UpdateSecret(cmd.Context(), s.Uid, req)
		return a.secretDone(s, "updated", err)
	})
}

func (a *app) secretDeleteCommand() *cobra.Command {
	var scope scopeFlags
	var force bool
	c := &cobra.Command{Use: "delete NAME", Short: "Delete a secret", Args: arguments(1, 1)}
	forceFlag(c, &force)
	scope.register(c)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		s, err := findSecret(cmd.Context(), cl, args[0], scope)
		if err != nil {
			return err
		}
		if ok, err := a.confirmed(force, fmt.Sprintf("Delete the %s secret '%s'?", newSecretInfo(s).Scope, s.Name)); err != nil || !ok {
			return err
		}
		return a.secretDone(s, "deleted", cl.DeleteSecret(cmd.Context(), s.Uid))
	})
}

func (a *app) secretUsesCommand() *cobra.Command {
	var scope scopeFlags
	var jq filter
	limit := 50
	c := &cobra.Command{Use: "uses NAME", Short: "Show which runs received a secret, latest first", Args: arguments(1, 1)}
	c.Flags().IntVar(&limit, "limit", limit, "how many to show, at most 500")
	scope.register(c)
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		s, err := findSecret(cmd.Context(), cl, args[0], scope)
		if err != nil {
			return err
		}
		page, err := cl.SecretUses(cmd.Context(), s.Uid, "", limit)
		if err != nil {
			return err
		}
		return a.printListFiltered(listOf(page.Uses, "No run received it yet.", []string{"Run", "Execution", "Phase", "At"}, func(u api.SecretUse) []string {
			return []string{u.RunId, strconv.Itoa(u.Execution), string(u.Phase), u.At.UTC().Format(time.RFC3339)}
		}), jq)
	})
}
