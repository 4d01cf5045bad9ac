package run

import (
	"context"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// maxPrompt bounds a prompt and every later message, in bytes.
const maxPrompt = 1 << 20

// FollowUp says something to a run. A waiting run keeps the message for its start, a working one
// receives it, one that waits for an answer takes it as that, and an ended one goes on: in its
// sandbox while that lives, else in a new execution.
func (s *Service) FollowUp(ctx context.Context, actor identity.Actor, id string, req api.RunFollowupRequest) (Run, error) {
	if _, err := s.reach(ctx, actor, id, identity.PermSteer); err != nil {
		return Run{}, err
	}
	if strings.TrimSpace(req.Message) == "" {
		return Run{}, api.Invalid("message", "is required")
	}
	if err := checkText("message", req.Message, maxPrompt); err != nil {
		return Run{}, err
	}
	if err := checkMode("mode", req.Mode); err != nil {
		return Run{}, err
	}
	files, err := s.say(ctx, id, req.Attachments)
	if err != nil {
		return Run{}, err
	}
	msg := Command{Kind: api.CommandKindFollowUp, Text: req.Message, Mode: req.Mode, Author: actor.Profile(), Attachments: files}
	done, err := s.change(ctx, id, func(t *turn) error { return decideFollowUp(t, msg, s.cfg) })
	return done.Run, err
}

// deaf are the sources whose runs take no messages: nobody is there to read the answer.
var deaf = map[api.RunSourceType]bool{
	api.RunSourceTypeGITHUBACTION: true, api.RunSourceTypeGITHUBWEBHOOK: true, api.RunSourceTypeGITLABWEBHOOK: true,
	api.RunSourceTypeRUNSCORER: true, api.RunSourceTypeAUTOFIX: true, api.RunSourceTypeSELFIMPROVEMENT: true,
	api.RunSourceTypeBENCHMARKTRIAL: true,
}

func decideFollowUp(t *turn, msg Command, cfg Config) error {
	if deaf[t.run.Source] {
		return api.Fail(api.PlatformErrorCodeOperationNotSupported, "a run started by %s takes no messages", t.run.Source)
	}
	if n := t.count(api.CommandKindFollowUp); n >= cfg.MaxWaiting {
		return api.Fail(api.PlatformErrorCodeResourceUnavailable, "%d messages already wait for this run", n)
	}
	resting := t.run.State.Ended() || t.run.State == api.RunStateBLOCKED
	if len(t.open) > 0 {
		return answerWithMessage(t, msg)
	}
	t.command(msg)
	if !resting {
		return nil
	}
	return resume(t)
}

// answerWithMessage takes a message as the answer to everything that is asked: a person who speaks
// instead of deciding declines what was asked and says what they want. A live runner is told by
// answers; the words are never delivered twice.
func answerWithMessage(t *turn, msg Command) error {
	for _, r := range t.open {
		a := api.RunAnswer{AnsweredAt: t.now, By: msg.Author, Text: msg.Text}
		if r.Kind != api.RequestKindQuestion {
			a.Decision = api.AnswerDecisionDeny
		}
		giveAnswer(t, r, a)
	}
	return resume(t)
}

// resume sets a resting run going: in its sandbox while that lives, else by a new execution.
func resume(t *turn) error {
	t.run.Attempts = 0
	if t.run.Live {
		return t.move(api.RunStateINPROGRESS, ByPerson, status{})
	}
	if t.run.Location == api.RunExecutionLocationLOCAL {
		return api.Fail(api.PlatformErrorCodeOperationNotSupported,
			"this run was carried out on a machine of its own and has stopped: continue it there")
	}
	return t.move(api.RunStateQUEUED, ByPerson, inLine(t.run.Host))
}

// inLine is the first reason of a queued run; dispatch replaces it by a better one.
func inLine(host string) status {
	return status{waiting: api.WaitingCodeInLine, why: "Waiting for a worker of host " + host + " to take it."}
}
