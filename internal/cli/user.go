package cli

import (
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

func (a *app) userCommand() *cobra.Command {
	c := &cobra.Command{Use: "user", Aliases: []string{"users"}, Short: "Manage the people of the installation",
		Long: `For operators, except for sign-in links of one's own. Teams and their members are 'team'.`,
		Example: `  cadre user list
  cadre user disable grace@example.com
  cadre user sign-in-link grace@example.com`}
	return a.newGroup(c, a.userListCommand(), a.userDisableCommand(true), a.userDisableCommand(false), a.userLinkCommand(),
		a.operatorCommand("operator"))
}

func (a *app) userListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List everybody, oldest first"}
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		users, err := cl.Users(cmd.Context())
		if err != nil {
			return err
		}
		return a.printList(listOf(users, "Nobody found.", []string{"UID", "Name", "E-mail", "Is", "Since"}, func(u api.User) []string {
			return []string{u.Uid, u.Name, u.Email, userWords(u), u.CreatedAt.UTC().Format(time.DateOnly)}
		}))
	})
}

// userWords says what is special about a person.
func userWords(u api.User) string {
	var words []string
	if u.Operator {
		words = append(words, "operator")
	}
	if u.Disabled {
		words = append(words, "disabled")
	}
	return strings.Join(words, ", ")
}

// userDisableCommand is disable, or enable.
func (a *app) userDisableCommand(disable bool) *cobra.Command {
	c := &cobra.Command{Use: "disable EMAIL_OR_UID", Short: "Shut somebody out", Args: arguments(1, 1),
		Long: "Their keys and sign-ins open nothing from now on. What they made stays, and so does what runs."}
	done := "%s is disabled\n"
	if !disable {
		c.Use, c.Short, done = "enable EMAIL_OR_UID", "Let somebody in again", "%s is enabled\n"
		c.Long = "Their keys work again; in browsers they sign in anew."
	}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		return a.withUser(cmd.Context(), args[0], func(cl *client.Client, u api.User) error {
			u, err := cl.SetDisabled(cmd.Context(), u.Uid, disable)
			if err != nil {
				return err
			}
			if a.settings.format.machine() {
				return a.printObject(u)
			}
			_, err = fmt.Fprintf(a.Stdout, done, term.CleanLine(u.Name))
			return err
		})
	})
}

func (a *app) userLinkCommand() *cobra.Command {
	c := &cobra.Command{Use: "sign-in-link [EMAIL_OR_UID]", Short: "Make a link that signs somebody in once", Args: arguments(0, 1),
		Long: `It works for 15 minutes, in any browser: hand it to nobody else. Without a name it signs you in yourself. On the
server's own machine 'login-link' makes one without a key.`}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return a.withUser(cmd.Context(), args[0], func(cl *client.Client, u api.User) error {
				return a.signInLink(cmd.Context(), cl, u.Uid)
			})
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		who, err := cl.Whoami(cmd.Context())
		if err != nil {
			return err
		}
		return a.signInLink(cmd.Context(), cl, who.Uid)
	})
}

func (a *app) signInLink(ctx context.Context, cl *client.Client, uid string) error {
	link, err := cl.SignInLink(ctx, uid)
	if err != nil {
		return err
	}
	if a.settings.format.machine() {
		return a.printObject(link)
	}
	_, err = fmt.Fprintf(a.Stdout, "Works once, until %s:\n%s\n", link.ExpiresAt.UTC().Format(time.RFC3339), term.CleanLine(link.Url))
	return err
}

// operatorCommand makes operators, and is called by two names.
func (a *app) operatorCommand(name string) *cobra.Command {
	var remove bool
	c := &cobra.Command{Use: name + " EMAIL_OR_UID", Short: "Let somebody manage the people and teams of the installation", Args: arguments(1, 1),
		Long: "Only an operator can. The person of the first start is one; an installation keeps at least one."}
	c.Flags().BoolVar(&remove, "remove", false, "no longer")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		return a.withUser(cmd.Context(), args[0], func(cl *client.Client, u api.User) error {
			u, err := cl.SetOperator(cmd.Context(), u.Uid, !remove)
			if err != nil {
				return err
			}
			if a.settings.format.machine() {
				return a.printObject(u)
			}
			is := map[bool]string{true: "an operator now", false: "no operator any more"}[u.Operator]
			_, err = fmt.Fprintf(a.Stdout, "%s is %s\n", term.CleanLine(u.Name), is)
			return err
		})
	})
}

// withUser finds somebody of the installation by address or uid.
func (a *app) withUser(ctx context.Context, who string, act func(*client.Client, api.User) error) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	users, err := cl.Users(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(users, func(u api.User) bool { return u.Uid == who || strings.EqualFold(u.Email, who) })
	if i < 0 {
		return withHint(fmt.Errorf("nobody has the address or uid %q", who), "'cadre user list' shows everybody")
	}
	return act(cl, users[i])
}
