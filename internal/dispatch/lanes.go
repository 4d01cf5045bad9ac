package dispatch

import (
	"context"
	"sync"
)

// lanes runs functions: those of one key in order, those of different keys at once.
type lanes struct {
	slots chan struct{} // bounds functions running or waiting
	all   sync.WaitGroup

	mu   sync.Mutex
	busy map[string][]func() // by key: what waits for the one that runs
}

func newLanes(bound int) *lanes {
	return &lanes{slots: make(chan struct{}, bound), busy: make(map[string][]func())}
}

// do runs fn in the key's turn. It waits while too many are under way, and drops fn only when ctx
// ends while it waits.
func (l *lanes) do(ctx context.Context, key string, fn func()) {
	select {
	case l.slots <- struct{}{}:
	default:
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if waiting, ok := l.busy[key]; ok {
		l.busy[key] = append(waiting, fn)
		return
	}
	l.busy[key] = nil
	l.all.Go(func() { l.drive(key, fn) })
}

func (l *lanes) drive(key string, fn func()) {
	for fn != nil {
		fn()
		<-l.slots
		fn = l.next(key)
	}
}

func (l *lanes) next(key string) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.busy[key]
	if len(waiting) == 0 {
		delete(l.busy, key)
		return nil
	}
	l.busy[key] = waiting[1:]
	return waiting[0]
}

// wait returns when everything ran. Nothing may be added meanwhile.
func (l *lanes) wait() { l.all.Wait() }
