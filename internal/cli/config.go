package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// configKey is one saved setting.
type configKey struct {
	name, about string
	get         func(*saved) *string
	check       func(string) (string, error)
	secret      bool
}

var configKeys = []configKey{
	{name: "server_url", about: "server the commands talk to", get: func(s *saved) *string { return &s.ServerURL }, check: client.RootURL},
	{name: "api_key", about: "key for that server, shown shortened", get: func(s *saved) *string { return &s.APIKey }, secret: true},
	{name: "output_format", about: "pretty, text, json or ndjson", get: func(s *saved) *string { return &s.OutputFormat },
		check: func(v string) (string, error) { var f format; return v, f.Set(v) }},
	{name: "environment", about: "environment of new runs that name none", get: func(s *saved) *string { return &s.Environment }},
}

func findConfigKey(name string) (configKey, error) {
	i := slices.IndexFunc(configKeys, func(k configKey) bool { return k.name == name })
	if i < 0 {
		var names []string
		for _, k := range configKeys {
			names = append(names, k.name)
		}
		return configKey{}, usagef("unknown setting %q; there are %s", name, strings.Join(names, ", "))
	}
	return configKeys[i], nil
}

// shown is a value as it may be displayed.
func (k configKey) shown(s *saved) string {
	v := *k.get(s)
	if k.secret && v != "" {
		return keySuffix(v)
	}
	return v
}

// keySuffix tells keys apart without giving them away.
func keySuffix(key string) string {
	if len(key) < 12 {
		return "…"
	}
	return "…" + key[len(key)-4:]
}

func (a *app) configCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "config", Short: "Show and change saved settings",
		Long:    "Saved settings give way to environment variables, and those to flags.",
		Example: "  cadre config list\n  cadre config set output_format json"},
		a.configListCommand(), a.configGetCommand(), a.configSetCommand(), a.configPathCommand())
}

func (a *app) configListCommand() *cobra.Command {
	return a.newCommand(&cobra.Command{Use: "list", Short: "Show every saved setting"}, func(*cobra.Command, []string) error {
		l := list{table: term.Table{Header: []string{"Setting", "Value", "Meaning"}}}
		for _, k := range configKeys {
			l.items = append(l.items, map[string]string{"name": k.name, "value": k.shown(&a.saved)})
			l.table.Rows = append(l.table.Rows, []string{k.name, k.shown(&a.saved), k.about})
		}
		return a.printList(l)
	})
}

func (a *app) configGetCommand() *cobra.Command {
	c := &cobra.Command{Use: "get NAME", Short: "Print one saved setting", Args: arguments(1, 1),
		Long: "The API key is printed in full, for use in scripts."}
	return a.newCommand(c, func(_ *cobra.Command, args []string) error {
		k, err := findConfigKey(args[0])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.Stdout, term.CleanLine(*k.get(&a.saved)))
		return err
	})
}

func (a *app) configSetCommand() *cobra.Command {
	c := &cobra.Command{Use: "set NAME VALUE", Short: "Save a setting; an empty value removes it", Args: arguments(2, 2)}
	return a.newCommand(c, func(_ *cobra.Command, args []string) error {
		k, err := findConfigKey(args[0])
		if err != nil {
			return err
		}
		value := args[1]
		if k.check != nil && value != "" {
			if value, err = k.check(value); err != nil {
				return usagef("%s: %w", k.name, err)
			}
		}
		if k.name == "server_url" && !sameServer(value, a.saved.ServerURL) {
			a.saved.APIKey = "" // a key is for the server it was made by
		}
		*k.get(&a.saved) = value
		path, err := a.save()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.Stdout, "Saved in %s\n", path)
		return err
	})
}

func (a *app) configPathCommand() *cobra.Command {
	return a.newCommand(&cobra.Command{Use: "path", Short: "Print where settings are saved"}, func(*cobra.Command, []string) error {
		path, err := a.configPath()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.Stdout, path)
		return err
	})
}
