package httpapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

const (
	// linkLife is how long a signed link works.
	linkLife = 15 * time.Minute
	// stall is how long an upload or download may stand still before the connection is given up.
	stall = 60 * time.Second
)

// link signs a path of this server. It works without a key until it expires.
func (a *API) link(ctx context.Context, path string) (string, time.Time) {
	expires := a.cfg.Now().Add(linkLife).UTC().Truncate(time.Second)
	return a.linkUntil(ctx, path, expires), expires
}

// linkUntil is link for a time of the caller's.
func (a *API) linkUntil(ctx context.Context, path string, expires time.Time) string {
	return a.root(ctx) + a.signed(path, expires.UTC().Truncate(time.Second))
}

// signed is a path with its signature.
func (a *API) signed(path string, expires time.Time) string {
	return path + "?expires=" + strconv.FormatInt(expires.Unix(), 10) + "&signature=" + a.cfg.Identity.Sign(path, expires)
}

func (a *API) blobLink(ctx context.Context, id string) (string, time.Time) {
	return a.link(ctx, api.BasePath+"/blobs/"+id)
}

// root is this server's root URL for the caller: as a sandbox reached it, which may know no other
// way, and as configured for everybody else.
func (a *API) root(ctx context.Context) string {
	if s := stateOf(ctx); s.actor.Kind == identity.KindRun && s.root != "" {
		return s.root
	}
	return a.cfg.PublicURL
}

// verifyLink checks the signature of the request's own path.
func (a *API) verifyLink(r *http.Request) error {
	q := r.URL.Query()
	unix, err := strconv.ParseInt(q.Get("expires"), 10, 64)
	if err != nil || unix < 0 {
		return api.Invalid("expires", "must be a time in Unix seconds")
	}
	if q.Get("signature") == "" {
		return api.Invalid("signature", "is required")
	}
	return a.cfg.Identity.Verify(r.URL.Path, time.Unix(unix, 0), q.Get("signature"))
}

// getBlob serves GET /blobs/{blobId}. The bytes come from a sandbox or a stranger: they are always
// an attachment of no particular type, so that no browser renders them on this origin.
func (a *API) getBlob(w http.ResponseWriter, r *http.Request) {
	if err := a.verifyLink(r); err != nil {
		a.fail(w, r, err)
		return
	}
	meta, content, err := a.cfg.Blobs.Open(r.Context(), r.PathValue("blobId"))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	defer func() { _ = content.Close() }() // it was only read
	attachment(w, meta.Name, meta.ID)
	w.Header().Set("Content-Length", strconv.FormatInt(meta.Size, 10))
	a.send(w, r, content, meta.ID)
}

// send writes the bytes of a blob as the body.
func (a *API) send(w http.ResponseWriter, r *http.Request, content io.Reader, id string) {
	if r.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(stallWriter(w), content); err != nil {
		a.cfg.Log.DebugContext(r.Context(), "download broke off", "blob_id", id, "err", err)
		panic(http.ErrAbortHandler) // so that a cut body is not taken for a whole one
	}
}

