package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store/posting"
)

const (
	// followStep is how many events the index follows at a time.
	followStep = 2000
	// quiet is how long nothing may have been created before the index follows by itself, and overdue
	// how long that is waited for: a burst of creates has the machine to itself.
	quiet   = 250 * time.Millisecond
	overdue = 4 * time.Second
	// beginning is how long a query waits for a server that has just started to read what it needs: a
	// block of runs at most, unless the index was never built.
	beginning = 5 * time.Second
	// followPoll is how often a server looks for what other servers created.
	followPoll = 5 * time.Second
	// settled is how many newer runs a block waits for before it is stored. PostgreSQL gives numbers
	// before it commits, so that a run may turn up after its successors; one that comes later still is
	// added to the stored block.
	settled = 1024
	// storeChunk is how many rows of a block one operation writes, so that creates wait 1–2 ms for it.
	storeChunk = 128
)

// searchIndex knows which runs have which terms. It follows the creates in the order of their events,
// behind them: runs of blocks that are full are in search_postings, later ones in memory, and a query
// first takes in what it has not seen yet. So its answers are complete, and a create costs nothing.
//
// Every server has one. They store the same rows.
type searchIndex struct {
	db   *DB
	wake chan struct{} // something may have been created
	// complete says that the index was level with the events a moment ago, begun is closed when it was
	// for the first time.
	complete atomic.Bool
	begun    chan struct{}

	once      sync.Once
	following sync.Mutex // held while seq moves; taken before mu
	storing   sync.Mutex // held while blocks are stored; taken before mu
	mu        sync.RWMutex
	blocks    map[int64]*tailBlock // not stored yet
	recent    recent               // has a lock of its own
	seq       int64                // every create up to this event is in blocks or stored
	newest    int64                // highest run number seen
	loaded    bool                 // seq was read
}

// tailBlock is a block in memory with the first event of its runs.
type tailBlock struct {
	*posting.Block
	first  int64
	stored bool // some rows of it are in the database
}

func newSearchIndex(db *DB) *searchIndex {
	return &searchIndex{db: db, wake: make(chan struct{}, 1), begun: make(chan struct{}), blocks: map[int64]*tailBlock{}}
}

// poke says that something may have been created. It never blocks.
func (x *searchIndex) poke() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// loop keeps the index level with what is created until the store closes.
func (x *searchIndex) loop() {
	ctx, stop := context.WithCancel(context.Background())
	x.db.loops.Go(func() {
		<-x.db.closing
		stop()
	})
	for ctx.Err() == nil {
		for ctx.Err() == nil {
			done, err := x.follow(ctx)
			if err != nil && ctx.Err() == nil {
				x.db.opts.Logger.Warn("search index", "error", err)
			}
			if done || err != nil {
				break
			}
		}
		x.pause(ctx)
	}
}

// pause waits until something was created and the creating has calmed down.
func (x *searchIndex) pause(ctx context.Context) {
	var poll <-chan time.Time
	if x.db.dialect == postgres {
		t := time.NewTimer(followPoll)
		defer t.Stop()
		poll = t.C
	}
	select {
	case <-ctx.Done():
		return
	case <-poll:
		return
	case <-x.wake:
	}
	late := time.NewTimer(overdue)
	defer late.Stop()
	calm := time.NewTimer(quiet)
	defer calm.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-late.C:
			return
		case <-calm.C:
			return
		case <-x.wake:
			calm.Reset(quiet)
		}
	}
}

// follow takes in the next creates, then stores blocks that are full, during which queries go on. done means that there are no
// further ones.
func (x *searchIndex) follow(ctx context.Context) (done bool, err error) {
	x.following.Lock()
	done, err = x.step(ctx)
	x.following.Unlock()
	if err != nil {
		return false, err
	}
	if x.complete.Store(done); done {
		x.once.Do(func() { close(x.begun) })
	}
	return done, x.storeFull(ctx)
}

