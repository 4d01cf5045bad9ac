package store

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// clause collects the conditions of a WHERE and their arguments.
type clause struct {
	conditions []string
	args       []any
}

// arg adds an argument and returns its placeholder.
func (c *clause) arg(v any) string {
	c.args = append(c.args, v)
	return "$" + strconv.Itoa(len(c.args))
}

// where adds a condition; empty ones are left out.
func (c *clause) where(condition string) {
	if condition != "" {
		c.conditions = append(c.conditions, condition)
	}
}

// equal adds "column = value" unless value is empty.
func (c *clause) equal(column, value string) {
	if value != "" {
		c.where(column + " = " + c.arg(value))
	}
}

func (c clause) String() string { return strings.Join(c.conditions, " AND ") }

// filters adds the filters of a query, all but its owners and its text, as conditions on runs r.
func (c *clause) filters(q run.Query) {
	c.states(q.States)
	c.equal("r.source", string(q.Source))
	c.equal("r.location", string(q.Location))
	c.equal("r.config_name", q.Name)
	c.equal("r.model_id", q.ModelID)
	c.equal("r.creator_uid", q.Creator)
	c.equal("r.executor_uid", q.Executor)
	if q.EnvironmentID == run.EmptyEnvironment {
		c.where("r.environment_id = ''")
	} else {
		c.equal("r.environment_id", q.EnvironmentID)
	}
	c.equal("r.skill", q.Skill)
	c.equal("r.schedule_id", q.ScheduleID)
	c.times(q, "+")
	c.related(q)
}

// states adds the condition on states, if there is one.
func (c *clause) states(list []api.RunState) {
	if len(list) == 0 {
		return
	}
	args := make([]string, len(list))
	for i, s := range list {
		args[i] = c.arg(string(s))
	}
	c.where("r.state IN (" + strings.Join(args, ", ") + ")")
}

// times adds the bounds on times. After and before exclude the moment itself. sign is put before the
// column: with "+" a bound is no reason to use an index, which has better bounds already.
func (c *clause) times(q run.Query, sign string) {
	if !q.CreatedAfter.IsZero() {
		c.where(sign + "r.created_at > " + c.arg(micros(q.CreatedAfter)))
	}
	if !q.CreatedBefore.IsZero() {
		c.where(sign + "r.created_at < " + c.arg(micros(q.CreatedBefore)))
	}
	if !q.UpdatedAfter.IsZero() {
		c.where(sign + "r.updated_at > " + c.arg(micros(q.UpdatedAfter)))
	}
}

// related adds the conditions on rows of other tables.
func (c *clause) related(q run.Query) {
	c.artifact(q.ArtifactType)
	for _, key := range slices.Sorted(maps.Keys(q.Metadata)) {
		c.where("EXISTS (SELECT 1 FROM run_metadata m WHERE m.key = " + c.arg(key) +
			" AND m.value = " + c.arg(q.Metadata[key]) + " AND m.run_id = r.id)")
	}
	c.conversation(q.ConversationID)
	c.descendants(q.AncestorID)
	c.equal("r.parent_id", q.ParentID)
}

func (c *clause) artifact(kind api.ArtifactType) {
	if kind != "" {
		c.where("EXISTS (SELECT 1 FROM artifacts a WHERE a.type = " + c.arg(string(kind)) + " AND a.run_id = r.id)")
	}
}

// conversation adds the condition that a run is of a conversation: its own, found by the id, or
// another's, found by the partial index.
func (c *clause) conversation(id string) {
	if id == "" {
		return
	}
	arg := c.arg(id)
	c.where("r.id IN (SELECT id FROM runs WHERE id = " + arg + " AND conversation_id = " + arg +
		" UNION SELECT id FROM runs WHERE conversation_id <> id AND conversation_id = " + arg + ")")
}

// children adds the condition that a run was started by another, so that the index by parents finds it.
func (c *clause) children(parent string) {
	if parent != "" {
		c.where("r.parent_id <> '' AND r.parent_id = " + c.arg(parent))
	}
}

// descendants adds the condition that a run is below another.
func (c *clause) descendants(ancestor string) {
	if ancestor != "" {
		// UNION, not UNION ALL: a cycle, which should not exist, ends here instead of never.
		c.where(`r.id IN (WITH RECURSIVE tree (id) AS (
			SELECT id FROM runs WHERE parent_id <> '' AND parent_id = ` + c.arg(ancestor) + `
			UNION SELECT d.id FROM tree t JOIN runs d ON d.parent_id = t.id AND d.parent_id <> '')
			SELECT id FROM tree)`)
	}
}

// sortKey names the column runs are sorted by.
func sortKey(s api.RunSort) string {
	switch s {
	case api.RunSortCreatedAt:
		return "r.created_at"
	case api.RunSortTitle:
		return "r.title"
	case api.RunSortAgent:
		return "r.skill"
	default:
		return "r.updated_at"
	}
}