// attachment sets the headers of a download named name, or fallback when it has none.
func attachment(w http.ResponseWriter, name, fallback string) {
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": name})
	if name == "" || disposition == "" {
		disposition = mime.FormatMediaType("attachment", map[string]string{"filename": fallback})
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", disposition)
	h.Set("Cache-Control", "private, no-store")
}

// deadlineWriter gives up on a reader that takes nothing for the length of stall, however long the
// whole takes.
type deadlineWriter struct {
	io.Writer
	control *http.ResponseController
}

func stallWriter(w http.ResponseWriter) io.Writer {
	return deadlineWriter{Writer: w, control: http.NewResponseController(w)}
}

func (w deadlineWriter) Write(b []byte) (int, error) {
	// A connection that knows no deadlines (in tests) is written without.
	_ = w.control.SetWriteDeadline(time.Now().Add(stall))
	n, err := w.Writer.Write(b)
	_ = w.control.SetReadDeadline(time.Time{}) // see events.start
	return n, err
}

// deadlineReader gives up on a sender that sends nothing for the length of stall.
type deadlineReader struct {
	io.Reader
	control *http.ResponseController
}

func (r deadlineReader) Read(b []byte) (int, error) {
	_ = r.control.SetReadDeadline(time.Now().Add(stall))
	return r.Reader.Read(b)
}

// putBlob serves POST /runner/blobs: the body is the content.
func (a *API) putBlob(w http.ResponseWriter, r *http.Request) {
	ref, err := a.receiveBlob(w, r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, ref)
}

func (a *API) receiveBlob(w http.ResponseWriter, r *http.Request) (api.BlobRef, error) {
	kind, name := api.BlobKind(r.URL.Query().Get("kind")), r.URL.Query().Get("name")
	switch {
	case kind == "":
		return api.BlobRef{}, api.Invalid("kind", "is required")
	case !kind.Valid():
		return api.BlobRef{}, api.Invalid("kind", "%.64q is not one of the values known here", string(kind))
	case len(name) > blob.MaxName:
		return api.BlobRef{}, api.Invalid("name", "must be at most %d bytes", blob.MaxName)
	case r.ContentLength > a.cfg.Limits.Blob:
		return api.BlobRef{}, tooLarge(a.cfg.Limits.Blob)
	}
	actor := actorOf(r.Context())
	if err := a.checkExecution(r.Context()); err != nil {
		return api.BlobRef{}, err
	}
	done, err := a.uploads.begin(actor.RunID)
	if err != nil {
		return api.BlobRef{}, err
	}
	defer done()
	body := deadlineReader{Reader: r.Body, control: http.NewResponseController(w)}
	meta, err := a.cfg.Runs.Upload(r.Context(), actor, kind, name, body, a.cfg.Limits.Blob)
	var f *api.Failure
	switch {
	case err == nil:
		return api.BlobRef{BlobId: meta.ID, SizeBytes: meta.Size}, nil
	case errors.As(err, &f) && f.Field == "body":
		return api.BlobRef{}, tooLarge(a.cfg.Limits.Blob)
	case r.Context().Err() != nil:
		return api.BlobRef{}, context.Canceled
	}
	return api.BlobRef{}, err
}

// maxUploads is how many blobs of one run may be on their way at once: what is not stored yet is not
// counted yet.
const maxUploads = 8

// uploads counts blobs on their way, by run, or by who hands them over to a run to be.
type uploads struct {
	mu sync.Mutex
	n  map[string]int
}

// begin lets one more in, until done is called.
func (u *uploads) begin(by string) (done func(), err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n[by] >= maxUploads {
		return nil, api.Fail(api.PlatformErrorCodeResourceUnavailable, "%d uploads are under way", maxUploads)
	}
	if u.n == nil {
		u.n = map[string]int{}
	}
	u.n[by]++
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.n[by]--; u.n[by] == 0 {
			delete(u.n, by)
		}
	}, nil
}

func tooLarge(limit int64) error {
	f := api.Invalid("body", "is larger than %d bytes", limit)
	f.Status = http.StatusRequestEntityTooLarge
	return f
}

// checkExecution refuses a run token whose execution may no longer write. (Moves of the run check
// the same in their own transaction; this is for what is no move.)
func (a *API) checkExecution(ctx context.Context) error {
	actor := actorOf(ctx)
	return a.checkWriter(ctx, actor.RunID, actor.Execution)
}

// checkWriter refuses an execution that may no longer write. The runner of a run that was just cancelled
// may still hand in its snapshot.
func (a *API) checkWriter(ctx context.Context, runID string, execution int) error {
	r, err := a.cfg.Store.Get(ctx, runID)
	if err != nil {
		return err
	}
	if r.Execution == execution && (r.Live || r.State == api.RunStateCANCELLED) {
		return nil
	}
	retryable := false
	return &api.Failure{
		Code: api.PlatformErrorCodeConflict, Retryable: &retryable, Err: run.ErrFenced,
		Detail: "this execution is over or superseded by a newer one: stop it",
	}
}
