package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) teamInvitationsCommand() *cobra.Command {
	c := &cobra.Command{Use: "invitations", Aliases: []string{"invitation"}, Short: "See and withdraw open invitations of your team",
		Example: `  cadre team invitations list
  cadre team invitations revoke grace@example.com`}
	return a.newGroup(c, a.invitationListCommand(), a.invitationRevokeCommand())
}

func (a *app) invitationListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List open invitations, newest first"}
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		team, err := ownTeam(cmd.Context(), cl)
		if err != nil {
			return err
		}
		open, err := cl.Invitations(cmd.Context(), team)
		if err != nil {
			return err
		}
		return a.printList(listOf(open, "No open invitations found.", []string{"UID", "E-mail", "Role", "Made", "Until"}, func(i api.Invitation) []string {
			return []string{i.Uid, i.Email, string(i.Role), i.CreatedAt.UTC().Format(time.DateOnly), i.ExpiresAt.UTC().Format(time.RFC3339)}
		}))
	})
}

func (a *app) invitationRevokeCommand() *cobra.Command {
	c := &cobra.Command{Use: "revoke EMAIL_OR_UID", Aliases: []string{"delete"}, Short: "Withdraw an invitation", Args: arguments(1, 1),
		Long: "Its link opens nothing any more. An address takes all invitations for it."}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		team, err := ownTeam(cmd.Context(), cl)
		if err != nil {
			return err
		}
		open, err := cl.Invitations(cmd.Context(), team)
		if err != nil {
			return err
		}
		revoked := []api.Invitation{}
		for _, i := range open {
			if i.Uid != args[0] && !strings.EqualFold(i.Email, args[0]) {
				continue
			}
			if err := cl.RevokeInvitation(cmd.Context(), team, i.Uid); err != nil {
				return err
			}
			revoked = append(revoked, i)
		}
		switch {
		case len(revoked) == 0:
			return withHint(fmt.Errorf("no open invitation has the address or uid %q", args[0]), "'cadre team invitations list' shows them")
		case a.settings.format.machine():
			return a.printObject(map[string]any{"uid": revoked[0].Uid, "email": revoked[0].Email, "revoked": len(revoked)})
		}
		_, err = fmt.Fprintf(a.Stdout, "Invitation for %s withdrawn\n", term.CleanLine(revoked[0].Email))
		return err
	})
}
