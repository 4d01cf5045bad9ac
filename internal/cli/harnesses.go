package cli

import (
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/harness/oz"
)

// harnesses are the agents this program knows.
func harnesses() []harness.Harness {
	return []harness.Harness{oz.New(oz.Config{})}
}
