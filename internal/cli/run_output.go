package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// outputPage is how many entries are asked for at once.
const outputPage = 500

// outputInfo is the CLI's JSON shape of what an action gave.
type outputInfo struct {
	Seq      int64           `json:"seq"`
	ActionID string          `json:"action_id"`
	Name     string          `json:"name"`
	State    api.ActionState `json:"state"`
	ExitCode *int            `json:"exit_code,omitempty"`
	// SizeBytes is the size of the whole output; Blob is set where the entry holds a part of it only.
	SizeBytes int64  `json:"size_bytes"`
	Blob      string `json:"blob,omitempty"`
	Output    string `json:"output,omitempty"`

	action string // what was done, for people
}

func (a *app) runOutputCommand() *cobra.Command {
	var out string
	var jq filter
	c := &cobra.Command{Use: "output RUN_ID [SEQ]", Short: "Print the whole output of an action",
		Long: `Prints what an action of the agent gave, all of it, however much the session shows. SEQ is the number of
the action's entry or of its result; without it the actions with an output are listed. On a terminal
control characters are made visible; --out writes the bytes as they are.`,
		Example: "  cadre run output RUN_ID\n  cadre run output RUN_ID 17 --out build.log", Args: arguments(1, 2)}
	c.Flags().StringVarP(&out, "out", "o", "", "`file` to write the bytes to; - is standard output")
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && out != "" {
			return usagef("--out needs the SEQ of an output")
		}
		seq := int64(0)
		if len(args) == 2 {
			var err error
			if seq, err = strconv.ParseInt(args[1], 10, 64); err != nil || seq < 1 {
				return usagef("SEQ is the number of an entry, not %q", args[1])
			}
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		if seq == 0 {
			return a.listOutputs(cmd.Context(), cl, args[0], jq)
		}
		return a.printOutput(cmd.Context(), cl, args[0], seq, out, jq)
	})
}

// listOutputs lists the results with an output.
func (a *app) listOutputs(ctx context.Context, cl *client.Client, runID string, jq filter) error {
	l := list{table: term.Table{Header: []string{"Seq", "Action", "State", "Size", "Stored"}}, empty: "No outputs."}
	err := eachResult(ctx, cl, runID, 0, func(o outputInfo) bool {
		if o.SizeBytes == 0 {
			return true
		}
		where := "in the session"
		if o.Blob != "" {
			where = "apart"
		}
		o.Output = ""
		l.items = append(l.items, o)
		l.table.Rows = append(l.table.Rows, []string{strconv.FormatInt(o.Seq, 10), term.Shorten(term.CleanLine(o.action), 60), string(o.State), size(o.SizeBytes), where})
		return true
	})
	if err != nil {
		return err
	}
	return a.printListFiltered(l, jq)
}

// printOutput prints one output, or writes it to a file.
func (a *app) printOutput(ctx context.Context, cl *client.Client, runID string, seq int64, out string, jq filter) error {
	o, err := findOutput(ctx, cl, runID, seq)
	if err != nil {
		return err
	}
	fetch := func(w writer) error {
		if o.Blob == "" {
			_, err := io.WriteString(w, o.Output)
			return err
		}
		_, err := cl.DownloadOutput(ctx, runID, o.Blob, w)
		return err
	}
	switch {
	case out == "-":
		return fetch(a.Stdout)
	case out != "":
		if err := a.download(out, out, fetch); err != nil || a.settings.format.machine() {
			return err
		}
		_, err := fmt.Fprintf(a.Stdout, "Wrote %s\n", out)
		return err
	case jq.code != nil || a.settings.format.machine():
		var whole strings.Builder
		if err := fetch(&whole); err != nil {
			return err
		}
		o.Output = whole.String()
		return passThrough(a, jq)(marshal(o))
	}
	w := &cleaner{w: a.Stdout}
	return errors.Join(fetch(w), w.end())
}

