package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cadrehq/cadre/api/client"
)

// defaultServer is where 'cadre up' listens unless told otherwise.
const defaultServer = "http://127.0.0.1:8787"

// settings are the global flags. Precedence: flag, environment, saved, default.
type settings struct {
	apiKey string
	server string
	format format
	json   bool
	debug  bool
	// Accepted for the reference CLI's sake; one URL serves everything here.
	wsServer, sharingServer string
}

// envAnnotation lists the environment variables of a flag, most important first.
const envAnnotation = "cadre_env"

// fromEnv names the environment variables that set a flag when the command line does not.
func fromEnv(fs *pflag.FlagSet, flag string, names ...string) {
	f := fs.Lookup(flag)
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[envAnnotation] = names
	f.Usage += " [env: " + strings.Join(names, ", ") + "]"
}

// applyEnv sets every flag of a command that the command line left alone from its variables.
func applyEnv(cmd *cobra.Command, getenv func(string) string) error {
	var errs []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			return
		}
		for _, name := range f.Annotations[envAnnotation] {
			value := getenv(name)
			if value == "" {
				continue
			}
			if err := cmd.Flags().Set(f.Name, value); err != nil {
				errs = append(errs, fmt.Errorf("environment variable %s: %w", name, err))
			}
			return
		}
	})
	return errors.Join(errs...)
}

func (a *app) globalFlags(fs *pflag.FlagSet) {
	s := &a.settings
	fs.StringVar(&s.apiKey, "api-key", "", "API `key`; better given by environment, where other users cannot see it")
	fromEnv(fs, "api-key", "CADRE_API_KEY", "WARP_API_KEY")
	fs.StringVar(&s.server, "server-root-url", "", "server `URL` (default: the one logged in to, else "+defaultServer+")")
	fromEnv(fs, "server-root-url", "CADRE_SERVER_URL", "WARP_SERVER_ROOT_URL", "OZ_API_BASE_URL", "WARP_API_URL")
	s.format = formatPretty
	fs.Var(&s.format, "output-format", "`format` of results: pretty, text, json or ndjson")
	fromEnv(fs, "output-format", "CADRE_OUTPUT_FORMAT", "WARP_OUTPUT_FORMAT")
	fs.BoolVar(&s.json, "json", false, "short for --output-format json")
	fs.BoolVar(&s.debug, "debug", false, "log what happens to stderr")
	fromEnv(fs, "debug", "CADRE_DEBUG")
	fs.StringVar(&s.wsServer, "ws-server-url", "", "ignored: one URL serves everything")
	fs.StringVar(&s.sharingServer, "session-sharing-server-url", "", "ignored: one URL serves everything")
	_ = fs.MarkHidden("ws-server-url")
	_ = fs.MarkHidden("session-sharing-server-url")
}

// saved is what the config file holds. It is private to the user: it contains a key.
type saved struct {
	ServerURL    string `json:"server_url,omitempty"`
	APIKey       string `json:"api_key,omitempty"`
	Approved     bool   `json:"api_key_approved,omitempty"` // in a browser: nobody else has the key
	OutputFormat string `json:"output_format,omitempty"`
	Environment  string `json:"environment,omitempty"`
}

// configPath is where settings are saved.
func (a *app) configPath() (string, error) {
	dir := a.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // as the XDG specification wants
		home := a.Getenv("HOME")
		if home == "" {
			return "", errors.New("neither XDG_CONFIG_HOME nor HOME is set: there is no place for saved settings")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "cadre", "config.json"), nil
}

// loadSaved reads the config file and fills in what neither flags nor environment set.
func (a *app) loadSaved() error {
	if err := a.readSaved(); err != nil {
		return err
	}
	s := &a.settings
	if s.server == "" {
		s.server = firstNonEmpty(a.saved.ServerURL, defaultServer)
	}
	// A saved key belongs to the saved server and is sent to no other.
	if s.apiKey == "" && sameServer(s.server, a.saved.ServerURL) {
		s.apiKey = a.saved.APIKey
	}
	return nil
}

func (a *app) readSaved() error {
	path, _ := a.configPath()
	if path == "" {
		return nil // a sandbox without a home has no saved settings
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read saved settings: %w", err)
	}
	if err := json.Unmarshal(b, &a.saved); err != nil {
		return withHint(fmt.Errorf("read saved settings %s: %w", path, err), "mend or remove %s", path)
	}
	return nil
}

// save writes the config file, readable by the user alone, in one step.
func (a *app) save() (string, error) {
	path, err := a.configPath()
	if err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(a.saved, "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("save settings: %w", err)
	}
	if err := writePrivate(path, append(b, '\n')); err != nil {
		return "", fmt.Errorf("save settings: %w", err)
	}
	return path, nil
}

// writePrivate replaces a file by one with mode 0600, so that a reader sees the old or the new.
func writePrivate(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // made 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// sameServer says whether two URLs name one server.
func sameServer(a, b string) bool {
	x, errA := client.RootURL(a)
	y, errB := client.RootURL(b)
	return errA == nil && errB == nil && x == y
}

func firstNonEmpty(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
