package api

// The variables by which a worker tells the runner in its sandbox about the sandbox. They are part
// of the contract between backends and the runner, like the command line.
const (
	// EnvExecutionID marks every process of an execution.
	EnvExecutionID = "CADRE_EXECUTION_ID"
	// EnvWorkerRoot marks every process started by the worker that owns a workspace root.
	EnvWorkerRoot = "CADRE_WORKER_ROOT"
	// EnvWorkerBackend names the backend that built the sandbox.
	EnvWorkerBackend = "CADRE_WORKER_BACKEND"
	// EnvWorkerHost is the host's name.
	EnvWorkerHost = "CADRE_WORKER_HOST"
	// EnvWorkerManaged is "1" when the worker renews the execution's lease.
	EnvWorkerManaged = "CADRE_WORKER_MANAGED"
	// EnvSandboxDir is the directory the runner may fill; absent, that is its working directory.
	EnvSandboxDir = "CADRE_SANDBOX_DIR"
	// EnvSandboxWorkdir is a directory shared between tasks to be used as the workspace, if any.
	EnvSandboxWorkdir = "CADRE_SANDBOX_WORKDIR"
	// EnvSandboxConfined says what the sandbox is confined in, for people: "files and signals".
	EnvSandboxConfined = "CADRE_SANDBOX_CONFINED"
	// EnvSandboxGuard says what makes sure that no process outlives the sandbox, one of the Guard
	// constants; absent where the sandbox itself does.
	EnvSandboxGuard = "CADRE_SANDBOX_GUARD"
	// EnvSandboxGrace is how long the runner may take to leave once asked, as a Go duration.
	EnvSandboxGrace = "CADRE_SANDBOX_GRACE"
)

// The values of EnvSandboxGuard.
const (
	// GuardCgroup: all processes are in one control group, which is killed as a whole.
	GuardCgroup = "cgroup"
	// GuardMarks: processes are found by what they inherit.
	GuardMarks = "marks"
)
