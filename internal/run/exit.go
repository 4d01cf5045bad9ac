package run

import (
	"context"
	"fmt"

	"github.com/cadrehq/cadre/api"
)

// Exit is how an execution's process ended, as its worker saw it.
type Exit struct {
	Clean     bool   // the process ended with status 0
	Cancelled bool   // it was killed because the server asked for it
	Reason    string // failure_reason of the worker protocol
	Message   string
	Code      int
}

// Exited records the end of an execution's process. What the agent reported before counts; an
// execution that ends with its run still working decides the run's fate by the reason. It has no
// effect on an execution that is over or superseded.
func (s *Service) Exited(ctx context.Context, runID, executionID string, e Exit) error {
	_, err := s.change(ctx, runID, func(t *turn) error {
		if !t.mayWrite(executionID) {
			return nil
		}
		return s.cfg.decideExited(t, e)
	})
	return err
}

func (c Config) decideExited(t *turn, e Exit) error {
	switch {
	case !t.run.State.Working():
		t.endExecution("exited")
		return nil
	case e.Cancelled:
		// Nobody cancelled the run, or the execution would be over: only its sandbox was taken away.
		return c.interrupted(t, ByWorker, "the sandbox was stopped")
	case t.messagesWait() && t.run.State == api.RunStateINPROGRESS && t.run.Location != api.RunExecutionLocationLOCAL:
		// The message came too late for this execution: the next one takes it up.
		return c.interrupted(t, ByWorker, "it ended before it took up a message")
	case !e.Clean:
		return c.failed(t, e)
	}
	t.endExecution("exited")
	return t.move(api.RunStateERROR, ByWorker, status{
		code:    api.PlatformErrorCodeAgentProcessFailed,
		message: "The agent's process ended without reporting how its work went. Send a message to try again.",
	})
}

// failed decides the fate of a working run by the table of reasons.
func (c Config) failed(t *turn, e Exit) error {
	f := failureOf(e, t.exec.State == ExecutionStarted)
	if f.code == processDied && e.Code == killed && f.reason != outOfMemory {
		f.lost, f.short = true, "its runner was killed"
	}
	if f.lost || (f.retry && !t.exec.Acted && t.run.Attempts+1 < c.MaxAttempts) {
		return c.interrupted(t, ByWorker, f.short)
	}
	t.endExecution(f.short)
	to := api.RunStateERROR
	if api.LookupCode(f.code).Fault == api.FaultUser {
		to = api.RunStateFAILED
	}
	message := f.advice
	if e.Message != "" {
		message += " (" + clip(e.Message, 4096) + ")"
	}
	return t.move(to, ByWorker, status{code: f.code, message: message, retryable: api.LookupCode(f.code).Retryable})
}

// failure is what a worker's reason means for the run.
type failure struct {
	reason string
	lost   bool // the sandbox was taken away: the run goes on elsewhere
	retry  bool // trying again may help while the agent has not acted
	code   api.PlatformErrorCode
	short  string // for the reason of a wait
	advice string // a sentence that says what to do
}

// killed is the exit status of a process that somebody ended by SIGKILL: 128 and the signal. Nothing
// the run did explains that, unless it took all the memory, which has a reason of its own.
const (
	killed      = 137
	outOfMemory = "container_oom"
)

const (
	setupFailed = api.PlatformErrorCodeEnvironmentSetupFailed
	processDied = api.PlatformErrorCodeAgentProcessFailed
	noResource  = api.PlatformErrorCodeResourceUnavailable
	timeOut     = api.PlatformErrorCodeInfrastructureTimeout
)

