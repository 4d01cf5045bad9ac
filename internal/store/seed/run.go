package seed

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
)

// elsewhere is the worker host of every run: nobody serves it.
const elsewhere = "seeded"

// maker makes the runs of one batch.
type maker struct {
	rng   *rand.Rand
	words *vocabulary
	opts  Options
}

// past makes the i-th run. parent is an earlier run it may be a child of.
func (m *maker) past(i int, parent *store.Past) store.Past {
	rng := m.rng
	created := m.opts.Until.Add(-time.Duration((float64(m.opts.Runs-i) - rng.Float64()*0.9) / float64(m.opts.Runs) * float64(span)))
	created = created.UTC().Truncate(time.Microsecond)
	creator := person(skewed(rng, people))
	r := run.Run{
		ID: m.id(created), State: states.pick(rng), Mode: api.RunModeNormal, Source: sources.pick(rng),
		Location: api.RunExecutionLocationREMOTE, Host: elsewhere,
		Owner: m.opts.Owner, TeamUID: m.opts.Owner.UID, Creator: creator, Executor: creator,
		CreatedAt: created, UpdatedAt: created,
	}
	r.ConversationID, r.SessionID = r.ID, r.ID
	r.Prompt = m.words.text(rng, 8+int(50*rng.ExpFloat64()))
	r.Title = m.words.text(rng, 3+rng.IntN(6))
	r.Config = api.AmbientAgentConfig{ModelId: models.pick(rng), WorkerHost: r.Host, Harness: api.Harness{Type: api.HarnessTypeOz}}
	m.choose(&r)
	if parent != nil && rng.IntN(12) == 0 {
		r.ParentID, r.Source = parent.Run.ID, api.RunSourceTypeORCHESTRATION
	}
	p := store.Past{New: run.New{
		Run:     r,
		Entries: []api.NewEntry{api.MakeEntry(created, api.UserMessage{Text: r.Prompt, Author: creator})},
		Event:   run.Event{Type: run.EventCreated, State: api.RunStateQUEUED, At: created},
	}}
	m.live(&p)
	return p
}

// choose sets what only some runs have.
func (m *maker) choose(r *run.Run) {
	rng := m.rng
	if rng.IntN(20) == 0 && m.opts.User != "" {
		r.Owner = identity.Owner{Type: api.ScopeTypeUser, UID: m.opts.User}
	}
	if rng.IntN(3) > 0 {
		r.Config.Name = agentName(skewed(rng, agents))
	}
	if rng.IntN(5) > 0 {
		r.Config.EnvironmentId = environmentUID(skewed(rng, environments))
	}
	if rng.IntN(4) == 0 {
		r.Skill = skillName(skewed(rng, skills))
	}
	if rng.IntN(10) == 0 {
		r.Executor = person(skewed(rng, people))
	}
	switch r.Source {
	case api.RunSourceTypeSCHEDULEDAGENT:
		r.ScheduleID = fmt.Sprintf("seed-schedule-%02d", skewed(rng, schedules))
	case api.RunSourceTypeLOCAL:
		r.Location, r.Host = api.RunExecutionLocationLOCAL, ""
	}
	if rng.IntN(5) == 0 {
		r.Metadata = map[string]string{"repo": "acme/" + repositories[skewed(rng, len(repositories))]}
		if rng.IntN(2) == 0 {
			r.Metadata["ticket"] = fmt.Sprintf("%s-%d", tickets[rng.IntN(len(tickets))], rng.IntN(90_000)+1000)
		}
	}
}

