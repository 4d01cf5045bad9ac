package run

import (
	"context"
	"fmt"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
)

// Create stores a new run. It is QUEUED and durable when Create returns; atCapacity says that its
// team's places are all taken, so that it waits for one. Everything wrong with the request is an
// api.Failure that names the member.
func (s *Service) Create(ctx context.Context, actor identity.Actor, req api.RunAgentRequest, source api.RunSourceType) (r Run, atCapacity bool, err error) {
	return s.create(ctx, actor, req, source, func(*draft) {})
}

// create stores a run. mark adds what the request does not say.
func (s *Service) create(ctx context.Context, actor identity.Actor, req api.RunAgentRequest, source api.RunSourceType, mark func(*draft)) (r Run, atCapacity bool, err error) {
	d, err := s.draft(ctx, actor, req, source)
	if err != nil {
		return Run{}, false, err
	}
	d.files = req.Attachments
	mark(&d)
	return s.enqueue(ctx, d)
}

// enqueue stores a drafted run in line.
func (s *Service) enqueue(ctx context.Context, d draft) (r Run, atCapacity bool, err error) {
	atCapacity, places, err := s.atCapacity(ctx, d.run.TeamUID)
	if err != nil {
		return Run{}, false, err
	}
	files, err := s.storeAttachments(ctx, d.run.ID, d.files)
	if err != nil {
		return Run{}, false, err
	}
	d.run.Attachments = append(files, d.run.Attachments...)
	st := inLine(d.run.Host)
	if atCapacity {
		st = status{waiting: api.WaitingCodeAtCapacity, why: fmt.Sprintf("All %d places of the team are taken; waiting for one.", places)}
	}
	d.run.State = api.RunStateQUEUED
	d.run.QueuedAt = d.run.CreatedAt
	d.run.Waiting = waiting(api.RunWaiting{}, st.waiting, st.why, d.run.CreatedAt)
	r, err = s.insert(ctx, d, nil)
	return r, atCapacity, err
}

// CreateLocal registers a run that the caller carries out itself, outside the queue. It begins
// CLAIMED with its execution, whose lease the runner renews by heartbeats. A key names the request as
// it does for CreateOnce: repeated, the answer is the first one's run and execution, whatever became
// of them.
func (s *Service) CreateLocal(ctx context.Context, actor identity.Actor, req api.LocalRunRequest, key string) (Run, Execution, error) {
	r, err := s.once(ctx, actor, localRequest, req, key, func(once *Once) (Run, error) {
		return s.createLocal(ctx, actor, req, once)
	})
	if err != nil {
		return Run{}, Execution{}, err
	}
	list, err := s.cfg.History.Executions(ctx, r.ID)
	if err != nil {
		return Run{}, Execution{}, fmt.Errorf("find execution: %w", err)
	}
	if len(list) == 0 {
		return Run{}, Execution{}, fmt.Errorf("local run %s has no execution", r.ID)
	}
	return r, list[len(list)-1], nil
}

func (s *Service) createLocal(ctx context.Context, actor identity.Actor, req api.LocalRunRequest, once *Once) (Run, error) {
	source := api.RunSourceType(orElse(string(req.Source), string(api.RunSourceTypeCLI)))
	if !LocalSource(source) {
		return Run{}, api.Invalid("source", "must be LOCAL, CLI or GITHUB_ACTION")
	}
	// Its workspace is a directory there already: no default may put anything else into it.
	req.Config.EnvironmentId = orElse(req.Config.EnvironmentId, noEnvironment)
	d, err := s.draft(ctx, actor, api.RunAgentRequest{
		Prompt: req.Prompt, Title: req.Title, Config: req.Config, Mode: req.Mode, ParentRunId: req.ParentRunId,
		ConversationId: req.ConversationId, Metadata: req.Metadata,
		SavedPrompt: req.SavedPrompt, SavedPromptArguments: req.SavedPromptArguments,
	}, source)
	if err != nil {
		return Run{}, err
	}
	if req.ForkRunId != "" {
		if err := s.forkLocally(ctx, actor, &d, req); err != nil {
			return Run{}, err
		}
	}
	now := d.run.CreatedAt
	x := Execution{
		ID: s.cfg.NewID(), RunID: d.run.ID, Number: 1, State: ExecutionClaimed, Host: "",
		LeaseUntil: now.Add(s.cfg.Lease), CreatedAt: now, ClaimedAt: now,
	}
	d.run.State, d.run.Location, d.run.Source = api.RunStateCLAIMED, api.RunExecutionLocationLOCAL, source
	d.run.Host, d.run.Execution, d.run.Live = "", 1, true
	d.run.Waiting = api.RunWaiting{Code: api.WaitingCodeStarting, Message: "Starting on its own machine.", Since: now}
	d.once = once
	return s.insert(ctx, d, &x)
}

