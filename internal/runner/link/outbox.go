package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/fault"
)

// Bounds of the outbox where the server names none.
const (
	defaultBatch = 100
	defaultEntry = 256 << 10
	batchBytes   = 1 << 20
	// queueBytes bounds what waits while the server is away. Producers wait beyond it: an agent that
	// is slowed down is better than a sandbox that runs out of memory.
	queueBytes = 32 << 20
)

// Outbox delivers entries and reports in the order they were put, each exactly once. What is put
// while a request is on its way leaves together in the next one, so that a burst costs few
// transactions and a single entry no delay. A batch that was not acknowledged is sent again
// unchanged under the same index until it is.
type Outbox struct {
	client   *Client
	maxBatch int
	maxEntry int
	now      func() time.Time

	mu      sync.Mutex
	kept    *Kept // news for the next request
	urgent  bool  // it asks for a request of its own
	queue   []*parcel
	bytes   int
	next    int64 // index of the first entry not acknowledged
	last    api.RunnerAppendResponse
	err     error         // set once: nothing is delivered any more
	changed chan struct{} // closed and replaced whenever anything above changes
}

// Kept says how far the workspace is kept: in the last snapshot is what was done up to entry Seq.
type Kept struct {
	Blob string // of the last snapshot of this execution; empty when it made none
	Seq  int64
}

// parcel is what one Put queued. It is never split, unless it is larger than a batch by itself: then
// several parcels share a receipt, which the last one completes.
type parcel struct {
	entries []api.NewEntry
	report  *api.RunnerReport
	bytes   int
	receipt *Receipt
	last    bool
}

// settle notes how the delivery of the parcel ended.
func (p *parcel) settle(lastSeq int64, err error) {
	if p.receipt.err == nil {
		p.receipt.err = err
	}
	p.receipt.lastSeq = lastSeq
	if p.last {
		close(p.receipt.done)
	}
}

// Receipt tells when something put is durable.
type Receipt struct {
	done    chan struct{}
	lastSeq int64
	err     error
}

// LastSeq is, after Wait succeeded, the number of the last entry stored with the batch.
func (r *Receipt) LastSeq() int64 { return r.lastSeq }

func newReceipt() *Receipt { return &Receipt{done: make(chan struct{})} }

// Wait returns when what was put is durable, or an error says that it never will be. The end of ctx
// ends only the waiting; its cause is returned.
func (r *Receipt) Wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	default:
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// NewOutbox makes the outbox of an execution that was just started.
func NewOutbox(c *Client, a api.RunnerAssignment) *Outbox {
	o := &Outbox{client: c, maxBatch: a.Limits.MaxBatchEntries, maxEntry: a.Limits.MaxEntryBytes, now: time.Now, next: a.NextIndex,
		last: api.RunnerAppendResponse{LastSeq: a.LastSeq}, changed: make(chan struct{})}
	if o.maxBatch <= 0 {
		o.maxBatch = defaultBatch
	}
	if o.maxEntry <= 0 {
		o.maxEntry = defaultEntry
	}
	return o
}

// Put queues entries and, optionally, a report that is stored with the last of them. It waits only
// while too much is queued. An entry larger than the server takes is refused with an *api.Failure and
// nothing is queued.
func (o *Outbox) Put(ctx context.Context, report *api.RunnerReport, entries ...api.NewEntry) (*Receipt, error) {
	size := 64
	for i := range entries {
		if n := len(entries[i].Data); n > o.maxEntry {
			return nil, api.Invalid("data", "a %s entry of %d bytes is larger than the %d allowed", entries[i].Type, n, o.maxEntry)
		}
		if entries[i].CreatedAt.IsZero() {
			entries[i].CreatedAt = o.now().UTC()
		}
		size += len(entries[i].Data) + 128
	}
	receipt := newReceipt()
	err := o.add(ctx, size, func() {
		for len(entries) > o.maxBatch {
			o.queue = append(o.queue, &parcel{entries: entries[:o.maxBatch:o.maxBatch], receipt: receipt})
			entries = entries[o.maxBatch:]
		}
		o.queue = append(o.queue, &parcel{entries: entries, report: report, bytes: size, receipt: receipt, last: true})
	})
	return receipt, err
}

// add queues what put appends, once there is room for its size.
func (o *Outbox) add(ctx context.Context, size int, put func()) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && o.bytes > 0 && o.bytes+size > queueBytes {
		if err := o.wait(ctx); err != nil {
			return err
		}
	}
	if o.err != nil {
		return o.err
	}
	put()
	o.bytes += size
	o.signal()
	return nil
}

