package session

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// keepPages is how many pages of its past a room keeps at most, and only until it next looks for
// news by itself: they are for many viewers who come at once.
const keepPages = 8

// history is what viewers read of a run's past, which the window no longer holds: pages of pageEntries
// entries, each read and encoded once for all who want it.
type history struct {
	mu    sync.Mutex
	pages map[int64]*page
	order []int64
}

// page is one of them. Its lock is held while it is read, so that others wait instead of reading.
type page struct {
	mu   sync.Mutex
	held *window // nil until read
}

// at returns the page of a number, forgetting the oldest if there are too many.
func (h *history) at(number int64) *page {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.pages[number]
	if p != nil {
		return p
	}
	if len(h.order) == keepPages {
		delete(h.pages, h.order[0])
		h.order = h.order[1:]
	}
	if h.pages == nil {
		h.pages = make(map[int64]*page)
	}
	p = &page{}
	h.pages[number] = p
	h.order = append(h.order, number)
	return p
}

// drop forgets a page too large to keep.
func (h *history) drop(number int64, p *page) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pages[number] == p {
		delete(h.pages, number)
		h.order = slices.DeleteFunc(h.order, func(n int64) bool { return n == number })
	}
}

func (h *history) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pages, h.order = nil, nil
}

// past returns the encoded entries after seq, to the end of their page, and the number of the last.
// There must be at least one.
func (r *room) past(ctx context.Context, seq int64) ([]byte, int64, error) {
	number := seq / pageEntries
	p := r.history.at(number)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil || p.held.last() <= seq { // not read, or read before it was full
		w, err := r.readPage(ctx, number*pageEntries)
		if err != nil {
			return nil, 0, fmt.Errorf("read session: %w", err)
		}
		if w.last() <= seq {
			return nil, 0, fmt.Errorf("read session: entry %d is missing", seq+1)
		}
		p.held = w
		if len(w.buf) > r.svc.cfg.WindowBytes {
			r.history.drop(number, p)
		}
	}
	entries, _ := p.held.after(seq)
	return entries, p.held.last(), nil
}

// readPage reads and encodes a page of entries after a number.
func (r *room) readPage(ctx context.Context, after int64) (*window, error) {
	entries, err := r.svc.cfg.Log.Entries(ctx, r.runID, after, pageEntries)
	if err != nil {
		return nil, err
	}
	w := &window{first: after + 1}
	for i := range entries {
		if want := w.last() + 1; entries[i].Seq != want {
			return nil, fmt.Errorf("entry %d is where %d should be", entries[i].Seq, want)
		}
		w.append(r.svc.cfg.Encode(Item{Entry: &entries[i]}))
	}
	return w, nil
}
