package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
)

// letter is a message to a run.
func letter(to, subject string) run.Message {
	return run.Message{ID: newID(), RunID: to, SenderRunID: newID(), Author: api.UserProfile{Uid: "u", DisplayName: "U"}, Subject: subject, Body: "body of " + subject, SentAt: noon}
}

// post puts messages into mailboxes, with their events.
func (b *bundle) post(messages ...run.Message) error {
	ids := make([]string, len(messages))
	for i, m := range messages {
		ids[i] = m.RunID
	}
	_, err := b.runs.ChangeAll(b.ctx, ids, func(i int, cur run.Current) (run.Change, error) {
		m := messages[i]
		cur.Run.MailBytes += 100
		return run.Change{
			Run: &cur.Run, Messages: []run.Message{m}, Commands: []run.Command{{Kind: api.CommandKindMessage, RequestID: m.ID}},
			Events: []run.Event{{Type: run.EventMessage, RefID: m.ID, At: m.SentAt}},
		}, nil
	})
	return err
}

func testMessages(b *bundle) {
	one, two := b.insert(nil), b.insert(nil)
	mail := store.NewMail(b.db)
	first, second, other := letter(one.ID, "first"), letter(one.ID, "second"), letter(two.ID, "other")
	second.SentAt = noon.Add(time.Second)
	b.ok(b.post(first, other))
	b.ok(b.post(second))

	found, err := b.runs.Messages(b.ctx, first.ID, other.ID, newID())
	b.ok(err)
	same(b, "messages by id", found, map[string]run.Message{first.ID: first, other.ID: other})
	inbox := func(unread bool, since time.Time, limit int) (subjects []string) {
		list, err := mail.Inbox(b.ctx, one.ID, unread, since, limit)
		b.ok(err)
		for _, m := range list {
			if m.Body != "" {
				b.Errorf("a list has the text of %s", m.Subject)
			}
			subjects = append(subjects, m.Subject)
		}
		return subjects
	}
	same(b, "inbox", inbox(false, time.Time{}, 10), []string{"first", "second"})
	same(b, "inbox, one", inbox(false, time.Time{}, 1), []string{"first"})
	same(b, "inbox since", inbox(false, second.SentAt, 10), []string{"second"})
	b.ok(mail.MarkRead(b.ctx, first, noon.Add(time.Hour)))
	b.ok(mail.MarkRead(b.ctx, first, noon.Add(2*time.Hour))) // the first time counts
	same(b, "unread", inbox(true, time.Time{}, 10), []string{"second"})

	for range 2 {
		_, err = b.runs.Change(b.ctx, one.ID, func(cur run.Current) (run.Change, error) {
			same(b, "bytes of mail", cur.Run.MailBytes, int64(200))
			return run.Change{Delivered: []string{first.ID, other.ID}}, nil // the other one is not its own
		})
		b.ok(err)
	}
	found, err = b.runs.Messages(b.ctx, first.ID, other.ID)
	b.ok(err)
	if m := found[first.ID]; m.DeliveredAt.IsZero() || !m.ReadAt.Equal(noon.Add(time.Hour)) {
		b.Errorf("delivered and read: %+v", m)
	}
	if !found[other.ID].DeliveredAt.IsZero() {
		b.Error("a run marks another's message")
	}
}

// testMessagesAllOrNone: one recipient that refuses undoes the others, with their events.
func testMessagesAllOrNone(b *bundle) {
	one, two := b.insert(nil), b.insert(nil)
	last, err := b.events.Last(b.ctx)
	b.ok(err)
	refusal := errors.New("full")
	_, err = b.runs.ChangeAll(b.ctx, []string{one.ID, two.ID}, func(i int, cur run.Current) (run.Change, error) {
		if i == 1 {
			return run.Change{}, refusal
		}
		return run.Change{Messages: []run.Message{letter(one.ID, "x")}, Events: []run.Event{{Type: run.EventMessage}}}, nil
	})
	if !errors.Is(err, refusal) {
		b.Errorf("refused with %v", err)
	}
	_, err = b.runs.ChangeAll(b.ctx, []string{one.ID, newID()}, func(int, run.Current) (run.Change, error) { return run.Change{}, nil })
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	m := letter(one.ID, "twice")
	b.ok(b.post(m))
	b.code(b.post(m), api.PlatformErrorCodeConflict)
	after, err := b.events.Last(b.ctx)
	b.ok(err)
	same(b, "events", after, last+1)
}

