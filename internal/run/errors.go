package run

import (
	"errors"
	"fmt"

	"github.com/cadrehq/cadre/api"
)

// ErrFenced says that an execution may not write: it ended or a newer one took its place. Whoever
// speaks for it must stop.
var ErrFenced = errors.New("execution is over or superseded")

// ErrCommandsWait says that an execution may not end yet: a message or an answer waits for it.
var ErrCommandsWait = errors.New("messages or answers wait for this execution")

// ErrTaken says that files which waited for a run are another's by now, or gone.
var ErrTaken = errors.New("the files are taken or gone")

// GapError refuses a batch that does not follow what is stored. Want is the index expected.
type GapError struct{ Want, Got int64 }

func (e *GapError) Error() string { return "batch leaves a gap" }

// edge turns the package's own errors into what a caller may see; it leaves everything else alone.
// The typed error stays within reach of errors.Is and errors.As.
func edge(err error) error {
	var (
		move *MoveError
		gap  *GapError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*api.Failure)):
		return err
	case errors.Is(err, ErrFenced):
		return final(err, "this execution is over or superseded by a newer one: stop it")
	case errors.Is(err, ErrCommandsWait):
		// Unlike ErrFenced this passes, and a runner tells them apart by just that.
		yes := true
		return &api.Failure{Code: api.PlatformErrorCodeConflict, Detail: "messages or answers wait for this execution: take them first", Retryable: &yes, Err: err}
	case errors.As(err, &gap):
		f := final(err, fmt.Sprintf("first_index: expected %d, got %d", gap.Want, gap.Got))
		f.Field = "first_index"
		return f
	case errors.As(err, &move) && move.By == ByRunner:
		// Never a conflict: to a runner that means it was superseded.
		return &api.Failure{Code: api.PlatformErrorCodeInvalidRequest, Field: "report.state", Detail: "report.state: " + move.Error(), Err: err}
	case errors.As(err, &move):
		return final(err, move.Error())
	}
	return err
}

// final is a conflict that repeating the same request cannot mend.
func final(cause error, detail string) *api.Failure {
	no := false
	return &api.Failure{Code: api.PlatformErrorCodeConflict, Detail: detail, Retryable: &no, Err: cause}
}