// live gives a run the life its state says it had.
func (m *maker) live(p *store.Past) {
	rng, r := m.rng, &p.Run
	if r.State == api.RunStateQUEUED {
		r.Location, r.Host, r.QueuedAt = api.RunExecutionLocationREMOTE, elsewhere, r.CreatedAt
		r.Waiting = api.RunWaiting{Code: api.WaitingCodeNoWorker, Message: "No worker serves the host " + elsewhere + ".", Since: r.CreatedAt}
		return
	}
	took := time.Duration(math.Exp(rng.NormFloat64()*1.1+5) * float64(time.Second)).Truncate(time.Microsecond)
	started := r.CreatedAt.Add(time.Duration(rng.IntN(3_000_000)) * time.Microsecond)
	r.QueuedAt, r.StartedAt, r.Active = r.CreatedAt, started, took
	r.UpdatedAt = started.Add(took)
	if rng.IntN(25) == 0 { // somebody came back to it
		r.UpdatedAt = r.UpdatedAt.Add(time.Duration(rng.IntN(5*24*3600)) * time.Second)
	}
	if r.UpdatedAt.After(m.opts.Until) {
		r.UpdatedAt = m.opts.Until
	}
	if r.State != api.RunStateBLOCKED {
		r.EndedAt = r.UpdatedAt
	}
	r.Execution = 1
	p.Execution = &run.Execution{
		ID: m.id(started), RunID: r.ID, Number: 1, State: run.ExecutionEnded, Host: r.Host, Worker: elsewhere, Backend: "direct",
		LeaseUntil: r.UpdatedAt, CreatedAt: started, ClaimedAt: started, StartedAt: started, EndedAt: r.UpdatedAt,
		EndReason: "exited", Acted: true,
	}
	p.Events = append(p.Events, run.Event{Type: ending[r.State], State: r.State, ExecutionID: p.Execution.ID, At: r.UpdatedAt})
	if r.State == api.RunStateFAILED {
		r.Message, r.ErrorCode = "The tests still fail.", api.PlatformErrorCodeEnvironmentSetupFailed
	}
	r.Usage = run.Totals{InputTokens: int64(rng.IntN(200_000)), OutputTokens: int64(rng.IntN(20_000)),
		InputUSD: rng.Float64(), OutputUSD: rng.Float64() / 2}
	m.leave(p)
}

// leave gives a share of the runs a session and artifacts.
func (m *maker) leave(p *store.Past) {
	rng, at := m.rng, p.Run.StartedAt
	if rng.IntN(10) == 0 {
		for turn := range 1 + rng.IntN(4) {
			at = at.Add(time.Second)
			id := fmt.Sprintf("call-%d", turn)
			command := "go test ./" + m.words.word(rng) + "/..."
			input, _ := json.Marshal(map[string]string{"command": command}) // strings always encode
			p.Entries = append(p.Entries,
				api.MakeEntry(at, api.AgentMessage{Turn: turn + 1, Text: m.words.text(rng, 20)}),
				api.MakeEntry(at, api.Action{ID: id, Turn: turn + 1, Category: api.ActionCategoryCommand, Name: "bash", Input: input}),
				api.MakeEntry(at, api.ActionResult{ActionID: id, Category: api.ActionCategoryCommand, Name: "bash",
					State: api.ActionStateCompleted, Output: "ok\n"}))
		}
	}
	if rng.IntN(8) == 0 {
		kind := artifactTypes.pick(rng)
		p.Artifacts = append(p.Artifacts, run.Artifact{UID: m.id(p.Run.UpdatedAt), RunID: p.Run.ID, Type: kind, CreatedAt: p.Run.UpdatedAt,
			Data: api.ArtifactData{Title: p.Run.Title, Branch: "cadre/" + p.Run.ID[:8]}})
	}
}

var ending = map[api.RunState]run.EventType{
	api.RunStateSUCCEEDED: run.EventSucceeded, api.RunStateFAILED: run.EventFailed, api.RunStateERROR: run.EventErrored,
	api.RunStateCANCELLED: run.EventCancelled, api.RunStateBLOCKED: run.EventBlocked,
}

// id is a UUID of version 7 for a time.
func (m *maker) id(at time.Time) string {
	var u uuid.UUID
	binary.BigEndian.PutUint64(u[:8], uint64(at.UnixMilli())<<16|m.rng.Uint64()&0xfff|0x7000)
	binary.BigEndian.PutUint64(u[8:], m.rng.Uint64()&(1<<62-1)|1<<63)
	return u.String()
}