// PutKept passes on how far the workspace is kept: with the next request, or at once if nothing else
// is going to be put soon.
func (o *Outbox) PutKept(k Kept, atOnce bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.kept, o.urgent = &k, o.urgent || atOnce
		o.signal()
	}
}

// LastSeq is the number of the last entry known to be stored.
func (o *Outbox) LastSeq() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last.LastSeq
}

// Flush waits until everything put so far is durable.
func (o *Outbox) Flush(ctx context.Context) error {
	o.mu.Lock()
	n := len(o.queue)
	err := o.err
	var last *Receipt
	if n > 0 {
		last = o.queue[n-1].receipt
	}
	o.mu.Unlock()
	if last == nil {
		return err
	}
	return last.Wait(ctx)
}

// State is the run's state as the server last answered; empty before the first answer.
func (o *Outbox) State() api.RunState {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last.State
}

// Run delivers until ctx ends or the execution is over. What was not delivered then fails with the
// error returned: ctx's cause, or one that matches ErrOver.
func (o *Outbox) Run(ctx context.Context) error {
	for {
		batch, kept, err := o.take(ctx)
		if err == nil {
			err = o.deliver(ctx, batch, kept)
		}
		if err != nil {
			o.fail(err)
			return err
		}
	}
}

// take waits for something to deliver and returns the parcels of the next batch, which stay queued,
// and the news about the workspace.
func (o *Outbox) take(ctx context.Context) ([]*parcel, *Kept, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queue) == 0 && !o.urgent {
		if err := o.wait(ctx); err != nil {
			return nil, nil, err
		}
	}
	kept := o.kept
	o.kept, o.urgent = nil, false
	count, size, n := 0, 0, 0
	for _, p := range o.queue {
		count += len(p.entries)
		size += p.bytes
		if n > 0 && (count > o.maxBatch || size > batchBytes) {
			break
		}
		n++
		if p.report != nil {
			break // a report belongs after the last entry of its batch
		}
	}
	return o.queue[:n:n], kept, nil
}

// deliver sends one batch until it is acknowledged. A batch the server refuses for good is given up,
// with its producers told, so that the rest of the session can still be delivered.
func (o *Outbox) deliver(ctx context.Context, batch []*parcel, kept *Kept) error {
	req := api.RunnerAppendRequest{FirstIndex: o.next, Entries: []api.NewEntry{}}
	for _, p := range batch {
		req.Entries = append(req.Entries, p.entries...)
		if p.report != nil {
			req.Report = *p.report
		}
	}
	if kept != nil {
		req.SnapshotBlobId, req.SnapshotSeq = kept.Blob, kept.Seq
	}
	var rsp api.RunnerAppendResponse
	err := o.client.insist(ctx, "append entries", func(ctx context.Context) error {
		fault.Here(fault.RunnerBeforeAppend)
		var err error
		rsp, err = post[api.RunnerAppendResponse](ctx, o.client, "/runner/entries", req)
		return err
	})
	if err != nil && (errors.Is(err, ErrOver) || ctx.Err() != nil) {
		return err
	}
	if err == nil {
		fault.Here(fault.RunnerAfterAppend)
		if want := req.FirstIndex + int64(len(req.Entries)); rsp.NextIndex != want {
			return fmt.Errorf("%w: the server counts %d entries where %d were sent", ErrOver, rsp.NextIndex, want)
		}
	}
	o.settle(batch, rsp, err)
	return nil
}

func (o *Outbox) settle(batch []*parcel, rsp api.RunnerAppendResponse, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		o.next, o.last = rsp.NextIndex, rsp
	}
	for _, p := range batch {
		o.bytes -= p.bytes
		p.settle(rsp.LastSeq, err)
	}
	clear(o.queue[:len(batch)])
	o.queue = o.queue[len(batch):]
	o.signal()
}

func (o *Outbox) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
	for _, p := range o.queue {
		p.settle(0, err)
	}
	o.queue, o.bytes = nil, 0
	o.signal()
}

// wait releases the lock until something changed or ctx ended.
func (o *Outbox) wait(ctx context.Context) error {
	changed := o.changed
	o.mu.Unlock()
	defer o.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (o *Outbox) signal() {
	close(o.changed)
	o.changed = make(chan struct{})
}
