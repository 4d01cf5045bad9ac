package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) signInCommand() *cobra.Command {
	c := &cobra.Command{Use: "sign-in", Aliases: []string{"sign-ins"}, Short: "See and end your sign-ins in browsers",
		Example: `  cadre sign-in list
  cadre sign-in revoke SIGN_IN_UID`}
	return a.newGroup(c, a.signInListCommand(), a.signInRevokeCommand())
}

func (a *app) signInListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the browsers you are signed in with, latest use first",
		Long: "API keys, which command lines use, are 'api-key list'."}
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		list, err := cl.SignIns(cmd.Context())
		if err != nil {
			return err
		}
		return a.printList(listOf(list, "No sign-ins found.", []string{"UID", "Browser", "Address", "By", "Last used", "Ends"}, func(s api.SignIn) []string {
			return []string{s.Uid, s.Device, s.Address, s.Method, s.LastSeenAt.UTC().Format(time.RFC3339), s.ExpiresAt.UTC().Format(time.RFC3339)}
		}))
	})
}

func (a *app) signInRevokeCommand() *cobra.Command {
	c := &cobra.Command{Use: "revoke UID", Aliases: []string{"end", "delete"}, Short: "Sign a browser out at once", Args: arguments(1, 1)}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		if err := cl.EndSignIn(cmd.Context(), args[0]); err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(map[string]any{"uid": args[0], "revoked": true})
		}
		_, err = fmt.Fprintf(a.Stdout, "Signed out: %s\n", term.CleanLine(args[0]))
		return err
	})
}
