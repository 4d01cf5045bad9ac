package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// workerFile is the worker's YAML config file. Its keys are the reference worker's; an unknown one
// is an error.
type workerFile struct {
	WorkerID           string        `yaml:"worker_id"`
	Cleanup            *bool         `yaml:"cleanup"`
	MaxConcurrentTasks int           `yaml:"max_concurrent_tasks"`
	IdleOnComplete     string        `yaml:"idle_on_complete"`
	Backend            workerBackend `yaml:"backend"`
}

// workerBackend holds at most one backend.
type workerBackend struct {
	Direct     *directFile `yaml:"direct"`
	Docker     *yaml.Node  `yaml:"docker"`
	Kubernetes *yaml.Node  `yaml:"kubernetes"`
	Command    *yaml.Node  `yaml:"command"`
}

// directFile configures the direct backend.
type directFile struct {
	WorkspaceRoot   string        `yaml:"workspace_root"`
	TargetDir       string        `yaml:"target_dir"`
	OzPath          string        `yaml:"oz_path"`
	SetupCommand    string        `yaml:"setup_command"`
	TeardownCommand string        `yaml:"teardown_command"`
	Environment     []environment `yaml:"environment"`
}

// environment is a variable for the runner; without a value it is taken from our own.
type environment struct {
	Name  string  `yaml:"name"`
	Value *string `yaml:"value"`
}

// name is the backend the file chooses, "" for none.
func (b workerBackend) name() (string, error) {
	var names []string
	for name, set := range map[string]bool{"direct": b.Direct != nil, "docker": b.Docker != nil, "kubernetes": b.Kubernetes != nil, "command": b.Command != nil} {
		if set {
			names = append(names, name)
		}
	}
	switch len(names) {
	case 0:
		return "", nil
	case 1:
		return names[0], nil
	}
	return "", errors.New("backend: at most one of direct, docker, kubernetes and command")
}

func readWorkerFile(path string) (workerFile, error) {
	var f workerFile
	if path == "" {
		return f, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return f, fmt.Errorf("worker config file: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return f, fmt.Errorf("worker config file %s: %w", path, err)
	}
	if _, err := f.Backend.name(); err != nil {
		return f, fmt.Errorf("worker config file %s: %w", path, err)
	}
	return f, nil
}

// chooseBackend is the backend the flag or the file names. Only direct is in this build.
func chooseBackend(flag string, f workerFile) error {
	file, err := f.Backend.name()
	if err != nil {
		return err
	}
	switch name := firstNonEmpty(flag, file, "direct"); name {
	case "direct":
		return nil
	case "docker", "kubernetes", "command":
		return withHint(fmt.Errorf("backend %s: not in this build", name), "use --backend direct, which runs agents as processes of this machine")
	default:
		return usagef("--backend %q: want direct", name)
	}
}

// workerEnv merges variables for runners: those of the file, then those of flags, KEY=VALUE or KEY
// for one of ours.
func workerEnv(file []environment, flags []string, getenv func(string) string) (map[string]string, error) {
	out := map[string]string{}
	for _, e := range file {
		if e.Name == "" || strings.Contains(e.Name, "=") {
			return nil, fmt.Errorf("environment: %q is no name", e.Name)
		}
		if out[e.Name] = getenv(e.Name); e.Value != nil {
			out[e.Name] = *e.Value
		}
	}
	for _, s := range flags {
		name, value, given := strings.Cut(s, "=")
		if name == "" {
			return nil, usagef("--env %q: want KEY=VALUE or KEY", s)
		}
		if !given {
			value = getenv(name)
		}
		out[name] = value
	}
	return out, nil
}

// idle is the idle window of the file, nil for none.
func (f workerFile) idle() (*time.Duration, error) {
	if f.IdleOnComplete == "" {
		return nil, nil
	}
	d, err := parseDuration(f.IdleOnComplete)
	if err != nil {
		return nil, fmt.Errorf("idle_on_complete: %w", err)
	}
	return &d, nil
}
