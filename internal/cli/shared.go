package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/internal/cli/term"
)

// maxText bounds what is read as a text to store, in bytes; the server's own bounds are lower.
const maxText = 1 << 20

// definition is what all shared configuration has: by these a command line names it.
type definition struct{ uid, name string }

// findShared returns the one of all that ref means: its uid, or a name that only one of them has.
func findShared[T any](noun string, all []T, ref string, of func(T) definition) (T, error) {
	var named []T
	for _, item := range all {
		d := of(item)
		if d.uid == ref {
			return item, nil
		}
		if d.name == ref {
			named = append(named, item)
		}
	}
	var none T
	switch len(named) {
	case 0:
		return none, withHint(fmt.Errorf("no %s %q", noun, ref), "its list command shows those there are")
	case 1:
		return named[0], nil
	}
	uids := make([]string, len(named))
	for i, item := range named {
		uids[i] = of(item).uid
	}
	return none, usagef("%d are named %q; write the uid: %s", len(named), ref, strings.Join(uids, " or "))
}

// confirmed asks whether to go on, unless forced. Only a yes is one; otherwise it says that nothing was done.
func (a *app) confirmed(force bool, question string) (bool, error) {
	if force {
		return true, nil
	}
	fmt.Fprintf(a.Stderr, "%s [y/N] ", term.CleanLine(question))
	line, err := bufio.NewReader(io.LimitReader(a.Stdin, 100)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer == "y" || answer == "yes" {
		return true, nil
	}
	_, err = fmt.Fprintln(a.Stdout, "Deletion cancelled")
	return false, err
}

func forceFlag(c *cobra.Command, force *bool) {
	c.Flags().BoolVar(force, "force", false, "do not ask")
}

// said prints v to programs and a sentence to people.
func (a *app) said(v any, sentence string, args ...any) error {
	if a.settings.format.machine() {
		return a.printObject(v)
	}
	_, err := fmt.Fprintln(a.Stdout, term.CleanLine(fmt.Sprintf(sentence, args...)))
	return err
}

// readText reads a text from a file, or with "-" from standard input.
func (a *app) readText(path string) (string, error) {
	from := a.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		from = f
	}
	b, err := io.ReadAll(io.LimitReader(from, maxText+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	if len(b) > maxText {
		return "", usagef("%s is larger than %s", path, size(maxText))
	}
	return string(b), nil
}

// pairs reads values written as NAME=VALUE, or with another separator; flag names them in errors.
func pairs(flag, separator string, values []string) (map[string]string, error) {
	var out map[string]string
	for _, s := range values {
		name, value, ok := strings.Cut(s, separator)
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, usagef("--%s %q: write NAME%sVALUE", flag, s, separator)
		}
		if out == nil {
			out = map[string]string{}
		}
		if separator == ":" { // as headers are written
			value = strings.TrimSpace(value)
		}
		out[name] = value
	}
	return out, nil
}