// failures maps the reasons of the worker protocol (contract worker-protocol section 4).
var failures = []failure{
	{reason: gracefulShutdown, lost: true, short: "its worker shut down"},
	{reason: "task_cancelled", lost: true, short: "the sandbox was stopped"},
	{reason: "evicted", lost: true, short: "the cluster evicted its sandbox"},

	{reason: "container_create", retry: true, code: noResource, short: "the container could not be created", advice: "The container could not be created. Check the worker's container engine and its disk space."},
	{reason: "container_start", retry: true, code: noResource, short: "the container could not be started", advice: "The container could not be started. Check that the image matches the host's architecture."},
	{reason: "container_wait", retry: true, code: noResource, short: "the container engine was lost", advice: "The worker lost its container engine. Check that the engine is up."},
	{reason: "sidecar_prep", retry: true, code: noResource, short: "the agent could not be put into the sandbox", advice: "The agent's files could not be put into the sandbox. Check the sidecar image and the worker's disk space."},
	{reason: "workspace_setup", retry: true, code: noResource, short: "the workspace could not be made", advice: "The worker could not make a workspace. Check its workspace root and disk space."},
	{reason: "dispatch_command", retry: true, code: noResource, short: "the dispatch command failed", advice: "The worker's dispatch command failed. Check its output in the worker's log."},
	{reason: "dispatch_timeout", retry: true, code: noResource, short: "the dispatch command timed out", advice: "The worker's dispatch command did not finish in time."},
	{reason: "job_create", retry: true, code: noResource, short: "the job could not be created", advice: "The Kubernetes job could not be created. Check the worker's role and the namespace's quota."},
	{reason: "job_watch", retry: true, code: noResource, short: "the job could not be watched", advice: "The worker could no longer watch its Kubernetes job."},
	{reason: "pod_watch", retry: true, code: noResource, short: "the pod could not be watched", advice: "The worker could no longer watch its pod."},
	{reason: "unschedulable", retry: true, code: noResource, short: "no node had room for its pod", advice: "No node of the cluster can take the pod. Ask for less CPU or memory, or add nodes."},

	{reason: "image_pull", code: setupFailed, short: "the image could not be pulled", advice: "The environment's image could not be pulled. Check its name and the worker's registry credentials."},
	{reason: "invalid_image", code: setupFailed, short: "the image name is not valid", advice: "The environment's image name is not valid. Correct it in the environment."},
	{reason: "volume_mount", code: setupFailed, short: "a volume could not be mounted", advice: "A volume could not be mounted. Check the worker's volume settings."},
	{reason: "init_container", code: setupFailed, short: "an init container failed", advice: "An init container of the pod failed. Check the worker's setup command and pod template."},
	{reason: "setup_command", code: setupFailed, short: "the worker's setup command failed", advice: "The worker's setup command failed. Run it by hand on the worker's host to see why."},

	{reason: "task_timeout", code: timeOut, short: "it ran too long", advice: "The run exceeded its maximum time and was stopped."},
	{reason: "active_deadline", code: timeOut, short: "it ran too long", advice: "The run exceeded the job's deadline and was stopped."},

	{reason: outOfMemory, code: processDied, short: "it ran out of memory", advice: "The sandbox ran out of memory. Give the run a larger instance shape."},
	{reason: "container_exit", code: processDied, short: "its container failed", advice: "The agent's container ended with an error."},
	{reason: "job_failed", code: processDied, short: "its job failed", advice: "The Kubernetes job ended with an error."},
	{reason: "agent_invocation", code: processDied, short: "the agent failed", advice: "The agent's process ended with an error."},
}

// failureOf finds what an exit means; a reason nobody knows is the agent's process failing.
func failureOf(e Exit, started bool) failure {
	f := failure{reason: e.Reason, code: processDied, short: "the agent failed", advice: "The agent's process ended with an error."}
	for _, known := range failures {
		if known.reason == e.Reason {
			f = known
			break
		}
	}
	if f.code == processDied && e.Code != 0 {
		f.advice += fmt.Sprintf(" Exit status %d.", e.Code)
	}
	if f.code == processDied && !started && f.reason == "container_exit" {
		f.advice += " It ended before the agent started: the image is the likely cause."
	}
	return f
}
