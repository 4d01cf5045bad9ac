package httpapi

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"
)

// maxUnasked bounds the bytes that a client may send on a stream's connection. They are ignored.
const maxUnasked = 64 << 10

// taken is a connection taken over from net/http. What is written to it leaves at once, and the end of
// the connection is the end of the answer's body.
type taken struct {
	conn net.Conn
	// direct writes what the connection takes without waiting, and says how much that was. It is nil
	// where that cannot be done.
	direct func(b []byte) int
}

// take takes a request's connection over, which closes when e.ctx ends. It returns nil where that
// cannot be done: HTTP/2 has many requests on one, a HEAD request's may go on, and a body is better
// left to net/http.
func (e *events) take(r *http.Request) *taken {
	if r.ProtoMajor != 1 || r.Method == http.MethodHead || r.ContentLength != 0 {
		return nil
	}
	// Counted before net/http forgets the connection, so that a server that stops waits for it throughout.
	e.api.streams.Add(1)
	conn, _, err := e.control.Hijack()
	if err != nil {
		e.api.streams.Done()
		return nil
	}
	context.AfterFunc(e.ctx, func() {
		defer e.api.streams.Done()
		_ = conn.Close() // its fault by then
	})
	return &taken{conn: conn, direct: directly(conn)}
}

// answerHead is the status line and the headers of an answer whose body ends with the connection.
func answerHead(h http.Header, now time.Time) []byte {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\nConnection: close\r\nDate: " + now.UTC().Format(http.TimeFormat) + "\r\n")
	_ = h.Write(&b) // into memory
	b.WriteString("\r\n")
	return b.Bytes()
}

// write returns when the connection has taken all of b. It fails when that takes too long.
func (t *taken) write(b []byte) error {
	if err := t.conn.SetWriteDeadline(time.Now().Add(viewerStall)); err != nil {
		return err
	}
	if _, err := t.conn.Write(b); err != nil {
		return err
	}
	return t.conn.SetWriteDeadline(time.Time{}) // direct writes heed it too
}

// attend returns when the client has gone, the connection was closed or tick reports false. It calls
// tick with every heartbeat, unless it is nil, whatever the client says meanwhile.
func (t *taken) attend(tick func() bool) {
	var b [64]byte
	for unasked, due := 0, true; unasked < maxUnasked; {
		if due && tick != nil {
			_ = t.conn.SetReadDeadline(time.Now().Add(heartbeat)) // fails as the read then does
		}
		n, err := t.conn.Read(b[:])
		unasked += n
		if due = err != nil; due && (!errors.Is(err, os.ErrDeadlineExceeded) || !tick()) {
			return
		}
	}
}
