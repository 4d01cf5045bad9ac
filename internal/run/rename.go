package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// maxRenamed bounds the runs of one conversation.
const maxRenamed = MaxPage

// Rename gives all runs of a conversation a title, and returns it as it is kept: one line.
func (s *Service) Rename(ctx context.Context, actor identity.Actor, conversationID, title string) (string, error) {
	if err := CheckID("conversationId", conversationID); err != nil {
		return "", err
	}
	if err := checkText("title", title, maxTitleBytes); err != nil {
		return "", err
	}
	if title = oneLine(title); title == "" {
		return "", api.Invalid("title", "is required")
	}
	r, err := s.newest(ctx, actor, conversationID)
	if err != nil {
		return "", err
	}
	if err := actor.Check(identity.PermSteer); err != nil {
		return "", err
	}
	runs := []Run{r}
	if r.ConversationID != r.ID {
		q := visible(actor, Query{ConversationID: r.ConversationID, Sort: api.RunSortCreatedAt, Limit: maxRenamed})
		page, err := s.cfg.Store.List(ctx, q)
		if err != nil {
			return "", fmt.Errorf("find conversation: %w", err)
		}
		runs = page.Runs
	}
	for _, r := range runs {
		if err := s.rename(ctx, r.ID, title); err != nil {
			return "", err
		}
	}
	return title, nil
}

// errSame ends a decision that would change nothing.
var errSame = errors.New("nothing to change")

func (s *Service) rename(ctx context.Context, id, title string) error {
	_, err := s.change(ctx, id, func(t *turn) error {
		if t.run.Title == title {
			return errSame
		}
		t.run.Title = title
		t.event(EventRenamed, title)
		return nil
	})
	if errors.Is(err, errSame) {
		return nil
	}
	return err
}