// LocalSource says whether a local run may be shown as started by this.
func LocalSource(source api.RunSourceType) bool {
	switch source {
	case api.RunSourceTypeCLI, api.RunSourceTypeLOCAL, api.RunSourceTypeGITHUBACTION:
		return true
	}
	return false
}

// draft is a checked and resolved request: the run and the entries it begins with.
type draft struct {
	run     Run
	entries []api.NewEntry // what an earlier run of the conversation left
	prompt  bool           // the run has something to say first
	uploads []string       // ids of files that waited for it
	files   []api.AttachmentInput
	once    *Once
	tick    *Tick
}

// draft checks and resolves a request; only the run's beginning state is left open.
func (s *Service) draft(ctx context.Context, actor identity.Actor, req api.RunAgentRequest, source api.RunSourceType) (draft, error) {
	d, err := s.sketch(ctx, actor, req, source)
	if err != nil {
		return draft{}, err
	}
	return d, s.continueConversation(ctx, actor, &d, req.ConversationId)
}

// sketch is draft without what the run may go on from.
func (s *Service) sketch(ctx context.Context, actor identity.Actor, req api.RunAgentRequest, source api.RunSourceType) (draft, error) {
	if err := actor.Check(identity.PermCreate); err != nil {
		return draft{}, err
	}
	if err := s.savedPrompt(ctx, actor, &req); err != nil {
		return draft{}, err
	}
	if err := s.checkRequest(req); err != nil {
		return draft{}, err
	}
	now := s.now()
	d := draft{prompt: req.Prompt != "" || req.ConversationId == ""}
	r := Run{
		ID: s.cfg.NewID(), Prompt: req.Prompt, Mode: orMode(req.Mode), Source: source,
		Location: api.RunExecutionLocationREMOTE, TeamUID: actor.TeamUID,
		Person: personOf(actor, source), Interactive: req.Interactive, NoSnapshot: req.SnapshotDisabled, CreatedAt: now, UpdatedAt: now,
	}
	// Clients take the session's id from the end of the session link, which is the run's.
	r.ConversationID, r.SessionID = r.ID, r.ID
	var err error
	if r.Owner, err = ownerOf(actor, req.Team); err != nil {
		return draft{}, err
	}
	p, err := s.parties(ctx, actor, r.Owner, req)
	if err != nil {
		return draft{}, err
	}
	r.Creator, r.Executor = p.creator, p.executor
	if r.Config, r.Skill, err = s.resolve(ctx, actor, r.Owner, p, req); err != nil {
		return draft{}, err
	}
	r.Host = r.Config.WorkerHost
	r.Title = orElse(req.Title, titleOf(req.Prompt, r.Skill))
	if err := s.adopt(ctx, actor, &r, req); err != nil {
		return draft{}, err
	}
	if err := s.checkModelKeys(ctx, r); err != nil {
		return draft{}, err
	}
	d.run = r
	if err := s.takeSnapshot(ctx, actor, &d, req.InitialSnapshotToken); err != nil {
		return draft{}, err
	}
	return d, nil
}

// insert stores a drafted run with its first entries and its event.
func (s *Service) insert(ctx context.Context, d draft, x *Execution) (Run, error) {
	event, err := legal(none, d.run.State, ByPerson)
	if err != nil {
		return Run{}, err
	}
	n := New{Run: d.run, Entries: d.entries, Execution: x, Uploads: d.uploads, Once: d.once, Tick: d.tick, Event: Event{
		RunID: d.run.ID, TeamUID: d.run.TeamUID, Type: event, State: d.run.State, At: d.run.CreatedAt,
	}}
	if x != nil {
		n.Event.ExecutionID = x.ID
	}
	if d.run.ParentID != "" {
		n.Told = &Event{RunID: d.run.ParentID, TeamUID: d.run.TeamUID, Type: EventChild, RefID: d.run.ID, At: d.run.CreatedAt}
	}
	if d.prompt {
		m := api.UserMessage{Text: d.run.Prompt, Author: d.run.Creator, Mode: d.run.Mode, Attachments: attachmentIDs(d.run.Attachments)}
		n.Entries = append(n.Entries, api.MakeEntry(d.run.CreatedAt, m))
	}
	n.Run.LastSeq, n.Run.EntryBytes = int64(len(n.Entries)), storedBytes(n.Entries...)
	for _, a := range n.Run.Attachments {
		n.Run.BlobBytes += blob.Meta{Size: a.Size}.Stored()
	}
	if err := s.cfg.Store.Insert(ctx, n); err != nil {
		return Run{}, fmt.Errorf("store run: %w", taken(err))
	}
	return n.Run, nil
}

