package worker

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
)

// The runner's command line, token by token as the contract lists it.
func TestRunnerArgs(t *testing.T) {
	five := 5 * time.Minute
	for name, c := range map[string]struct {
		owner, snapshot string
		more            []string
		idle            *time.Duration
		want            string
	}{
		"bare":       {want: "agent run|--task-id|t|--sandboxed|--server-root-url|http://s|--idle-on-complete"},
		"empty":      {snapshot: `{}`, idle: &five, want: "agent run|--task-id|t|--sandboxed|--server-root-url|http://s|--computer-use|--idle-on-complete|5m0s"},
		"team":       {owner: "TEAM", snapshot: `null`, want: "agent run|--share|team:edit|--task-id|t|--sandboxed|--server-root-url|http://s|--idle-on-complete"},
		"harness":    {snapshot: `{"model_id":"m","harness":{"type":"claude"}}`, want: "agent run|--task-id|t|--sandboxed|--server-root-url|http://s|--no-computer-use|--harness|claude|--idle-on-complete"},
		"unknown":    {snapshot: `{"base_prompt":"x","newer":{"a":1}}`, want: "agent run|--task-id|t|--sandboxed|--server-root-url|http://s|--computer-use|--idle-on-complete"},
		"additional": {snapshot: `{}`, more: []string{"--skip-initial-turn"}, want: "agent run|--task-id|t|--sandboxed|--server-root-url|http://s|--computer-use|--skip-initial-turn|--idle-on-complete"},
		"everything": {
			owner: "USER", idle: &five,
			snapshot: `{"environment_id":"e","model_id":"m","profile_id":"p","skill_spec":"s","mcp_servers":{"a": {"url": "u"}},"computer_use_enabled":false,
				"idle_timeout_minutes":7,"harness":{"type":"oz"},"inference_providers":{"aws":{"role_arn":"r","region":"g"}},
				"session_sharing":{"public_access":"EDITOR"},"snapshot_disabled":true,"snapshot_upload_timeout_secs":9,"snapshot_script_timeout_secs":8}`,
			want: `agent run|--task-id|t|--sandboxed|--server-root-url|http://s|--model|m|--profile|p|--skill|s|--mcp|{"a":{"url":"u"}}|--no-computer-use|--bedrock-inference-role|r|--bedrock-role-region|g|--harness|oz|--share|public:edit|--no-snapshot|--snapshot-upload-timeout|9s|--snapshot-script-timeout|8s|--environment|e|--idle-on-complete|7m`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := api.TaskAssignment{TaskID: "t", Task: &api.WorkerTask{ID: "t", Owner: api.TaskOwner{Type: c.owner}}, AdditionalOzArgs: c.more}
			if c.snapshot != "" {
				raw := json.RawMessage(c.snapshot)
				a.Task.AgentConfigSnapshot = &raw
			}
			cfg := Config{ServerRootURL: "http://s", IdleOnComplete: c.idle}
			got, err := cfg.runnerArgs(a)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.Replace(c.want, "agent run", "agent|run", 1), "|")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
