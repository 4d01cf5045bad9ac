package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// handlerTransport calls a handler in this process as if it were far away, so that the scripted
// model takes the same path as a vendor. The handler has returned when its body has been read to the
// end or closed, and the context of the request has ended.
type handlerTransport struct{ h http.Handler }

func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	pr, pw := io.Pipe()
	w := &pipeWriter{header: http.Header{}, pipe: pw, ready: make(chan struct{})}
	go func() {
		defer func() {
			if p := recover(); p != nil {
				w.WriteHeader(http.StatusInternalServerError)
				_ = pw.CloseWithError(fmt.Errorf("the handler failed: %v", p))
				return
			}
			w.WriteHeader(http.StatusOK)
			_ = pw.CloseWithError(req.Context().Err()) // nil: the end of the body
		}()
		t.h.ServeHTTP(w, req)
	}()
	select {
	case <-w.ready:
	case <-req.Context().Done():
		_ = pr.Close()
		return nil, req.Context().Err()
	}
	// As with a network connection, the end of the context ends the body.
	stop := context.AfterFunc(req.Context(), func() { _ = pr.CloseWithError(req.Context().Err()) })
	return &http.Response{
		StatusCode: w.status, Header: w.header, Body: body{pr, stop}, Request: req,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
	}, nil
}

type body struct {
	*io.PipeReader
	stop func() bool
}

func (b body) Close() error {
	b.stop()
	return b.PipeReader.Close()
}

// pipeWriter is a http.ResponseWriter whose body is read as it is written.
type pipeWriter struct {
	header http.Header
	pipe   *io.PipeWriter
	ready  chan struct{}
	once   sync.Once
	status int
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status = status
		w.header = w.header.Clone() // as sent; what the handler sets later must not be seen
		close(w.ready)
	})
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(p)
}

// Flush does nothing: every write is read at once.
func (w *pipeWriter) Flush() {}
