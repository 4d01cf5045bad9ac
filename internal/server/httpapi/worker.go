package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Transport carries the frames of one worker connection. Each method is called from one goroutine at
// a time, and all fail once the connection has ended.
type Transport interface {
	Send(ctx context.Context, frame []byte) error
	Receive(ctx context.Context) ([]byte, error)
	Ping(ctx context.Context) error
}

// WorkerConn says who connected: the host a worker serves, the team of its key, where it comes from
// and which address of this server it used.
type WorkerConn struct {
	Host, TeamUID, Remote, RootURL string
}

// connectWorker serves the worker protocol's WebSocket at api.WorkerPath. It returns when the
// connection ends.
func (a *API) connectWorker(w http.ResponseWriter, r *http.Request) {
	s := stateOf(r.Context())
	s.operation = "connectWorker"
	// By key only: a browser is no worker, and its cookie comes along with any page's WebSocket.
	actor, err := a.cfg.Identity.Identify(r.Context(), identity.Credential{Bearer: bearer(r.Header.Get("Authorization"))})
	if err == nil {
		err = actor.Check(identity.PermWorker)
	}
	info := WorkerConn{
		Host: r.URL.Query().Get("worker_id"), TeamUID: actor.TeamUID, Remote: r.RemoteAddr, RootURL: rootOf(r),
	}
	if err == nil {
		err = a.cfg.Workers.Check(info)
	}
	if err == nil && !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		f := api.Fail(api.PlatformErrorCodeInvalidRequest, "workers connect by WebSocket")
		f.Status = http.StatusUpgradeRequired
		err = f
		w.Header().Set("Upgrade", "websocket")
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	s.actor = actor
	a.hijacked.Add(1)
	defer a.hijacked.Done()
	// The key is in a header that no browser page can set, so any origin may connect.
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // Accept has answered
	}
	s.wroteHeader, s.status = true, http.StatusSwitchingProtocols
	ws.SetReadLimit(a.cfg.Limits.WorkerFrame)
	// The request's context ends with the hijacked connection only where the server says so; the
	// server's own end is what must reach the worker.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	defer cancel(nil)
	stop := context.AfterFunc(a.ctx, func() { cancel(context.Cause(a.ctx)) })
	defer stop()
	err = a.cfg.Workers.Serve(ctx, socket{ws}, info)
	code, reason := websocket.StatusNormalClosure, "bye"
	if a.ctx.Err() != nil {
		code, reason = websocket.StatusGoingAway, "server is stopping"
	}
	_ = ws.Close(code, reason) // the worker may have closed already
	a.cfg.Log.DebugContext(ctx, "worker connection ended", "worker_id", info.Host, "err", err)
}

// rootOf is this server's root URL as the caller reached it: what it can use again.
func rootOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// socket carries a worker's frames over a WebSocket.
type socket struct{ ws *websocket.Conn }

func (s socket) Send(ctx context.Context, frame []byte) error {
	return s.ws.Write(ctx, websocket.MessageText, frame)
}

func (s socket) Receive(ctx context.Context) ([]byte, error) {
	kind, frame, err := s.ws.Read(ctx)
	if err == nil && kind != websocket.MessageText {
		return nil, errors.New("worker sent a binary frame")
	}
	return frame, err
}

func (s socket) Ping(ctx context.Context) error { return s.ws.Ping(ctx) }
