package httpapi

import (
	"flag"
	"net/http"
	"os"
	"testing"

	"github.com/cadrehq/cadre/internal/identity"
)

var update = flag.Bool("update", false, "write docs/permissions.md anew")

// TestPermissionsPage: docs/permissions.md says what the table says.
func TestPermissionsPage(t *testing.T) {
	t.Parallel()
	const path = "../../../docs/permissions.md"
	page := permissionsPage()
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != page {
		t.Error("docs/permissions.md is stale: run make gen and commit it")
	}
}

// TestWhatChangesSomethingTakesMoreThanSeeing: a row that lets viewers change something is a mistake.
func TestWhatChangesSomethingTakesMoreThanSeeing(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		seeing := op.permission == identity.PermRead || op.permission == identity.PermSelf || op.permission == public
		if op.method != http.MethodGet && seeing && !readsByPost[op.id] {
			t.Errorf("%s %s takes only %q", op.method, op.path, op.permission)
		}
	}
}

// readsByPost are operations that change nothing although their method says so, and the one for which a
// signed link stands in: who was promised to be able to send a file.
var readsByPost = map[string]bool{"previewSchedule": true, "downloadAttachments": true, "putUpload": true}
