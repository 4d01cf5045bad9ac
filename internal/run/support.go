package run

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// maxCategory bounds the word for why a process ended, in bytes.
const maxCategory = 128

// Notify tells people something the agent wants them to know: an entry, and an event for inboxes.
func (s *Service) Notify(ctx context.Context, actor identity.Actor, runID, message string) error {
	who, err := s.speaker(ctx, actor, runID)
	if err != nil {
		return err
	}
	if strings.TrimSpace(message) == "" {
		return api.Invalid("message", "is required")
	}
	if err := checkText("message", message, maxMessage); err != nil {
		return err
	}
	_, err = s.changeFor(ctx, who, func(t *turn) error {
		entry := api.Notice{Level: api.NoticeInfo, Text: message, Notify: true}
		if err := s.cfg.room(t, entry); err != nil {
			return err
		}
		t.append(entry)
		t.event(EventNotification, message)
		return nil
	})
	return err
}

// Finish ends the work of a run with its agent's own words. A run that has ended stays as it is.
func (s *Service) Finish(ctx context.Context, actor identity.Actor, runID string, req api.FinishTaskRequest) error {
	who, err := s.speaker(ctx, actor, runID)
	if err != nil {
		return err
	}
	if err := checkText("summary", req.Summary, maxMessage); err != nil {
		return err
	}
	r := api.RunnerReport{State: api.RunStateSUCCEEDED, Message: req.Summary}
	if !req.Success {
		r.State = api.RunStateFAILED
	}
	_, err = s.changeFor(ctx, who, func(t *turn) error { return s.cfg.finish(t, r) })
	return err
}

// finish moves a run to its end. What is said of the end of a mere turn is kept as a notice.
func (c Config) finish(t *turn, r api.RunnerReport) error {
	if t.run.State.Ended() {
		return nil
	}
	if err := t.atWork(); err != nil {
		return err
	}
	if err := t.report(r); err != nil || t.run.State.Ended() || r.Message == "" {
		return err
	}
	entry := api.Notice{Level: api.NoticeInfo, Text: r.Message}
	if err := c.room(t, entry); err != nil {
		return err
	}
	t.append(entry)
	return nil
}

// Shutdown records that the agent's process has ended. A run that still works ends with it: FAILED with
// an error, SUCCEEDED without. Of a local run whose person says so the execution ends, too: its process
// will not.
func (s *Service) Shutdown(ctx context.Context, actor identity.Actor, runID string, req api.ReportShutdownRequest) error {
	who, err := s.speaker(ctx, actor, runID)
	if err != nil {
		return err
	}
	r := api.RunnerReport{State: api.RunStateSUCCEEDED}
	if e := req.Error; e != (api.ReportShutdownError{}) {
		if err := checkWord("error.category", e.Category, maxCategory); err != nil {
			return err
		}
		if err := checkText("error.message", e.Message, maxMessage-maxCategory-2); err != nil {
			return err
		}
		r = api.RunnerReport{State: api.RunStateFAILED, Message: e.Category + ": " + e.Message}
	}
	if !who.run.Live && who.execution == "" {
		return nil // it had ended by itself
	}
	_, err = s.changeFor(ctx, who, func(t *turn) error {
		if who.execution != "" {
			return s.cfg.finish(t, r)
		}
		t.consume(func(Command) bool { return true }) // nobody is left to take them
		if err := s.cfg.finish(t, r); err != nil {
			return err
		}
		t.endExecution(orElse(r.Message, "its process ended"))
		return nil
	})
	return err
}

// agentStates are the states by the words of agents that no runner drives.
var agentStates = map[api.UpdateRunFromAgentRequestTaskState]api.RunState{
	"CLAIMED": api.RunStateCLAIMED, "IN_PROGRESS": api.RunStateINPROGRESS, "INPROGRESS": api.RunStateINPROGRESS,
	"SUCCEEDED": api.RunStateSUCCEEDED, "FAILED": api.RunStateFAILED, "ERROR": api.RunStateERROR,
	"BLOCKED": api.RunStateBLOCKED, "CANCELLED": api.RunStateCANCELLED,
}

