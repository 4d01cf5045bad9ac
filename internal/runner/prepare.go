package runner

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// prepare carries out the steps before the agent's first turn, in order.
func (r *execution) prepare(ctx context.Context) error {
	// The conversation is read meanwhile.
	type answer struct {
		entries []api.Entry
		err     error
	}
	history := make(chan answer, 1)
	r.done.Go(func() {
		entries, err := r.client.Entries(ctx, r.assignment.RunId, 0)
		history <- answer{entries, err}
	})
	for _, step := range []func(context.Context) error{
		r.workspace, r.federate, r.clone, r.setUp, r.restore, r.removeOrigins,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	read := <-history
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case read.err != nil:
		return asStepError("conversation", read.err)
	}
	r.history = read.entries
	if err := r.resume(ctx); err != nil {
		return err
	}
	return r.startHarness(ctx)
}

// notices tells what a person should know about where the run is carried out.
func (r *execution) notices(ctx context.Context) {
	for _, text := range r.lacking() {
		r.notice(ctx, api.NoticeInfo, text)
	}
}

// lacking says what the run asks of its machine that this one does not give.
func (r *execution) lacking() (list []string) {
	machine := r.assignment.Machine
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	bare := r.cfg.Local || r.cfg.Backend == "direct" // works on the host itself
	if image := cmp.Or(machine.Linux.DockerImage, r.assignment.Environment.DockerImage); image != "" && bare {
		add("The image %s is not used here: the commands of this run work with what is installed on the host.", image)
	}
	if machine.Name == "" {
		return list
	}
	const wants = "The runner %q asks for %s, but "
	mac := machine.Os == api.ComputeRunnerConfigOsMACOS
	switch {
	case mac && runtime.GOOS != "darwin":
		add(wants+"this machine runs %s. The run goes on here.", machine.Name, strings.TrimSpace("macOS "+string(machine.Mac.Version)), runtime.GOOS)
	case !mac && runtime.GOOS != "linux":
		add(wants+"this machine runs %s. The run goes on here.", machine.Name, "Linux", runtime.GOOS)
	}
	arches := map[api.ComputeRunnerConfigArch]string{api.ComputeRunnerConfigArchX8664: "amd64", api.ComputeRunnerConfigArchAARCH64: "arm64"}
	if want := arches[machine.Arch]; want != "" && want != runtime.GOARCH {
		add(wants+"this machine is %s. The run goes on here.", machine.Name, want, runtime.GOARCH)
	}
	shape := machine.InstanceShape
	switch {
	case shape.Vcpus > 0 && r.cfg.Local:
		add(wants+"a run on one's own machine has all of it.", machine.Name, fmt.Sprintf("%d processors and %d GiB", shape.Vcpus, shape.MemoryGb))
	case shape.Vcpus > 0 && bare:
		add(wants+"on this host each process is bounded to the %d GiB and the processors are shared.", machine.Name, fmt.Sprintf("%d processors", shape.Vcpus), shape.MemoryGb)
	}
	return list
}