// findOutput finds the result whose entry, or whose action's entry, has a number.
func findOutput(ctx context.Context, cl *client.Client, runID string, seq int64) (outputInfo, error) {
	page, err := cl.Entries(ctx, runID, seq-1, 1)
	if err != nil {
		return outputInfo{}, err
	}
	if len(page.Entries) == 0 || page.Entries[0].Seq != seq {
		return outputInfo{}, api.Fail(api.PlatformErrorCodeResourceNotFound, "run %s has no entry %d", runID, seq)
	}
	entry := page.Entries[0]
	actionID := ""
	switch data, _ := entry.Decode(); d := data.(type) {
	case api.ActionResult:
		return outputOf(entry, d), nil
	case api.Action:
		actionID = d.ID
	default:
		return outputInfo{}, withHint(fmt.Errorf("entry %d is no action (%s)", seq, entry.Type), "'cadre run output %s' lists the actions with an output", runID)
	}
	var found *outputInfo
	err = eachResult(ctx, cl, runID, seq, func(o outputInfo) bool {
		if o.ActionID == actionID {
			found = &o
		}
		return found == nil
	})
	if err == nil && found == nil {
		err = fmt.Errorf("action %d has not ended yet", seq)
	}
	if err != nil {
		return outputInfo{}, err
	}
	return *found, nil
}

// eachResult calls yield with the results of a run after an entry, until it returns false.
func eachResult(ctx context.Context, cl *client.Client, runID string, after int64, yield func(outputInfo) bool) error {
	actions := map[string]string{}
	for {
		page, err := cl.Entries(ctx, runID, after, outputPage)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			after = e.Seq
			switch data, _ := e.Decode(); d := data.(type) { // what a newer server may write is passed over
			case api.Action:
				actions[d.ID] = whatItDid(d)
			case api.ActionResult:
				o := outputOf(e, d)
				o.action = cmp.Or(actions[d.ActionID], d.Name)
				delete(actions, d.ActionID)
				if !yield(o) {
					return nil
				}
			}
		}
		if len(page.Entries) == 0 {
			return nil
		}
	}
}

func outputOf(e api.Entry, d api.ActionResult) outputInfo {
	o := outputInfo{Seq: e.Seq, ActionID: d.ActionID, Name: d.Name, State: d.State, ExitCode: d.ExitCode, Blob: d.Blob, Output: d.Output,
		SizeBytes: int64(len(d.Output)), action: d.Name}
	if d.Blob != "" {
		o.SizeBytes += d.OmittedBytes
	}
	return o
}

// whatItDid is a command as typed, or a tool's name with what it was about.
func whatItDid(d api.Action) string {
	var in struct {
		Command string `json:"command"`
		Path    string `json:"path"`
	}
	_ = json.Unmarshal(d.Input, &in) // what has neither is known by its name
	if in.Command != "" {
		return "$ " + in.Command
	}
	return strings.TrimSpace(d.Name + " " + in.Path)
}

// cleaner makes what passes through it safe to print. What a write cut, a character or a line
// end, waits for its rest.
type cleaner struct {
	w    io.Writer
	rest []byte
	last byte
}

func (c *cleaner) Write(p []byte) (int, error) {
	b := append(c.rest, p...)
	whole := len(b)
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if i := len(b) - n; utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				whole = i
			}
			break
		}
	}
	if whole > 0 && b[whole-1] == '\r' {
		whole-- // half a line end, it may be
	}
	c.rest = append([]byte(nil), b[whole:]...)
	return len(p), c.print(b[:whole])
}

func (c *cleaner) print(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.last = b[len(b)-1]
	_, err := io.WriteString(c.w, term.Clean(string(b)))
	return err
}

// end prints what waits, and ends the last line.
func (c *cleaner) end() error {
	err := c.print(c.rest)
	if c.rest = nil; err == nil && c.last != '\n' && c.last != 0 {
		_, err = io.WriteString(c.w, "\n")
	}
	return err
}
