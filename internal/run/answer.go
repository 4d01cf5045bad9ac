package run

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// maxAnswer bounds the free words of an answer, in bytes.
const maxAnswer = 64 << 10

// errNotOpen says that a request is not among the open ones.
var errNotOpen = errors.New("request is not open")

// Answer decides something the run asked a person. When nothing is left open the run goes on. A
// request answered before is a conflict.
func (s *Service) Answer(ctx context.Context, actor identity.Actor, id, requestID string, req api.AnswerRequest) (Run, error) {
	if _, err := s.reach(ctx, actor, id, identity.PermSteer); err != nil {
		return Run{}, err
	}
	if err := checkText("text", req.Text, maxAnswer); err != nil {
		return Run{}, err
	}
	answer := api.RunAnswer{Decision: req.Decision, Choices: req.Choices, Text: req.Text, By: actor.Profile()}
	done, err := s.change(ctx, id, func(t *turn) error { return decideAnswer(t, requestID, answer) })
	if errors.Is(err, errNotOpen) {
		return Run{}, s.notOpen(ctx, id, requestID)
	}
	return done.Run, err
}

// notOpen tells a request that never was from one answered already.
func (s *Service) notOpen(ctx context.Context, id, requestID string) error {
	all, err := s.cfg.History.Requests(ctx, id)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.ID == requestID {
			return final(errNotOpen, "this request was answered already")
		}
	}
	return api.NotFound("request", requestID)
}

func decideAnswer(t *turn, requestID string, answer api.RunAnswer) error {
	for _, r := range t.open {
		if r.ID != requestID {
			continue
		}
		if err := checkAnswer(r, answer); err != nil {
			return err
		}
		answer.AnsweredAt = t.now
		giveAnswer(t, r, answer)
		if len(t.open) > 0 {
			return nil
		}
		return resume(t)
	}
	return errNotOpen
}

// giveAnswer records an answer and tells a live runner. A runner that starts later reads the entry.
func giveAnswer(t *turn, r Request, a api.RunAnswer) {
	t.append(api.Answer{RequestID: r.ID, Decision: a.Decision, Choices: a.Choices, Text: a.Text, By: a.By})
	t.answer(r, a)
	if t.run.Live {
		t.command(Command{Kind: api.CommandKindAnswer, RequestID: r.ID, Answer: &a, Author: a.By})
	}
}

// checkAnswer refuses an answer that does not fit what was asked.
func checkAnswer(r Request, a api.RunAnswer) error {
	switch r.Kind {
	case api.RequestKindPermission:
		if !slices.Contains([]api.AnswerDecision{api.AnswerDecisionAllow, api.AnswerDecisionAllowAlways, api.AnswerDecisionDeny}, a.Decision) {
			return api.Invalid("decision", "must be allow, allow_always or deny")
		}
	case api.RequestKindPlan:
		if a.Decision != api.AnswerDecisionAllow && a.Decision != api.AnswerDecisionDeny {
			return api.Invalid("decision", "must be allow or deny")
		}
	default:
		return checkChoices(r, a)
	}
	if len(a.Choices) > 0 {
		return api.Invalid("choices", "only a question has choices")
	}
	return nil
}

func checkChoices(r Request, a api.RunAnswer) error {
	switch {
	case a.Decision != "":
		return api.Invalid("decision", "a question takes choices or text")
	case len(a.Choices) == 0 && strings.TrimSpace(a.Text) == "":
		return api.Invalid("text", "an answer needs choices or text")
	case len(a.Choices) > 1 && !r.Multiple:
		return api.Invalid("choices", "only one option may be chosen")
	}
	for i, c := range a.Choices {
		if !slices.Contains(r.Options, c) {
			return api.Invalid("choices", "%q is not an option", clip(c, 100))
		}
		if slices.Contains(a.Choices[:i], c) {
			return api.Invalid("choices", "%q is chosen twice", clip(c, 100))
		}
	}
	return nil
}

// Requests lists what the run asked a person, oldest first.
func (s *Service) Requests(ctx context.Context, actor identity.Actor, id string) ([]Request, error) {
	if _, err := s.reach(ctx, actor, id, identity.PermRead); err != nil {
		return nil, err
	}
	return s.cfg.History.Requests(ctx, id)
}