// atCapacity says whether all places of a team are taken, and how many it has if they are counted.
func (s *Service) atCapacity(ctx context.Context, teamUID string) (full bool, places int, err error) {
	if s.cfg.TeamLimit == nil {
		return false, 0, nil
	}
	if places, err = s.cfg.TeamLimit(ctx, teamUID); err != nil || places <= 0 {
		return false, 0, err
	}
	n, err := s.cfg.History.Working(ctx, teamUID, places)
	if err != nil {
		return false, 0, fmt.Errorf("count working runs: %w", err)
	}
	return n >= places, places, nil
}

// ownerOf decides whose the run is: the team's, unless the caller wants it for themselves.
func ownerOf(actor identity.Actor, team *bool) (identity.Owner, error) {
	if team == nil {
		want := actor.TeamUID != ""
		team = &want
	}
	if !*team {
		return identity.Owner{Type: api.ScopeTypeUser, UID: actor.UID}, nil
	}
	if actor.TeamUID == "" {
		return identity.Owner{}, api.Invalid("team", "the caller is in no team")
	}
	return identity.Owner{Type: api.ScopeTypeTeam, UID: actor.TeamUID}, nil
}

// adopt makes the run a child when it has a parent: within reach, not too deep, with the parent's
// metadata under its own. A run's own token makes children only.
func (s *Service) adopt(ctx context.Context, actor identity.Actor, r *Run, req api.RunAgentRequest) error {
	r.Metadata = req.Metadata
	parentID := req.ParentRunId
	if parentID == "" && actor.Kind == identity.KindRun {
		parentID = actor.RunID
	}
	if parentID == "" {
		return nil
	}
	parent, err := s.reach(ctx, actor, parentID, identity.PermCreate)
	switch code := api.CodeOf(err); {
	case err == nil:
	case code == api.PlatformErrorCodeResourceNotFound, code == api.PlatformErrorCodeInvalidRequest:
		return api.Invalid("parent_run_id", "names no run you can see")
	default:
		return err
	}
	if err := s.checkDepth(ctx, parent); err != nil {
		return err
	}
	r.ParentID, r.Source = parent.ID, api.RunSourceTypeORCHESTRATION
	if actor.Kind == identity.KindRun {
		r.Person = parent.Person
	}
	r.Metadata = inherit(req.Metadata, parent.Metadata)
	if len(r.Metadata) > maxMetadata {
		return api.Invalid("metadata", "has %d keys with those inherited from the parent; at most %d are allowed", len(r.Metadata), maxMetadata)
	}
	return nil
}

// checkDepth refuses a parent that has as many ancestors as a run may have.
func (s *Service) checkDepth(ctx context.Context, parent Run) error {
	depth := 1 // of the new run
	for up := parent; up.ParentID != "" && depth <= s.cfg.MaxDepth; depth++ {
		var err error
		if up, err = s.cfg.Store.Get(ctx, up.ParentID); err != nil {
			return fmt.Errorf("find ancestor: %w", err)
		}
	}
	if depth > s.cfg.MaxDepth {
		return api.Invalid("parent_run_id", "runs may be nested %d deep at most", max(0, s.cfg.MaxDepth))
	}
	return nil
}

// inherit merges metadata key by key; what the request says wins.
func inherit(own, parent map[string]string) map[string]string {
	if len(parent) == 0 {
		return own
	}
	merged := make(map[string]string, len(own)+len(parent))
	for k, v := range parent {
		merged[k] = v
	}
	for k, v := range own {
		merged[k] = v
	}
	return merged
}

// continueConversation makes the run go on where the newest run of a conversation stands: it begins
// with what was said and done there.
func (s *Service) continueConversation(ctx context.Context, actor identity.Actor, d *draft, id string) error {
	if id == "" {
		return nil
	}
	if err := CheckID("conversation_id", id); err != nil {
		return err
	}
	old, err := s.newest(ctx, actor, id)
	if err != nil {
		return err
	}
	d.run.ConversationID = old.ConversationID
	d.entries, err = s.copyConversation(ctx, old.ID, func(api.Entry) bool { return true })
	return err
}

// newest finds the last run of a conversation the actor may see.
func (s *Service) newest(ctx context.Context, actor identity.Actor, id string) (Run, error) {
	notFound := api.NotFound("conversation", id)
	first, err := s.reach(ctx, actor, id, identity.PermRead)
	if api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound && err != nil {
		return Run{}, notFound
	}
	if err != nil {
		return Run{}, err
	}
	q := visible(actor, Query{ConversationID: first.ConversationID, Archived: ArchivedInclude, Sort: api.RunSortCreatedAt, Limit: 1})
	page, err := s.cfg.Store.List(ctx, q)
	if err != nil {
		return Run{}, fmt.Errorf("find conversation: %w", err)
	}
	if len(page.Runs) == 0 {
		return first, nil
	}
	return page.Runs[0], nil
}
