package session

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Taker is the far end of a viewer that rests: see Viewer.Rest. Its methods are called by one
// goroutine at a time; they do not block and call nothing of the viewer.
type Taker interface {
	// Take gets what Viewer.Next would return. It reports whether all of it is passed on; of what is
	// not it keeps the rest, and is given no more before the viewer rests again.
	Take(chunks [][]byte) bool
	// Wake says that the viewer rests no longer: there is something that only Next can do, or Take
	// could not.
	Wake()
}

// A thousand viewers that each wait with a goroutine cost a thousand stacks while nothing happens and
// a thousand wake-ups when something does. Viewers that have all there is take a seat instead, and one
// goroutine of the room hands everybody what is new. Whoever cannot take it at once gets up and goes
// on alone, so that nobody waits for a slow one.

// seats are the viewers of a room that rest.
type seats struct {
	// news counts changes of the room that were not handed out yet. Whoever makes it 1 starts to.
	news atomic.Int64

	mu    sync.Mutex // taken before the room's; held while handing out
	taken []*Viewer
}

// seat is a viewer's part of it, guarded by seats.mu. While there is a taker, so are the viewer's
// numbers.
type seat struct {
	taker Taker // nil unless the viewer rests
	place int   // in seats.taken
	gone  bool  // the viewer was closed
}

// Rest leaves waiting to the room, if there is nothing new: from then on to gets what comes, until it
// is woken. Otherwise it reports false, and Next is to be called.
func (v *Viewer) Rest(to Taker) bool {
	s := &v.room.seats
	s.mu.Lock()
	defer s.mu.Unlock()
	n := v.room.since(v.seq, v.delta)
	if v.seat.gone || n.behind || n.over || len(n.chunks) > 0 || v.room.svc.ctx.Err() != nil {
		return false
	}
	v.seat.taker, v.seat.place = to, len(s.taken)
	s.taken = append(s.taken, v)
	return true
}

// Give hands something of the caller's to the taker of a viewer that rests, between what the room
// hands to it. To one that does not rest it gives nothing.
func (v *Viewer) Give(chunk []byte) {
	s := &v.room.seats
	s.mu.Lock()
	defer s.mu.Unlock()
	if to := v.seat.taker; to != nil && !to.Take([][]byte{chunk}) {
		s.vacate(v)
		to.Wake()
	}
}

// vacate takes a viewer's seat.
func (s *seats) vacate(v *Viewer) {
	last := len(s.taken) - 1
	other := s.taken[last]
	s.taken[v.seat.place], other.seat.place = other, v.seat.place
	s.taken[last] = nil
	s.taken = s.taken[:last]
	v.seat.taker = nil
}

// leave is the end of a viewer.
func (s *seats) leave(v *Viewer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.seat.gone = true
	if v.seat.taker != nil {
		s.vacate(v)
	}
}

// rouse wakes everybody.
func (s *seats) rouse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.taken {
		v.seat.taker.Wake()
		v.seat.taker = nil
	}
	s.taken = nil
}

// spread has what is new handed out. It does not wait for it: meanwhile more may come, which is then
// handed out together.
func (r *room) spread() {
	if r.seats.news.Add(1) == 1 {
		r.svc.done.Go(func() {
			for seen := int64(1); ; {
				r.handOut()
				if r.seats.news.CompareAndSwap(seen, 0) {
					return
				}
				seen = r.seats.news.Load()
			}
		})
	}
}

// handOut gives every viewer that rests what it lacks, and wakes those that must look themselves.
func (r *room) handOut() {
	s := &r.seats
	s.mu.Lock()
	defer s.mu.Unlock()
	shares := min(runtime.GOMAXPROCS(0), 1+len(s.taken)/enoughToShare)
	var others sync.WaitGroup
	for i := range shares {
		share := s.taken[i*len(s.taken)/shares : (i+1)*len(s.taken)/shares]
		if i == shares-1 {
			r.serve(share)
			continue
		}
		others.Go(func() { r.serve(share) })
	}
	others.Wait()
	stay := s.taken[:0]
	for _, v := range s.taken {
		if v.seat.taker != nil {
			v.seat.place = len(stay)
			stay = append(stay, v)
		}
	}
	clear(s.taken[len(stay):])
	s.taken = stay
}

// enoughToShare is how many viewers are worth another processor.
const enoughToShare = 128

// serve hands a share of the viewers what they lack. Most lack the same.
func (r *room) serve(share []*Viewer) {
	var n news
	seq, delta := int64(-1), int64(-1)
	for _, v := range share {
		if v.seq != seq || v.delta != delta {
			seq, delta = v.seq, v.delta
			n = r.since(seq, delta)
		}
		awake := n.behind || n.over
		if !n.behind && len(n.chunks) > 0 {
			v.seq, v.delta = max(v.seq, n.seq), n.delta
			awake = !v.seat.taker.Take(n.chunks) || awake
		}
		if awake {
			v.seat.taker.Wake()
			v.seat.taker = nil
		}
	}
}
