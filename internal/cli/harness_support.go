package cli

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// harnessSupportCommand is for agents in sandboxes and scripts beside them: people have no use for it, so
// that it is not in the list of commands.
func (a *app) harnessSupportCommand() *cobra.Command {
	var runID string
	c := &cobra.Command{Use: "harness-support", Short: "Report from inside a run", Hidden: true,
		Long: `For an agent in a sandbox, whatever program it is, and for scripts beside one: what they call shows in the
run at once. In a run everything that is needed is in the environment: CADRE_CLI (also OZ_CLI) is this
program, CADRE_RUN_ID the run, and the key the run's own.`,
		Example: `  # in a run
  $OZ_CLI harness-support report-artifact pull-request --url https://github.com/acme/backend/pull/42 --branch fix-login
  $OZ_CLI harness-support notify-user --message "The migration needs a maintenance window."
  $OZ_CLI harness-support finish-task --status success --summary "Fixed the login and added a test."

  # after the agent of a local run has died, with a key of your own
  cadre harness-support --run-id RUN_ID report-shutdown --error-category process_exit --error-message "exit status 1"`}
	c.PersistentFlags().StringVar(&runID, "run-id", "", "`id` of the run that is spoken for")
	fromEnv(c.PersistentFlags(), "run-id", "CADRE_RUN_ID", "OZ_RUN_ID")
	speak := func() (client.Speaker, error) {
		if runID == "" {
			return client.Speaker{}, withHint(errors.New("which run is this? no --run-id is given"), "in a run CADRE_RUN_ID says so")
		}
		cl, err := a.client()
		if err != nil {
			return client.Speaker{}, err
		}
		return cl.SpeakFor(runID), nil
	}
	return a.newGroup(c, a.supportPingCommand(&runID), a.supportArtifactCommand(speak), a.supportReferenceCommand(speak, "report-external-reference"),
		a.supportNotifyCommand(speak), a.supportFinishCommand(speak), a.supportShutdownCommand(speak))
}

// speakFunc finds who is spoken for, once flags and environment are read.
type speakFunc func() (client.Speaker, error)

func (a *app) supportPingCommand(runID *string) *cobra.Command {
	return a.newCommand(&cobra.Command{Use: "ping", Short: "Show the run as JSON, to try that it can be reached", Hidden: true},
		func(cmd *cobra.Command, _ []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			if *runID == "" {
				return withHint(errors.New("which run is this? no --run-id is given"), "in a run CADRE_RUN_ID says so")
			}
			return passThrough(a, filter{})(readRaw(cl.API().GetRun(cmd.Context(), *runID)))
		})
}

func (a *app) supportArtifactCommand(speak speakFunc) *cobra.Command {
	var url, branch string
	pull := &cobra.Command{Use: "pull-request", Short: "List a pull request on the run",
		Example: "  $OZ_CLI harness-support report-artifact pull-request --url https://github.com/acme/backend/pull/42 --branch fix-login"}
	pull.Flags().StringVar(&url, "url", "", "`URL` of the pull request")
	pull.Flags().StringVar(&branch, "branch", "", "its `branch`")
	a.newCommand(pull, func(cmd *cobra.Command, _ []string) error {
		if url == "" || branch == "" {
			return usagef("give --url and --branch")
		}
		return a.reported(cmd, speak, api.ReportedArtifact{ArtifactType: api.ArtifactTypePULLREQUEST, Data: api.ArtifactData{Url: url, Branch: branch}})
	})
	return a.newGroup(&cobra.Command{Use: "report-artifact", Short: "List something made outside of the sandbox on the run",
		Example: `  $OZ_CLI harness-support report-artifact pull-request --url URL --branch BRANCH
  $OZ_CLI harness-support report-artifact external-reference --url URL --reference-type ticket`},
		pull, a.supportReferenceCommand(speak, "external-reference"))
}

