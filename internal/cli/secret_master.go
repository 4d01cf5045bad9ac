package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	outterm "github.com/cadrehq/cadre/internal/cli/term"
	"github.com/cadrehq/cadre/internal/secret"
)

func (a *app) newMasterKeyCommand() *cobra.Command {
	c := &cobra.Command{Use: "new-master-key", Short: "Make a master key for CADRE_MASTER_KEY",
		Long: `Prints a new key and, beside it, the name by which servers and 'rotate-master-key' call it. Nothing is sent
anywhere. Give it to every server of a database, after the keys they have.`}
	return a.newCommand(c, func(*cobra.Command, []string) error {
		key := secret.NewMasterKey()
		id, err := secret.MasterID(key)
		if err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(map[string]string{"id": id, "key": key})
		}
		fmt.Fprintf(a.Stderr, "The master key %s:\n", id)
		_, err = fmt.Fprintln(a.Stdout, key)
		return err
	})
}

func (a *app) masterKeyCommand() *cobra.Command {
	c := &cobra.Command{Use: "master-key", Short: "Show what secrets are sealed by, and which server has which key"}
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		state, err := cl.MasterKey(cmd.Context())
		if err != nil {
			return err
		}
		return a.printMasterKeys(state)
	})
}

func (a *app) printMasterKeys(state api.MasterKeyState) error {
	if a.settings.format.machine() {
		return a.printObject(state)
	}
	keys := listOf(state.Keys, "No master keys found.", []string{"Master key", "Use", "Seals", "Since"}, func(k api.MasterKey) []string {
		use := "old, being replaced"
		if k.Primary {
			use = "primary"
		}
		return []string{k.Id, use, strconv.Itoa(k.DataKeys) + " data keys", k.Since.UTC().Format(time.RFC3339)}
	})
	if err := a.printList(keys); err != nil {
		return err
	}
	return a.printList(listOf(state.Servers, "No servers found.", []string{"Server", "Has", "Seen"}, func(s api.MasterKeyServer) []string {
		return []string{s.Instance, strings.Join(s.KeyIds, " "), s.SeenAt.UTC().Format(time.RFC3339)}
	}))
}

func (a *app) rotateMasterKeyCommand() *cobra.Command {
	var key string
	var noWait bool
	c := &cobra.Command{Use: "rotate-master-key", Short: "Seal secrets with another master key, without a pause",
		Long: `A server that is alone and keeps its keys in a file makes the new one itself. Otherwise make one with
'new-master-key', add it to CADRE_MASTER_KEY or the key file of every server, and name it here once all
have it. Servers seal the data keys anew in the background; the command waits and shows how far they are.
If it, or a server, is interrupted, nothing is lost: run it again, or look with 'cadre secret master-key'.`,
		Example: `  cadre secret rotate-master-key
  cadre secret rotate-master-key --key 01dfffbc133f`}
	c.Flags().StringVar(&key, "key", "", "`name` of a master key that every server has")
	c.Flags().BoolVar(&noWait, "no-wait", false, "begin only")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		state, err := cl.RotateMasterKey(cmd.Context(), key)
		if err == nil && !noWait {
			state, err = a.awaitRotation(cmd.Context(), cl, state)
		}
		if err != nil {
			return err
		}
		return a.printMasterKeys(state)
	})
}

// rotationPoll is how often a change of the master key is looked at.
const rotationPoll = 300 * time.Millisecond

// awaitRotation waits until one master key is left, telling how many data keys the others seal.
func (a *app) awaitRotation(ctx context.Context, cl *client.Client, state api.MasterKeyState) (api.MasterKeyState, error) {
	left := -1
	for len(state.Keys) > 1 {
		n := 0
		for _, k := range state.Keys {
			if !k.Primary {
				n += k.DataKeys
			}
		}
		if n != left {
			left = n
			fmt.Fprintf(a.Stderr, "%d data keys to seal with %s\n", n, outterm.CleanLine(state.Keys[0].Id))
		}
		if err := api.Pause(ctx, rotationPoll); err != nil {
			return state, err
		}
		var err error
		if state, err = cl.MasterKey(ctx); err != nil {
			return state, err
		}
	}
	fmt.Fprintln(a.Stderr, "Done. Keep the old key with the backups made until now; then take it from the servers.")
	return state, nil
}
