package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) runApproveCommand() *cobra.Command {
	var request, note string
	var deny, always bool
	c := &cobra.Command{Use: "approve RUN_ID", Short: "Allow or deny what a run asks permission for", Args: oneRun,
		Long: "Decides the oldest open permission request or plan of a run, or the one named by --request.",
		Example: `  cadre run approve RUN_ID
  cadre run approve RUN_ID --always
  cadre run approve RUN_ID --deny --note "use a branch instead"`}
	fs := c.Flags()
	fs.StringVar(&request, "request", "", "`id` of the request (default: the oldest open one)")
	fs.BoolVar(&deny, "deny", false, "deny it")
	fs.BoolVar(&always, "always", false, "allow it and everything alike for the rest of the run")
	fs.StringVar(&note, "note", "", "`words` for the agent")
	c.MarkFlagsMutuallyExclusive("deny", "always")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		req := api.AnswerRequest{Decision: api.AnswerDecisionAllow, Text: note}
		did := "Allowed."
		switch {
		case deny:
			req.Decision, did = api.AnswerDecisionDeny, "Denied."
		case always:
			req.Decision, did = api.AnswerDecisionAllowAlways, "Allowed, and everything alike."
		}
		return a.answer(cmd.Context(), args[0], request, did, req, api.RequestKindPermission, api.RequestKindPlan)
	})
}

func (a *app) runAnswerCommand() *cobra.Command {
	var request, text string
	var choices []string
	c := &cobra.Command{Use: "answer RUN_ID [TEXT...]", Short: "Answer a question a run asks", Args: arguments(1, -1),
		Long: "Answers the oldest open question of a run, or the one named by --request, by choosing options, by words, or both.",
		Example: `  cadre run answer RUN_ID --choice staging
  cadre run answer RUN_ID "the second one, but keep the tests"`}
	fs := c.Flags()
	fs.StringVar(&request, "request", "", "`id` of the request (default: the oldest open question)")
	fs.StringArrayVar(&choices, "choice", nil, "an `option` of the question (repeatable where it allows several)")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			var err error
			if text, err = a.message(args[1:]); err != nil {
				return err
			}
		}
		if text == "" && len(choices) == 0 {
			return usagef("give --choice, words, or both")
		}
		return a.answer(cmd.Context(), args[0], request, "Answered.", api.AnswerRequest{Choices: choices, Text: text}, api.RequestKindQuestion)
	})
}

// answer decides a request of a run; without an id, the oldest open one of the given kinds.
func (a *app) answer(ctx context.Context, runID, requestID, did string, req api.AnswerRequest, kinds ...api.RequestKind) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	if requestID == "" {
		asked, err := openRequest(ctx, cl, runID, kinds)
		if err != nil {
			return err
		}
		requestID = asked.Id
		if !a.settings.format.machine() { // what was decided, in case it is not what was meant
			fmt.Fprintln(a.Stdout, askedLine(asked))
		}
	}
	ack, err := cl.Answer(ctx, runID, requestID, req)
	return a.printAck(runID, did, ack, err)
}

// askedLine is what a run asks, on one line.
func askedLine(r api.RunRequest) string {
	const most = 300
	line := []rune(term.CleanLine(r.Prompt))
	if len(line) > most {
		return string(line[:most]) + "…"
	}
	return string(line)
}

// openRequest is the oldest open request of the given kinds.
func openRequest(ctx context.Context, cl *client.Client, runID string, kinds []api.RequestKind) (api.RunRequest, error) {
	requests, err := cl.Requests(ctx, runID)
	if err != nil {
		return api.RunRequest{}, err
	}
	other := ""
	for _, r := range requests {
		switch {
		case !r.Answer.AnsweredAt.IsZero():
		case slices.Contains(kinds, r.Kind):
			return r, nil
		default:
			other = string(r.Kind)
		}
	}
	if other != "" {
		return api.RunRequest{}, withHint(fmt.Errorf("run %s waits for an answer to a %s", runID, other),
			"permissions and plans are decided with 'cadre run approve', questions with 'cadre run answer'")
	}
	return api.RunRequest{}, fmt.Errorf("run %s asks nothing", runID)
}

// maxMessage bounds what is read as a message or prompt from standard input.
const maxMessage = 8 << 20

// message joins the words of a message; a single "-" reads standard input.
func (a *app) message(words []string) (string, error) {
	if len(words) != 1 || words[0] != "-" {
		return strings.Join(words, " "), nil
	}
	b, err := io.ReadAll(io.LimitReader(a.Stdin, maxMessage+1))
	if err != nil {
		return "", fmt.Errorf("read the message: %w", err)
	}
	if len(b) > maxMessage {
		return "", fmt.Errorf("the message is larger than %s", size(maxMessage))
	}
	return string(b), nil
}

// splitMode takes the mode from the front of a prompt.
func splitMode(text string) (string, api.RunMode) {
	if rest, ok := strings.CutPrefix(text, "/plan "); ok {
		return rest, api.RunModePlan
	}
	if rest, ok := strings.CutPrefix(text, "/orchestrate "); ok {
		return rest, api.RunModeOrchestrate
	}
	return text, api.RunModeNormal
}
