package runner

import (
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

// InSandbox fills in what the worker that built the sandbox said in its environment: where the
// execution may put its things, how it is confined, who keeps the lease. environ is the process's
// environment, "NAME=value"; it also becomes what the agent's processes inherit.
func (c *Config) InSandbox(environ []string) {
	c.Environ = environ
	c.Dir = value(environ, api.EnvSandboxDir)
	c.Workdir = value(environ, api.EnvSandboxWorkdir)
	c.Managed = value(environ, api.EnvWorkerManaged) == "1"
	c.OwnProcess = true
	c.Confined = value(environ, api.EnvSandboxConfined)
	c.Guard = value(environ, api.EnvSandboxGuard)
	c.Backend = value(environ, api.EnvWorkerBackend)
	c.Host = value(environ, api.EnvWorkerHost)
	if d, err := time.ParseDuration(value(environ, api.EnvSandboxGrace)); err == nil && d > 0 {
		c.Grace = d
	}
	if dirs := value(environ, "WARP_SKILL_DIRS"); dirs != "" {
		c.SkillDirs = strings.Split(dirs, ",")
	}
	if c.Dir == "" {
		c.Dir = "."
	}
}
