package storetest

import (
	"errors"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/run"
)

func (b *bundle) promised(change func(*blob.Upload)) blob.Upload {
	b.Helper()
	u := blob.Upload{
		ID: newID(), Purpose: blob.PurposeAttachment, Name: "n", MimeType: "text/plain", Detail: "{}", Size: -1, Most: 100,
		State: blob.UploadOpen, CreatedAt: noon, ExpiresAt: noon.Add(time.Hour),
	}
	change(&u)
	b.ok(b.uploads.Promise(b.ctx, u))
	return u
}

func (b *bundle) filled(u blob.Upload, size int64, state blob.UploadState, most int64) (blobID, replaced string, err error) {
	m := blob.Meta{ID: newID(), RunID: u.RunID, Kind: api.BlobKindAttachment, Name: u.Name, Size: size, CreatedAt: noon}
	replaced, err = b.uploads.Fill(b.ctx, u.ID, m, 7, state, most)
	return m.ID, replaced, err
}

func testUploads(b *bundle) {
	r := b.insert(nil)
	u := b.promised(func(u *blob.Upload) { u.RunID, u.Execution = r.ID, 3 })
	got, err := b.uploads.Get(b.ctx, u.ID)
	b.ok(err)
	same(b, "upload", got, u)

	// What arrives counts to its run once, however often.
	first, replaced, err := b.filled(u, 10, blob.UploadOpen, 1<<20)
	b.ok(err)
	same(b, "replaced", replaced, "")
	second, replaced, err := b.filled(u, 5000, blob.UploadOpen, 1<<20)
	b.ok(err)
	same(b, "replaced", replaced, first)
	now, err := b.runs.Get(b.ctx, r.ID)
	b.ok(err)
	same(b, "stored", now.BlobBytes, blob.Meta{Size: 5000}.Stored())
	known, err := b.blobs.Known(b.ctx, []string{first, second, "nobody"})
	b.ok(err)
	same(b, "blobs", known, []string{second})
	if _, _, err := b.filled(u, 9000, blob.UploadOpen, 8192); !errors.Is(err, blob.ErrFull) {
		b.Fatalf("too much: %v", err)
	}
	got, err = b.uploads.Get(b.ctx, u.ID)
	b.ok(err)
	same(b, "what was there stays", got.BlobID, second)

	// It is closed as it is known, and then final.
	stale := got
	stale.BlobID = first
	if err := b.uploads.Close(b.ctx, r.ID, stale); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
		b.Fatalf("closed as it is no more: %v", err)
	}
	b.ok(b.uploads.Close(b.ctx, r.ID, got))
	if _, _, err := b.filled(u, 1, blob.UploadOpen, 0); !errors.Is(err, blob.ErrFinal) {
		b.Fatalf("filled although final: %v", err)
	}
	if err := b.uploads.Promise(b.ctx, u); !errors.Is(err, blob.ErrFinal) {
		b.Fatalf("promised although final: %v", err)
	}
	list, err := b.uploads.OfRun(b.ctx, r.ID, blob.PurposeAttachment, blob.PurposeHandoff)
	b.ok(err)
	same(b, "of the run", len(list), 1)
	dropped, err := b.uploads.Drop(b.ctx, r.ID, u.ID, "nobody")
	b.ok(err)
	same(b, "dropped", dropped, []string{second})
	now, err = b.runs.Get(b.ctx, r.ID)
	b.ok(err)
	same(b, "stored", now.BlobBytes, int64(0))

	kept, err := b.uploads.Format(b.ctx, r.ID, "one")
	b.ok(err)
	again, err := b.uploads.Format(b.ctx, r.ID, "two")
	b.ok(err)
	same(b, "formats", []string{kept, again}, []string{"one", "one"})
}

func testUploadsExpire(b *bundle) {
	late := noon.Add(2 * time.Hour)
	over := b.promised(func(*blob.Upload) {})
	content, _, err := b.filled(over, 1, blob.UploadOpen, 0)
	b.ok(err)
	counts := b.promised(func(*blob.Upload) {})
	_, _, err = b.filled(counts, 1, blob.UploadKept, 0)
	b.ok(err)
	b.promised(func(u *blob.Upload) { u.ExpiresAt = late })
	list, err := b.uploads.Expired(b.ctx, late, 10)
	b.ok(err)
	if len(list) != 1 || list[0].ID != over.ID || list[0].BlobID != content {
		b.Fatalf("expired: %+v", list)
	}
	stale := list[0]
	stale.BlobID = "another"
	gone, err := b.uploads.Forget(b.ctx, stale, late)
	b.ok(err)
	same(b, "what changed since stays", gone, false)
	gone, err = b.uploads.Forget(b.ctx, list[0], late)
	b.ok(err)
	same(b, "forgotten", gone, true)
	if _, err := b.blobs.Get(b.ctx, content); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
		b.Fatalf("the blob stays: %v", err)
	}
}

func testUploadsTakenOver(b *bundle) {
	u := b.promised(func(u *blob.Upload) { u.Owner, u.Batch = "user:t:u", "TOKEN" })
	empty := b.promised(func(u *blob.Upload) { u.Owner, u.Batch = "user:t:u", "OTHER" })
	content, _, err := b.filled(u, 1, blob.UploadOpen, 0)
	b.ok(err)
	all, err := b.uploads.OfOwner(b.ctx, "user:t:u", "", 10)
	b.ok(err)
	same(b, "waiting", len(all), 2)
	begin := func(ids ...string) (string, error) {
		id := newID()
		return id, b.runs.Insert(b.ctx, run.New{Run: run.Run{ID: id, State: api.RunStateQUEUED, CreatedAt: noon, UpdatedAt: noon},
			Event: run.Event{Type: run.EventCreated, At: noon}, Uploads: ids})
	}
	if id, err := begin(u.ID, empty.ID); !errors.Is(err, run.ErrTaken) {
		b.Fatalf("began %s with a file that never came: %v", id, err)
	}
	id, err := begin(u.ID)
	b.ok(err)
	if _, err := begin(u.ID); !errors.Is(err, run.ErrTaken) {
		b.Fatalf("a file began two runs: %v", err)
	}
	m, err := b.blobs.Get(b.ctx, content)
	b.ok(err)
	same(b, "whose blob", m.RunID, id)
	got, err := b.uploads.OfOwner(b.ctx, "user:t:u", "TOKEN", 10)
	b.ok(err)
	same(b, "waiting still", len(got), 0)
}
