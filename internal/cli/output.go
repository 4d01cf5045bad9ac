package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/itchyny/gojq"

	"github.com/cadrehq/cadre/internal/cli/term"
)

// format is a shape of output.
type format string

// The formats.
const (
	formatPretty format = "pretty"
	formatText   format = "text"
	formatJSON   format = "json"
	formatNDJSON format = "ndjson"
)

// String, Set and Type make format a flag value.
func (f *format) String() string { return string(*f) }

// Set reads a format.
func (f *format) Set(s string) error {
	switch v := format(s); v {
	case formatPretty, formatText, formatJSON, formatNDJSON:
		*f = v
		return nil
	}
	return fmt.Errorf("%q is none of pretty, text, json, ndjson", s)
}

// Type names the value in help.
func (f *format) Type() string { return "format" }

// machine says whether the output is for programs.
func (f format) machine() bool { return f == formatJSON || f == formatNDJSON }

// printJSON writes a server's answer, indented and otherwise unchanged; as ndjson on one line.
func (a *app) printJSON(raw json.RawMessage) error {
	var b bytes.Buffer
	var err error
	if a.settings.format == formatNDJSON {
		err = json.Compact(&b, raw)
	} else {
		err = json.Indent(&b, raw, "", "  ")
	}
	if err != nil {
		return fmt.Errorf("answer of the server: %w", err)
	}
	b.WriteByte('\n')
	_, err = a.Stdout.Write(term.JSON(b.Bytes()))
	return err
}

// printObject writes one value of ours as JSON.
func (a *app) printObject(v any) error {
	b, err := marshal(v)
	if err != nil {
		return err
	}
	return a.printJSON(b)
}

// list is the answer of a command that lists: one item per row, the same twice.
type list struct {
	table term.Table
	items []any
	empty string // what to say when there is nothing
}

// listOf is a list of items that are shown as they are, and one row each to people.
func listOf[T any](items []T, empty string, header []string, row func(T) []string) list {
	l := list{table: term.Table{Header: header}, empty: empty}
	for _, item := range items {
		l.items = append(l.items, item)
		l.table.Rows = append(l.table.Rows, row(item))
	}
	return l
}

// printList writes a list in the format that is set. JSON is one compact array without a newline at
// its end, as the reference CLI prints it.
func (a *app) printList(l list) error {
	switch a.settings.format {
	case formatJSON:
		if l.items == nil {
			l.items = []any{}
		}
		b, err := marshal(l.items)
		if err == nil {
			_, err = a.Stdout.Write(term.JSON(b))
		}
		return err
	case formatNDJSON:
		for _, item := range l.items {
			b, err := marshal(item)
			if err != nil {
				return err
			}
			if _, err := a.Stdout.Write(append(term.JSON(b), '\n')); err != nil {
				return err
			}
		}
		return nil
	case formatText:
		return l.table.WriteText(a.Stdout)
	}
	if len(l.table.Rows) == 0 {
		_, err := fmt.Fprintln(a.Stdout, l.empty)
		return err
	}
	return l.table.WritePretty(a.Stdout, a.style)
}

// marshal is json.Marshal without the escaping meant for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// filter is a --jq filter; the zero value is none.
type filter struct{ code *gojq.Code }

// String, Set and Type make filter a flag value.
func (f *filter) String() string { return "" }

// Set compiles a filter. Filters see no environment and load no modules.
func (f *filter) Set(s string) error {
	q, err := gojq.Parse(s)
	if err != nil {
		return err
	}
	f.code, err = gojq.Compile(q)
	return err
}

// Type names the value in help.
func (f *filter) Type() string { return "filter" }

// printFiltered writes each output of the filter on its own line, strings unquoted.
func (a *app) printFiltered(f filter, raw json.RawMessage) error {
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // large integers stay exact; gojq understands json.Number
	if err := dec.Decode(&v); err != nil {
		return fmt.Errorf("answer of the server: %w", err)
	}
	it := f.code.Run(v)
	for {
		out, ok := it.Next()
		if !ok {
			return nil
		}
		if err, failed := out.(error); failed {
			return fmt.Errorf("--jq: %w", err)
		}
		text, isString := out.(string)
		if isString {
			text = term.Clean(text)
		} else {
			b, err := gojq.Marshal(out)
			if err != nil {
				return fmt.Errorf("--jq: %w", err)
			}
			text = string(term.JSON(b))
		}
		if _, err := io.WriteString(a.Stdout, text+"\n"); err != nil {
			return err
		}
	}
}

// age says how long ago something was, in one unit.
func age(at, now time.Time) string {
	if at.IsZero() {
		return "-"
	}
	switch d := now.Sub(at); {
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", max(int(d.Seconds()), 0))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return at.UTC().Format("2006-01-02")
}
