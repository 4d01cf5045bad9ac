package oz_test

import (
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
)

// What became of the workspace is told to the model, where it happened, and it may act on it even
// after it had come to an end.
func TestNoticeToTheAgent(t *testing.T) {
	t.Parallel()
	r := newRig(t, "do it", `turns:
  - tool_calls: [{name: bash, input: {command: echo one}}]
  - text: done
  - text: mended
`)
	r.turn(r.start(), api.RunStateSUCCEEDED)
	r.add(api.Notice{Level: api.NoticeInfo, Text: "for people only"}, api.Notice{Level: api.NoticeInfo, Text: "a new sandbox, all is there", Agent: true})
	r.turn(r.start(), api.RunStateSUCCEEDED)
	if n := len(r.vendor.Requests()); n != 2 {
		t.Errorf("%d requests: an end was not the end", n)
	}
	r.add(api.Notice{Level: api.NoticeWarning, Text: "changes are missing", Agent: true})
	r.turn(r.start(), api.RunStateSUCCEEDED)
	requests := r.vendor.Requests()
	if len(requests) != 3 {
		t.Fatalf("%d requests", len(requests))
	}
	body := requests[2].Body
	done, told := strings.Index(body, `"done"`), strings.Index(body, "changes are missing")
	if done < 0 || told < done || !strings.Contains(body, "all is there") || strings.Contains(body, "for people only") {
		t.Errorf("the model was told: %s", body)
	}
	checkPairs(t, r)
}