// step takes in at most followStep events.
func (x *searchIndex) step(ctx context.Context) (done bool, err error) {
	if err := x.load(ctx); err != nil {
		return false, err
	}
	last, err := one(value[int64])(x.db.query(ctx, "SELECT coalesce(max(seq), 0) FROM lifecycle_events"))
	if err != nil {
		return false, err
	}
	if last <= x.seq {
		return true, nil
	}
	upTo := min(last, x.seq+followStep)
	docs, err := all(scanDoc)(x.db.query(ctx, selectDocs, x.seq, upTo))
	if err != nil {
		return false, err
	}
	for _, d := range docs {
		if err := x.room(ctx, d); err != nil {
			return false, err
		}
	}
	if err := x.tell(ctx, docs, upTo); err != nil {
		return false, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, d := range docs {
		block, place := posting.Split(d.n)
		b := x.blocks[block]
		fresh := b.Add(place, d.terms)
		if !fresh && d.renamed {
			b.AddTerms(place, posting.Text(nil, strings.ToLower(d.title)))
		}
		if (fresh || d.renamed) && b.first == 0 {
			b.first = d.seq
		}
		x.newest = max(x.newest, d.n)
	}
	x.seq = upTo
	return upTo == last, nil
}

// tell passes on what became of runs up to an event.
func (x *searchIndex) tell(ctx context.Context, docs []doc, upTo int64) error {
	known := x.db.known
	if !known.any() {
		return nil
	}
	for _, d := range docs {
		known.follow(d.moved)
	}
	list, err := all(scanMoved)(x.db.query(ctx, selectMoved, x.seq, upTo))
	if err != nil {
		return err
	}
	for _, m := range list {
		known.follow(m)
	}
	return known.followKinds(ctx, x.seq, upTo)
}

// load reads how far the stored part goes.
func (x *searchIndex) load(ctx context.Context) error {
	if x.loaded {
		return nil
	}
	seq, err := one(value[int64])(x.db.query(ctx, "SELECT seq FROM search_state WHERE id = 1"))
	if err != nil {
		return err
	}
	x.seq, x.loaded = seq, true
	return nil
}

// room makes the block of a run, with the runs of it that are stored.
func (x *searchIndex) room(ctx context.Context, d doc) error {
	block, _ := posting.Split(d.n)
	if x.blocks[block] != nil {
		return nil
	}
	var known posting.Bits
	row, err := one(value[[]byte])(x.db.query(ctx, "SELECT docs FROM search_postings WHERE term = $1 AND block = $2",
		int64(posting.Every), block))
	stored := err == nil
	switch {
	case stored:
		x.recent.forget() // another server stored it, perhaps after it was read
		err = known.OrEncoded(row)
	case errors.Is(err, sql.ErrNoRows):
		err = nil
	}
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.blocks[block] = &tailBlock{Block: posting.NewBlock(known), stored: stored}
	return nil
}

// doc is a run as the index sees it.
type doc struct {
	moved
	seq      int64
	renamed  bool
	metadata map[string]string
	terms    []posting.Term
}

// selectDocs reads the runs created, or given another title, by events after one up to another.
const selectDocs = "SELECT e.seq, e.type = 'run_renamed', " + docColumns + `
	FROM lifecycle_events e JOIN runs r ON r.id = e.run_id JOIN run_specs p ON p.run_id = r.id
	WHERE e.seq > $1 AND e.seq <= $2 AND e.type IN ('run_created', 'run_renamed') AND r.owner_type <> '` + nowhere + `' ORDER BY e.seq`

// docColumns are those of runs r and their specifications p, for scanDoc after the event's number.
const docColumns = `r.n, r.id, r.state, r.updated_at, r.created_at, r.owner_type, r.owner_uid, r.source, r.location, r.config_name, r.model_id,
	r.creator_uid, r.executor_uid, r.environment_id, r.skill, r.schedule_id, r.title, p.prompt, p.metadata`

func scanDoc(row scanner) (d doc, err error) {
	var source, location, name, model, creator, executor, environment, schedule string
	var prompt, metadata string
	d.fresh = true
	err = row.Scan(&d.seq, &d.renamed, &d.n, &d.id, &d.state, &d.updated, &d.created, &d.owner.Type, &d.owner.UID, &source, &location,
		&name, &model, &creator, &executor, &environment, &d.skill, &schedule, &d.title, &prompt, &metadata)
	if err != nil {
		return d, err
	}
	if err := decode(metadata, &d.metadata); err != nil {
		return d, err
	}
	d.terms = append(d.terms, ownerTerm(d.owner), posting.Member(memberEnvironment, environment))
	for member, value := range map[string]string{
		memberSource: source, memberLocation: location, memberName: name, memberModel: model, memberCreator: creator,
		memberExecutor: executor, memberSkill: d.skill, memberSchedule: schedule,
	} {
		if value != "" {
			d.terms = append(d.terms, posting.Member(member, value))
		}
	}
	for key, value := range d.metadata {
		d.terms = append(d.terms, metadataTerm(key, value))
	}
	// A character begins three terms at most; what occurs twice falls away again.
	text := make([]posting.Term, 0, 3*(len(d.title)+len(prompt)+len(d.skill)))
	text = posting.Text(text, strings.ToLower(d.title), strings.ToLower(prompt), strings.ToLower(d.skill))
	d.terms = append(d.terms, text...)
	return d, nil
}

// The members of a run that are terms. None of them ever changes; its title may.
const (
	memberOwner       = "owner"
	memberSource      = "source"
	memberLocation    = "location"
	memberName        = "name"
	memberModel       = "model"
	memberCreator     = "creator"
	memberExecutor    = "executor"
	memberEnvironment = "environment"
	memberSkill       = "skill"
	memberSchedule    = "schedule"
	memberMetadata    = "metadata"
)

func ownerTerm(o identity.Owner) posting.Term {
	o, _ = unshelved(o) // a term never changes
	return posting.Member(memberOwner, string(o.Type)+"\x00"+o.UID)
}

func metadataTerm(key, value string) posting.Term {
	return posting.Member(memberMetadata, key+"\x00"+value)
}

// termsOf lists the terms that every run a query selects has.
func termsOf(q run.Query) []posting.Term {
	var terms []posting.Term
	environment := q.EnvironmentID
	if environment == run.EmptyEnvironment {
		terms = append(terms, posting.Member(memberEnvironment, ""))
		environment = ""
	}
	for _, m := range []struct{ name, value string }{
		{memberSource, string(q.Source)}, {memberLocation, string(q.Location)}, {memberName, q.Name},
		{memberModel, q.ModelID}, {memberCreator, q.Creator}, {memberExecutor, q.Executor},
		{memberEnvironment, environment}, {memberSkill, q.Skill}, {memberSchedule, q.ScheduleID},
	} {
		if m.value != "" {
			terms = append(terms, posting.Member(m.name, m.value))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(q.Metadata)) {
		terms = append(terms, metadataTerm(key, q.Metadata[key]))
	}
	for _, f := range fragments(q.Text) {
		terms = append(terms, posting.Lookups(f)...)
	}
	return terms
}
