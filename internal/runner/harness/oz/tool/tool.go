// Package tool holds what the built-in agent can do: commands, files, search, plans, questions,
// artifacts.
//
// It owns the description of each tool to the model, the checking of arguments and the carrying
// out. It refuses to decide whether a call is permitted, to talk to the server or to number
// entries: the agent loop does. Everything a model sends is hostile input.
package tool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/model"
)

// Spec describes a tool.
type Spec struct {
	Name        string
	Description string
	// Schema is the JSON Schema of the arguments, of type object.
	Schema   json.RawMessage
	Category api.ActionCategory
	// ReadOnly tools change nothing, so that calls of one turn may run at the same time and a plan
	// may be made with them.
	ReadOnly bool
}

// Tool is one thing the agent can do. Run may be called concurrently only when ReadOnly.
type Tool interface {
	Spec() Spec
	// Run carries out a call. What goes wrong is a Result with Failed set, told to the model; an
	// error means that ctx ended, and the Result then says how far it came.
	Run(ctx context.Context, c Call) (Result, error)
}

// Asker is a tool that is carried out by a person's answer. Its Run is never called.
type Asker interface {
	Tool
	// Ask makes the request for a call, and entries that go before it; the caller gives it its ids.
	// An error is told to the model.
	Ask(ctx context.Context, input json.RawMessage) (api.Request, []api.EntryData, error)
	// Answered makes the result from the answer.
	Answered(input json.RawMessage, a api.Answer) Result
}

// Subjecter is a tool whose calls permission patterns can tell apart by a subject, such as a path.
type Subjecter interface {
	// Subject is what the call names, and what that really is where it differs: a symlink's target.
	Subject(input json.RawMessage) (named, real string)
}

// Call is one call of a tool.
type Call struct {
	ID    string
	Input json.RawMessage
	// Out takes output as it is produced; it comes before the Result's Text.
	Out io.Writer
}

// Result is how a call ended.
type Result struct {
	// Text follows what was written to Out. It may be of any length.
	Text     string
	Failed   bool
	ExitCode *int
	// Detail is for viewers, not for the model: a diff, a list of files.
	Detail any
	Images []model.Image
	// Entries are recorded before the result: a plan, an artifact.
	Entries []api.EntryData
	// Touched are workspace paths whose directories' rules the model should know.
	Touched []string
}

// Failf makes a failed result.
func Failf(format string, args ...any) Result {
	return Result{Text: fmt.Sprintf(format, args...), Failed: true}
}

// decode reads arguments strictly enough to tell the model what is wrong with them.
func decode(input json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(input))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if bytes.Contains(input, []byte(model.InvalidInput)) {
			return errors.New("the arguments are not a JSON object")
		}
		return fmt.Errorf("invalid arguments: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// cancelled reports the cause when ctx has ended.
func cancelled(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