// Update takes the state that an agent reports which no runner drives.
func (s *Service) Update(ctx context.Context, actor identity.Actor, runID string, req api.UpdateRunFromAgentRequest) (Run, error) {
	who, err := s.speaker(ctx, actor, runID)
	if err != nil {
		return Run{}, err
	}
	if req.ConversationId != "" && req.ConversationId != who.run.ConversationID {
		return Run{}, api.Invalid("conversation_id", "is not the run's")
	}
	if err := checkText("status_message.message", req.StatusMessage.Message, maxMessage); err != nil {
		return Run{}, err
	}
	if req.TaskState == "" {
		return who.run, nil
	}
	state, ok := agentStates[req.TaskState]
	if !ok {
		return Run{}, api.Invalid("task_state", "%q is not for an agent to report", clip(string(req.TaskState), 64))
	}
	done, err := s.changeFor(ctx, who, func(t *turn) error {
		if state == api.RunStateCLAIMED || t.run.State.Ended() {
			return nil // it was claimed for it, or it comes too late
		}
		if err := t.atWork(); err != nil {
			return err
		}
		if state == api.RunStateINPROGRESS {
			t.takeMessages()
		}
		r := api.RunnerReport{State: state, Message: req.StatusMessage.Message,
			ErrorCode: api.PlatformErrorCode(strings.ToLower(req.StatusMessage.ErrorCode))}
		if r, err = checkReport(r); err != nil {
			return err
		}
		return t.report(r)
	})
	return done.Run, err
}

// takeMessages takes up what waits for an agent that no runner drives: it has been given it with its
// prompt, and nothing else will say so.
func (t *turn) takeMessages() {
	if t.exec.State == ExecutionStarted {
		return
	}
	t.consume(func(c Command) bool {
		if c.Kind != api.CommandKindFollowUp {
			return false
		}
		t.append(api.UserMessage{Text: c.Text, Author: c.Author, CommandID: c.ID, Mode: c.Mode, Attachments: attachmentIDs(c.Attachments)})
		return true
	})
}

// ReportArtifact lists something the agent made outside of its sandbox. What was reported before is
// the same artifact.
func (s *Service) ReportArtifact(ctx context.Context, actor identity.Actor, runID string, req api.ReportedArtifact) (uid string, err error) {
	who, err := s.speaker(ctx, actor, runID)
	if err != nil {
		return "", err
	}
	if req.ArtifactType != api.ArtifactTypePULLREQUEST && req.ArtifactType != api.ArtifactTypeEXTERNALREFERENCE {
		return "", api.Invalid("artifact_type", "must be PULL_REQUEST or EXTERNAL_REFERENCE; files are uploaded")
	}
	// What may be said of it is what its type has.
	d := api.ArtifactData{Url: req.Data.Url, Branch: req.Data.Branch}
	if req.ArtifactType == api.ArtifactTypeEXTERNALREFERENCE {
		d = api.ArtifactData{Url: req.Data.Url, ReferenceType: req.Data.ReferenceType, Title: req.Data.Title, Metadata: req.Data.Metadata}
	}
	report := api.ArtifactReport{ArtifactType: req.ArtifactType, Data: d}
	// The name makes it one however often, and from however many servers at once, it is reported.
	name := strings.Join([]string{who.run.ID, string(req.ArtifactType), d.Url, d.Branch, d.ReferenceType}, "\n")
	return s.addArtifact(ctx, who, uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String(), report)
}

// addArtifact lists an artifact under a uid, unless it is listed.
func (s *Service) addArtifact(ctx context.Context, who speaker, uid string, report api.ArtifactReport) (string, error) {
	report.Data.ArtifactUid = uid
	e, data, err := s.cfg.Entries.Check("artifact", api.MakeEntry(s.now(), report), s.now())
	if err != nil {
		return "", err
	}
	c, err := s.readArtifact(ctx, who.run.ID, "", checked{entry: e, data: data, uid: uid}, report)
	if err != nil {
		return "", err
	}
	if _, err := s.cfg.History.Artifact(ctx, uid); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
		return uid, err
	}
	_, err = s.changeFor(ctx, who, func(t *turn) error {
		if err := s.cfg.room(t, c.data); err != nil {
			return err
		}
		t.touch() // to make is to act
		return t.take(c)
	})
	if api.CodeOf(err) == api.PlatformErrorCodeConflict {
		// Somebody else was quicker, unless the execution is over.
		if _, again := s.cfg.History.Artifact(ctx, uid); again == nil {
			return uid, nil
		}
	}
	return uid, err
}