func (a *app) supportReferenceCommand(speak speakFunc, name string) *cobra.Command {
	var d api.ArtifactData
	var metadata string
	c := &cobra.Command{Use: name, Short: "List a link on the run",
		Example: `  $OZ_CLI harness-support report-external-reference --url https://tickets.example/7 --reference-type ticket --title Login`}
	fs := c.Flags()
	fs.StringVar(&d.Url, "url", "", "`URL`, at most 2048 bytes")
	fs.StringVar(&d.ReferenceType, "reference-type", "", "what it is, in a `word` of yours, at most 256 bytes")
	fs.StringVar(&d.Title, "title", "", "`heading` for people")
	fs.StringVar(&metadata, "metadata", "", "more about it, a `JSON` object")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		if d.Url == "" || d.ReferenceType == "" {
			return usagef("give --url and --reference-type")
		}
		if metadata != "" {
			var object map[string]json.RawMessage
			if err := json.Unmarshal([]byte(metadata), &object); err != nil || object == nil {
				return usagef("--metadata: want a JSON object")
			}
			d.Metadata = json.RawMessage(metadata)
		}
		return a.reported(cmd, speak, api.ReportedArtifact{ArtifactType: api.ArtifactTypeEXTERNALREFERENCE, Data: d})
	})
}

func (a *app) reported(cmd *cobra.Command, speak speakFunc, artifact api.ReportedArtifact) error {
	s, err := speak()
	if err != nil {
		return err
	}
	uid, err := s.ReportArtifact(cmd.Context(), artifact)
	if err != nil {
		return err
	}
	if a.settings.format.machine() {
		return a.printObject(map[string]string{"artifact_uid": uid})
	}
	_, err = fmt.Fprintf(a.Stdout, "Artifact reported: %s\n", term.CleanLine(uid))
	return err
}

// told prints that something was said: an empty object for programs.
func (a *app) told(err error, text string) error {
	switch {
	case err != nil:
		return err
	case a.settings.format.machine():
		return a.printObject(struct{}{})
	}
	_, err = fmt.Fprintln(a.Stdout, text)
	return err
}

func (a *app) supportNotifyCommand(speak speakFunc) *cobra.Command {
	var message string
	c := &cobra.Command{Use: "notify-user", Short: "Tell people something",
		Example: `  $OZ_CLI harness-support notify-user --message "The migration needs a maintenance window."`}
	c.Flags().StringVar(&message, "message", "", "`text` to tell them")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		if message == "" {
			return usagef("give --message")
		}
		s, err := speak()
		if err == nil {
			err = s.NotifyUser(cmd.Context(), message)
		}
		return a.told(err, "Notification sent.")
	})
}

func (a *app) supportFinishCommand(speak speakFunc) *cobra.Command {
	var status, summary string
	c := &cobra.Command{Use: "finish-task", Short: "Say how the work ended",
		Example: `  $OZ_CLI harness-support finish-task --status success --summary "Fixed the login and added a test."
  $OZ_CLI harness-support finish-task --status failure --summary "The tests need a database that is not here."`}
	c.Flags().StringVar(&status, "status", "", "`success` or failure")
	c.Flags().StringVar(&summary, "summary", "", "`text` that says what was done, or why it was not")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		if (status != "success" && status != "failure") || summary == "" {
			return usagef("give --status success or failure, and --summary")
		}
		s, err := speak()
		if err == nil {
			err = s.FinishTask(cmd.Context(), api.FinishTaskRequest{Success: status == "success", Summary: summary})
		}
		return a.told(err, "Task finished.")
	})
}

func (a *app) supportShutdownCommand(speak speakFunc) *cobra.Command {
	var e api.ReportShutdownError
	c := &cobra.Command{Use: "report-shutdown", Short: "Say that the agent's process has ended",
		Long: "Without an error the agent's process ended as it should. A run that has ended by itself stays as it is.",
		Example: `  cadre harness-support --run-id RUN_ID report-shutdown
  cadre harness-support --run-id RUN_ID report-shutdown --error-category process_exit --error-message "exit status 1"`}
	c.Flags().StringVar(&e.Category, "error-category", "", "why it did not, in a `word`: process_exit")
	c.Flags().StringVar(&e.Message, "error-message", "", "`text` for people")
	c.MarkFlagsRequiredTogether("error-category", "error-message")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		s, err := speak()
		if err == nil {
			err = s.ReportShutdown(cmd.Context(), api.ReportShutdownRequest{Error: e})
		}
		return a.told(err, "Shutdown reported.")
	})
}
