package catalog

import "github.com/cadrehq/cadre/api"

// Runner is a shape of machine: operating system, size, image and what is done to it first. (The process
// inside a sandbox that carries out a run is the runner process.)
type Runner = Definition[api.ComputeRunnerConfig]

// Runners keeps the runners of teams and people.
type Runners = NamedShelf[api.ComputeRunnerConfig]

var runnerKind = kind[api.ComputeRunnerConfig]{
	noun: "runner", newUID: NewUID, check: checkRunner,
	name: func(c api.ComputeRunnerConfig) string { return c.Name },
}

func checkRunner(c api.ComputeRunnerConfig) error {
	mac := c.Os == api.ComputeRunnerConfigOsMACOS
	switch shape := c.InstanceShape; {
	case (shape.Vcpus > 0) != (shape.MemoryGb > 0):
		return api.Invalid("config.instance_shape", "needs vcpus and memory_gb together")
	case mac && c.Linux.DockerImage != "":
		return api.Invalid("config.linux", "goes with os LINUX only")
	case !mac && c.Mac.Version != "":
		return api.Invalid("config.mac", "goes with os MACOS only")
	case mac && c.Arch == api.ComputeRunnerConfigArchX8664:
		return api.Invalid("config.arch", "macOS is there for AARCH64 only")
	}
	return firstError(checkName("config.name", c.Name), checkDescription(c.Description),
		checkImage("config.linux.docker_image", c.Linux.DockerImage), checkCommands(c.SetupCommands))
}

// Image is the image of a sandbox: the runner's, else the environment's.
func Image(machine api.ComputeRunnerConfig, environment api.CloudEnvironmentConfig) string {
	if image := machine.Linux.DockerImage; image != "" {
		return image
	}
	return environment.DockerImage
}
