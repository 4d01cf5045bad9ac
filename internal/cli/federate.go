package cli

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) federateCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "federate", Short: "Prove to clouds and others which run this is, without stored keys",
		Long: `Works inside a run only: the server gives a run a signed token about itself, which a cloud that trusts
the server trades for access of its own. docs/federation.md shows what to set up there.`,
		Example: `  # in a run: a token for AWS, in a file its tools read
  cadre federate issue-token --audience sts.amazonaws.com --output-format text > "$AWS_WEB_IDENTITY_TOKEN_FILE"

  # in a run: whatever Google's tools need, as the command in their credential configuration
  cadre federate issue-gcp-token`},
		a.federateTokenCommand(), a.federateGCPCommand())
}

// tokenFlags are what both commands ask for.
type tokenFlags struct {
	runID    string
	audience string
	life     duration
}

func (f *tokenFlags) register(c *cobra.Command) {
	f.life = duration(time.Hour)
	c.Flags().StringVar(&f.runID, "run-id", "", "`id` of the run, which must be the one this is called in")
	fromEnv(c.Flags(), "run-id", "CADRE_RUN_ID", "OZ_RUN_ID")
	c.Flags().Var(&f.life, "duration", "`duration` the token holds, from 5m to 3h")
}

func (f *tokenFlags) request() api.IdentityTokenRequest {
	seconds := int(time.Duration(f.life).Seconds())
	return api.IdentityTokenRequest{Audience: f.audience, RequestedDurationSeconds: &seconds}
}

func (a *app) issueToken(cmd *cobra.Command, runID string, req api.IdentityTokenRequest) (api.IdentityTokenResponse, error) {
	if runID == "" {
		return api.IdentityTokenResponse{}, withHint(errors.New("which run is this? no --run-id is given"),
			"call it in a run, where CADRE_RUN_ID says so: only the run itself gets a token")
	}
	cl, err := a.client()
	if err != nil {
		return api.IdentityTokenResponse{}, err
	}
	token, err := cl.IssueIdentityToken(cmd.Context(), runID, req)
	if api.CodeOf(err) == api.PlatformErrorCodeNotAuthorized {
		err = withHint(err, "only the run itself gets a token, with the key it finds in its sandbox")
	}
	return token, err
}

func (a *app) federateTokenCommand() *cobra.Command {
	var f tokenFlags
	var template []api.SubjectComponent
	components := map[string]api.SubjectComponent{}
	for _, c := range []api.SubjectComponent{
		api.SubjectComponentPrincipal, api.SubjectComponentScopedPrincipal, api.SubjectComponentEmail,
		api.SubjectComponentTeams, api.SubjectComponentEnvironment, api.SubjectComponentAgentName,
		api.SubjectComponentSkillSpec, api.SubjectComponentRunId, api.SubjectComponentHost,
	} {
		components[string(c)] = c
	}
	subject := choice[api.SubjectComponent]{many: &template, all: components}
	c := &cobra.Command{Use: "issue-token", Short: "Get a token for an audience", Args: arguments(0, len(components)),
		Long: `Prints a JWT that says which run this is and who it acts as. Its subject is user:UID or
service_account:UID unless --subject-template names its parts, which are joined by colons.`,
		Example: `  cadre federate issue-token --audience sts.amazonaws.com --subject-template scoped_principal
  cadre federate issue-token --audience https://vault.example --duration 15m --subject-template teams environment`}
	f.register(c)
	c.Flags().StringVar(&f.audience, "audience", "", "who is to accept the token, as they call themselves")
	_ = c.MarkFlagRequired("audience")
	c.Flags().Var(subject, "subject-template", "`component` of the subject; several may follow: principal, scoped_principal, email, teams, environment, agent_name, skill_spec, run_id, host")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		for _, arg := range args { // what follows the first component, as the reference CLI reads it
			if len(template) == 0 {
				return usagef("unexpected argument %q", arg)
			}
			if err := subject.Set(arg); err != nil {
				return usagef("--subject-template: %w", err)
			}
		}
		req := f.request()
		req.SubjectTemplate = template
		token, err := a.issueToken(cmd, f.runID, req)
		if err != nil {
			return err
		}
		switch {
		case a.settings.format.machine():
			return a.printObject(token)
		case a.settings.format == formatText:
			_, err = fmt.Fprintln(a.Stdout, term.CleanLine(token.Token))
			return err
		}
		return a.printFields([]field{{"Token", token.Token}, {"Expires at", token.ExpiresAt.Format(time.RFC3339)}, {"Issuer", token.Issuer}})
	})
}

// The kinds of token that Google's tools ask an executable for and ours are.
var gcpTokenTypes = []string{"urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"}

// gcpAnswer is what Google's tools read from an executable.
type gcpAnswer struct {
	Version   int    `json:"version"`
	Success   bool   `json:"success"`
	TokenType string `json:"token_type,omitempty"`
	IDToken   string `json:"id_token,omitempty"`
	Expires   int64  `json:"expiration_time,omitempty"` // Unix seconds
	Code      string `json:"code,omitempty"`
	Message   string `json:"message,omitempty"`
}

func (a *app) federateGCPCommand() *cobra.Command {
	var f tokenFlags
	var tokenType, file string
	c := &cobra.Command{Use: "issue-gcp-token", Short: "Answer as an executable credential source of Google's tools",
		Long: `Put it as the command of an external account's credential configuration; Google's tools say by environment
variables what they want. It prints their JSON, errors to stderr.`}
	f.register(c)
	c.Flags().StringVar(&f.audience, "audience", "", "resource `name` of the workload identity provider")
	fromEnv(c.Flags(), "audience", "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE")
	c.Flags().StringVar(&tokenType, "token-type", gcpTokenTypes[0], "`kind` of token asked for")
	fromEnv(c.Flags(), "token-type", "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE")
	c.Flags().StringVar(&file, "output-file", "", "`file` to write the answer to as well, from which the tools take it until it expires")
	fromEnv(c.Flags(), "output-file", "GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		answer, err := a.gcpToken(cmd, f, tokenType)
		if err != nil {
			return a.refuseGCP(err)
		}
		b, err := marshal(answer)
		if err == nil && file != "" {
			err = writePrivate(file, b)
		}
		if err != nil {
			return a.refuseGCP(err)
		}
		_, err = fmt.Fprintf(a.Stdout, "%s\n", term.JSON(b))
		return err
	})
}

func (a *app) gcpToken(cmd *cobra.Command, f tokenFlags, tokenType string) (gcpAnswer, error) {
	if f.audience == "" {
		return gcpAnswer{}, errors.New("no --audience is given, and GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE is not set")
	}
	if !slices.Contains(gcpTokenTypes, tokenType) {
		return gcpAnswer{}, fmt.Errorf("tokens of type %q are not made here, only %s", tokenType, gcpTokenTypes[0])
	}
	token, err := a.issueToken(cmd, f.runID, f.request())
	if err != nil {
		return gcpAnswer{}, err
	}
	return gcpAnswer{Version: 1, Success: true, TokenType: tokenType, IDToken: token.Token, Expires: token.ExpiresAt.Unix()}, nil
}

// refuseGCP says what went wrong in the words of Google's tools.
func (a *app) refuseGCP(err error) error {
	answer := gcpAnswer{Version: 1, Code: "CLI_ERROR", Message: err.Error()}
	var f *api.Failure
	if errors.As(err, &f) {
		answer.Code = string(f.Code)
	}
	if b, e := marshal(answer); e == nil {
		fmt.Fprintf(a.Stderr, "%s\n", term.JSON(b))
	}
	return exitStatus(exitFailure)
}
