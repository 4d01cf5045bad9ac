package session

import (
	"slices"
	"time"
)

// lookAtOnce bounds the rooms asked about in one query.
const lookAtOnce = 200

// lookOut asks the log about all rooms, again and again, and makes those look that missed something:
// hints may be lost. One query for many costs a tenth of what a query of each room does.
func (s *Service) lookOut() {
	tick := time.NewTicker(s.cfg.Poll)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		for rooms := range slices.Chunk(s.opened(), lookAtOnce) {
			if err := s.lookAt(rooms); err != nil && s.ctx.Err() == nil {
				s.cfg.Logger.Warn("cannot look after sessions; trying again", "error", err)
				break
			}
		}
	}
}

// opened lists the rooms that have been opened.
func (s *Service) opened() []*room {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*room, 0, len(s.rooms))
	for _, r := range s.rooms {
		select {
		case <-r.ready:
			list = append(list, r)
		default:
		}
	}
	return list
}

func (s *Service) lookAt(rooms []*room) error {
	ids := make([]string, len(rooms))
	for i, r := range rooms {
		ids[i] = r.runID
		r.history.clear()
	}
	heads, err := s.cfg.Log.Heads(s.ctx, ids)
	if err != nil {
		return err
	}
	for _, r := range rooms {
		if head, there := heads[r.runID]; !there || !r.agrees(head) {
			r.look()
		}
	}
	return nil
}

// agrees reports whether the room shows all that its session is known to hold.
func (r *room) agrees(head Head) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return head.LastSeq <= r.window.last() && head.State.Ended() == r.over
}

// look makes the room look at the log soon.
func (r *room) look() {
	select {
	case r.poke <- struct{}{}:
	default: // it has been told
	}
}
