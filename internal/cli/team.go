package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) teamCommand() *cobra.Command {
	c := &cobra.Command{Use: "team", Short: "Who shares your runs: members, roles, invitations",
		Long: `Acts on the team your key works for; CADRE_TEAM names another of your teams by its uid.`}
	return a.newGroup(c, a.teamListCommand(), a.teamCreateCommand(), a.teamMembersCommand(), a.teamInviteCommand(),
		a.teamInvitationsCommand(), a.teamRoleCommand(), a.teamRemoveCommand(), a.operatorCommand("set-operator"),
		a.teamDefaultsCommand(), a.teamSetDefaultsCommand())
}

func (a *app) teamListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List your teams, oldest first"}
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		teams, err := cl.Teams(cmd.Context())
		if err != nil {
			return err
		}
		return a.printList(listOf(teams, "No teams found.", []string{"UID", "Name", "Your role"}, func(t api.Team) []string {
			return []string{t.Uid, t.Name, string(t.Role)}
		}))
	})
}

func (a *app) teamCreateCommand() *cobra.Command {
	c := &cobra.Command{Use: "create NAME", Short: "Make a team of which you are the first admin", Args: arguments(1, 1)}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		t, err := cl.CreateTeam(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(t)
		}
		_, err = fmt.Fprintf(a.Stdout, "Team created: %s\n", term.CleanLine(t.Uid))
		return err
	})
}

// ownTeam is the team that the key works for.
func ownTeam(ctx context.Context, cl *client.Client) (string, error) {
	who, err := cl.Whoami(ctx)
	if err != nil {
		return "", err
	}
	if len(who.TeamUids) == 0 {
		return "", fmt.Errorf("you are in no team")
	}
	return who.TeamUids[0], nil
}

func (a *app) teamMembersCommand() *cobra.Command {
	c := &cobra.Command{Use: "members", Short: "List the members of your team, oldest first"}
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		team, err := ownTeam(cmd.Context(), cl)
		if err != nil {
			return err
		}
		members, err := cl.Members(cmd.Context(), team)
		if err != nil {
			return err
		}
		return a.printList(listOf(members, "No members found.", []string{"UID", "Name", "E-mail", "Role", "Since"}, func(m api.Member) []string {
			return []string{m.User.Uid, m.User.DisplayName, m.User.Email, string(m.Role), m.CreatedAt.UTC().Format(time.DateOnly)}
		}))
	})
}

func (a *app) teamInviteCommand() *cobra.Command {
	role, life := api.TeamRoleMember, duration(7*24*time.Hour)
	c := &cobra.Command{Use: "invite EMAIL", Short: "Invite somebody into your team", Args: arguments(1, 1),
		Long: "Prints a link that works once. Hand it to whom it is for: no mail is sent."}
	c.Flags().Var(choice[api.TeamRole]{to: &role, all: roleWords}, "role", "`role`: admin, member or viewer (default member)")
	c.Flags().Var(&life, "expires-in", "`duration` the link works for, at most 90d")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		team, err := ownTeam(cmd.Context(), cl)
		if err != nil {
			return err
		}
		made, err := cl.Invite(cmd.Context(), team, api.CreateInvitationRequest{Email: args[0], Role: role, ExpiresAt: now().Add(time.Duration(life)).UTC()})
		if err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(made)
		}
		_, err = fmt.Fprintf(a.Stdout, "Invitation for %s, until %s:\n%s\n", term.CleanLine(made.Invitation.Email),
			made.Invitation.ExpiresAt.UTC().Format(time.RFC3339), term.CleanLine(made.Url))
		return err
	})
}

func (a *app) teamRoleCommand() *cobra.Command {
	c := &cobra.Command{Use: "set-role EMAIL_OR_UID ROLE", Short: "Change what a member may do", Args: arguments(2, 2)}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		role, ok := roleWords[args[1]]
		if !ok {
			return usagef("%q is no role: admin, member or viewer", args[1])
		}
		return a.withMember(cmd.Context(), args[0], func(cl *client.Client, team string, m api.Member) error {
			changed, err := cl.SetRole(cmd.Context(), team, m.User.Uid, role)
			if err != nil {
				return err
			}
			if a.settings.format.machine() {
				return a.printObject(changed)
			}
			_, err = fmt.Fprintf(a.Stdout, "%s is %s now\n", term.CleanLine(m.User.DisplayName), role)
			return err
		})
	})
}

func (a *app) teamRemoveCommand() *cobra.Command {
	c := &cobra.Command{Use: "remove EMAIL_OR_UID", Short: "Put somebody out of your team", Args: arguments(1, 1),
		Long: "Their keys and sign-ins for the team end at once."}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		return a.withMember(cmd.Context(), args[0], func(cl *client.Client, team string, m api.Member) error {
			if err := cl.RemoveMember(cmd.Context(), team, m.User.Uid); err != nil {
				return err
			}
			if a.settings.format.machine() {
				return a.printObject(map[string]any{"uid": m.User.Uid, "removed": true})
			}
			_, err := fmt.Fprintf(a.Stdout, "%s is no member any more\n", term.CleanLine(m.User.DisplayName))
			return err
		})
	})
}

// withMember finds a member of the own team by address or uid.
func (a *app) withMember(ctx context.Context, who string, act func(*client.Client, string, api.Member) error) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	team, err := ownTeam(ctx, cl)
	if err != nil {
		return err
	}
	members, err := cl.Members(ctx, team)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.User.Uid == who || strings.EqualFold(m.User.Email, who) {
			return act(cl, team, m)
		}
	}
	return fmt.Errorf("no member of your team has the address or uid %q", who)
}