// testMessageBeforeTheEnd: whoever follows the events sees what a run said before it sees the run end, with
// many writing at once; the other way round nobody would wait for the words.
func testMessageBeforeTheEnd(b *bundle) {
	const pairs = 12
	parents, children := make([]run.Run, pairs), make([]run.Run, pairs)
	for i := range pairs {
		parents[i], children[i] = b.insert(nil), b.insert(nil)
	}
	var wg sync.WaitGroup
	for i := range pairs {
		wg.Go(func() {
			b.ok(b.post(letter(parents[i].ID, fmt.Sprint(i)), letter(parents[(i+1)%pairs].ID, fmt.Sprint(i))))
			_, err := b.runs.Change(b.ctx, children[i].ID, func(cur run.Current) (run.Change, error) {
				cur.Run.State, cur.Run.UpdatedAt = api.RunStateSUCCEEDED, noon.Add(time.Minute)
				return run.Change{Run: &cur.Run, Events: []run.Event{{Type: run.EventSucceeded, State: cur.Run.State, At: noon}}}, nil
			})
			b.ok(err)
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	told := map[string]int{} // messages seen, by recipient
	ended := 0
	for after, over := int64(0), false; ended < pairs; {
		select {
		case <-done:
			over = true
		default:
		}
		events, err := b.events.After(b.ctx, after, 100)
		b.ok(err)
		for _, e := range events {
			after = e.Seq
			switch e.Type {
			case run.EventMessage:
				told[e.RunID]++
			case run.EventSucceeded:
				ended++
				i := slices.IndexFunc(children, func(r run.Run) bool { return r.ID == e.RunID })
				if told[parents[i].ID] == 0 {
					b.Errorf("child %d is seen to end before what it said", i)
				}
			}
		}
		if over && len(events) == 0 && ended < pairs {
			b.Fatalf("%d of %d ends seen", ended, pairs)
		}
	}
}

// testFollowedEvents: those of the runs asked for, in one order, without what only the server needs.
func testFollowedEvents(b *bundle) {
	const runs = 45 // more than one statement asks about
	ids := make([]string, runs)
	for i := range ids {
		ids[i] = b.insert(nil).ID
	}
	stranger := b.insert(nil)
	for i := range 3 {
		for _, id := range ids {
			b.ok(b.post(letter(id, fmt.Sprint(i))))
		}
		b.ok(b.post(letter(stranger.ID, "not asked for")))
	}
	last, err := b.events.Last(b.ctx)
	b.ok(err)
	var got []int64
	for since := int64(0); ; {
		page, err := b.events.Of(b.ctx, ids, since, last, 20)
		b.ok(err)
		for _, e := range page {
			if e.Type != run.EventMessage || !slices.Contains(ids, e.RunID) {
				b.Errorf("an event of %s: %s", e.RunID, e.Type)
			}
			got = append(got, e.Seq)
			since = e.Seq
		}
		if len(page) < 20 {
			break
		}
	}
	if len(got) != 3*runs || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		b.Errorf("%d events, want %d: %d", len(got), 3*runs, got)
	}
	page, err := b.events.Of(b.ctx, ids, 0, got[9], 500)
	b.ok(err)
	same(b, "events up to a number", len(page), 10)
	n, err := b.runs.LastEvent(b.ctx, ids[0], run.EventMessage)
	b.ok(err)
	same(b, "the last message of a run", n, got[2*runs])
}

func testClientEvents(b *bundle) {
	r := b.insert(nil)
	e := run.ClientEvent{UUID: newID(), Name: "setup_caches", At: noon, Duration: 1500 * time.Millisecond, Failed: true}
	again := e
	again.Name = "another"
	later := run.ClientEvent{UUID: newID(), Name: "agent_started", At: noon.Add(time.Second)}
	for _, one := range []run.ClientEvent{later, e, again, {UUID: newID(), Name: "too many", At: noon}} {
		b.ok(b.runs.NoteClient(b.ctx, r.ID, one, 2))
	}
	list, err := b.runs.ClientEvents(b.ctx, r.ID)
	b.ok(err)
	same(b, "client events", list, []run.ClientEvent{e, later})
}
