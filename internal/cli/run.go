package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
)

func (a *app) runCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{
		Use:     "run",
		Aliases: []string{"task"},
		Short:   "List, watch, steer and inspect runs",
		Long: `A run is one piece of work given to an agent. It keeps its prompt, conversation, artifacts and cost
whatever happens to the machines that carry it out.`,
		Example: `  cadre run list --state in-progress
  cadre run follow RUN_ID
  cadre run send RUN_ID "also update the changelog"`,
	},
		a.runListCommand(), a.runGetCommand(), a.runFollowCommand(), a.runSendCommand(),
		a.runApproveCommand(), a.runAnswerCommand(), a.runInterruptCommand(), a.runCancelCommand(),
		a.runConversationCommand(), a.runTranscriptCommand(), a.runOutputCommand(), a.runArtifactsCommand(),
		a.runTimelineCommand(), a.runUsageCommand(), a.runMessageCommand(),
		a.runForkCommand(), a.runRetryCommand(), a.runArchiveCommand(), a.runUnarchiveCommand(), a.runDeleteCommand())
}

// oneRun is the argument of commands about one run.
func oneRun(_ *cobra.Command, args []string) error {
	if len(args) != 1 || strings.TrimSpace(args[0]) == "" {
		return usagef("give one run id")
	}
	return nil
}

// arguments wants from least to most arguments, or any number from least on when most is negative, and
// else says how the command is written.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usagef("write: %s", c.UseLine())
		}
		return nil
	}
}

func jqFlag(c *cobra.Command, f *filter) {
	c.Flags().Var(f, "jq", "print what this jq `filter` makes of the JSON answer")
}

func (a *app) runGetCommand() *cobra.Command {
	var conversation bool
	var jq filter
	c := &cobra.Command{Use: "get RUN_ID", Short: "Show one run", Args: oneRun,
		Example: "  cadre run get RUN_ID\n  cadre run get RUN_ID --jq .state"}
	c.Flags().BoolVar(&conversation, "conversation", false, "print the run's conversation instead (JSON)")
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		switch {
		case conversation:
			return passThrough(a, jq)(readRaw(cl.API().GetRunConversation(ctx, args[0])))
		case jq.code != nil || a.settings.format.machine():
			return passThrough(a, jq)(readRaw(cl.API().GetRun(ctx, args[0])))
		}
		r, err := cl.GetRun(ctx, args[0])
		if err != nil {
			return err
		}
		if err := a.printRun(cl, r); err != nil || r.State != api.RunStateBLOCKED {
			return err
		}
		return a.printAsked(ctx, cl, r.RunId)
	})
}

func (a *app) runConversationCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "conversation RUN_ID", Short: "Print the conversation of a run as JSON",
		Long:    "Prints steps, messages and blocks in the normalised form of the API. 'conversation get' takes a conversation's id instead of a run's.",
		Example: "  cadre run conversation RUN_ID\n  cadre run conversation get CONVERSATION_ID", Args: oneRun}
	jqFlag(c, &jq)
	c = a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		return passThrough(a, jq)(readRaw(cl.API().GetRunConversation(cmd.Context(), args[0])))
	})
	var getJQ filter
	get := &cobra.Command{Use: "get CONVERSATION_ID", Short: "Print a conversation as JSON", Args: arguments(1, 1)}
	jqFlag(get, &getJQ)
	c.AddCommand(a.newCommand(get, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		return passThrough(a, getJQ)(readRaw(cl.API().GetConversation(cmd.Context(), args[0])))
	}))
	return c
}

// printAck says what a steering command did.
func (a *app) printAck(runID, did string, ack api.Acknowledgement, err error) error {
	if err != nil {
		return err
	}
	if a.settings.format.machine() {
		ack.RunId = firstNonEmpty(ack.RunId, runID)
		return a.printObject(ack)
	}
	state := ""
	if ack.State != "" {
		state = fmt.Sprintf(" The run is %s.", ack.State)
	}
	_, err = fmt.Fprintf(a.Stdout, "%s%s\n", did, state)
	return err
}

func (a *app) runCancelCommand() *cobra.Command {
	c := &cobra.Command{Use: "cancel RUN_ID", Short: "End a run and kill its processes", Args: oneRun}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		err = cl.CancelRun(cmd.Context(), args[0])
		return a.printAck(args[0], "Cancelled.", api.Acknowledgement{State: api.RunStateCANCELLED}, err)
	})
}

func (a *app) runInterruptCommand() *cobra.Command {
	c := &cobra.Command{Use: "interrupt RUN_ID", Short: "Stop the current turn and keep the run", Args: oneRun,
		Long: "The agent's turn ends where it is. The run then waits for 'cadre run send'."}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		ack, err := cl.Interrupt(cmd.Context(), args[0])
		return a.printAck(args[0], "Interrupted.", ack, err)
	})
}

func (a *app) runSendCommand() *cobra.Command {
	var follow bool
	c := &cobra.Command{Use: "send RUN_ID MESSAGE...", Short: "Say something to a run",
		Long: `A waiting run keeps the message for its start, a working one receives it after its current step, an
ended one starts again with it. "-" as the message reads standard input.`,
		Example: "  cadre run send RUN_ID \"use the other branch\"\n  git diff | cadre run send RUN_ID -",
		Args:    arguments(2, -1)}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "then watch the session")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		text, err := a.message(args[1:])
		if err != nil {
			return err
		}
		run, err := cl.GetRun(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		req := api.RunFollowupRequest{}
		req.Message, req.Mode = splitMode(text)
		ack, err := cl.FollowUp(cmd.Context(), args[0], req)
		if err != nil || !follow {
			return a.printAck(args[0], "Sent.", ack, err)
		}
		return a.follow(cmd.Context(), cl, followOptions{runID: args[0], after: run.LastSeq})
	})
}

func (a *app) runTranscriptCommand() *cobra.Command {
	var out string
	c := &cobra.Command{Use: "transcript RUN_ID", Short: "Download the raw transcript of a run", Args: oneRun,
		Example: "  cadre run transcript RUN_ID --out run.json"}
	c.Flags().StringVarP(&out, "out", "o", "", "`file` to write (default: standard output)")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		return a.download(out, args[0]+"-transcript.json", func(w writer) error {
			_, err := cl.DownloadTranscript(cmd.Context(), args[0], w)
			return err
		})
	})
}

// runLink is where a person sees a run: the server's own word for it, else its usual place.
func runLink(c *client.Client, r api.RunItem) string {
	return firstNonEmpty(r.SessionLink, c.RunURL(r.RunId))
}
