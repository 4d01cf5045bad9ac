package runner

import (
	"context"

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
	image := r.assignment.Environment.DockerImage
	if image != "" && (r.cfg.Local || r.cfg.Backend == "direct") {
		r.notice(ctx, api.NoticeInfo, "The environment's image "+image+" is not used here: the commands of this run work with what is installed on the host.")
	}
}
