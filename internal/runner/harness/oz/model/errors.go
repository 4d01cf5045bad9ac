package model

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Kind says what can be done about an error.
type Kind string

// The kinds of model errors.
const (
	KindTransient Kind = "transient" // the same call may work in a moment
	KindTooLong   Kind = "too_long"  // the conversation does not fit the window
	KindBudget    Kind = "budget"    // a budget is spent; a person must raise it
	KindRefused   Kind = "refused"   // the request is wrong or not allowed
	KindBroken    Kind = "broken"    // the answer makes no sense
)

// Error is a failed model call in words for people.
type Error struct {
	Kind    Kind
	Status  int
	Message string
	// Code is the platform's code when the gateway itself refused; else empty.
	Code api.PlatformErrorCode
	// RetryAfter is the vendor's wish, 0 when it has none.
	RetryAfter time.Duration
	Err        error
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Err }

const maxErrorText = 2000

// explain turns an error of the call or its stream into an *Error, or the cause of ctx's end.
func explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &mistyped) || isCutOff(err) {
		return &Error{Kind: KindTransient, Message: "the model's answer was cut off or malformed: " + clip(err.Error()), Err: err}
	}
	return &Error{Kind: KindTransient, Message: "the model could not be reached: " + clip(err.Error()), Err: err}
}

// isCutOff reports whether a stream ended in order, but before the end of the answer.
func isCutOff(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }

// wireError is the union of the error documents: a problem of the gateway, Anthropic's and OpenAI's.
type wireError struct {
	Detail  string          `json:"detail"`
	Message string          `json:"message"`
	Code    json.RawMessage `json:"code"`
	Type    string          `json:"type"`
	Error   json.RawMessage `json:"error"`
}

// fromHTTP reads an error document. The header is nil for one that came within a stream.
func fromHTTP(status int, header http.Header, body string, err error) *Error {
	e := &Error{Status: status, Err: err}
	names := e.read([]byte(body), 0)
	if e.Message == "" {
		e.Message = clip(body)
	}
	if e.Message == "" {
		e.Message = strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
	}
	e.Message = clip(e.Message)
	if s, perr := strconv.Atoi(header.Get("Retry-After")); perr == nil && s > 0 {
		e.RetryAfter = time.Duration(min(s, 120)) * time.Second
	}
	if header.Get("X-Should-Retry") == "false" {
		names = append(names, "no_retry")
	}
	e.Kind = e.kind(names)
	return e
}

// read collects the message and every code-like word of an error document, nested ones included.
func (e *Error) read(body []byte, depth int) []string {
	var w wireError
	if depth > 3 || json.Unmarshal(body, &w) != nil {
		var name string
		if json.Unmarshal(body, &name) == nil {
			return e.name(name)
		}
		return nil
	}
	for _, m := range []string{w.Detail, w.Message} {
		if m != "" {
			e.Message = m
		}
	}
	names := e.name(w.Type)
	var code string
	if json.Unmarshal(w.Code, &code) == nil {
		names = append(names, e.name(code)...)
	}
	if len(w.Error) > 0 {
		names = append(names, e.read(w.Error, depth+1)...)
	}
	return names
}

func (e *Error) name(s string) []string {
	s = s[strings.LastIndexByte(s, '/')+1:]
	if c := api.PlatformErrorCode(s); c.Valid() {
		e.Code = c
	}
	return []string{s}
}

func (e *Error) kind(names []string) Kind {
	has := func(set ...string) bool {
		for _, n := range names {
			for _, s := range set {
				if n == s {
					return true
				}
			}
		}
		return false
	}
	switch {
	case has(string(api.PlatformErrorCodeBudgetExceeded), string(api.PlatformErrorCodeInsufficientCredits)):
		return KindBudget
	case has("context_length_exceeded", "context_window_exceeded", "request_too_large"), e.Status == http.StatusRequestEntityTooLarge:
		return KindTooLong
	case e.Status == http.StatusBadRequest && promptTooLong(e.Message):
		return KindTooLong
	case has("no_retry"):
		return KindRefused
	case has("overloaded_error", "rate_limit_error", "rate_limit_exceeded", "api_error", "server_error", "timeout_error"):
		return KindTransient
	case e.Status == http.StatusTooManyRequests, e.Status == http.StatusRequestTimeout, e.Status == http.StatusConflict, e.Status >= 500:
		return KindTransient
	case e.Status == http.StatusOK:
		return KindBroken
	}
	return KindRefused
}

// promptTooLong recognises vendors that report an overlong conversation only in words, as Anthropic
// does: there is no code to match.
func promptTooLong(msg string) bool {
	msg = strings.ToLower(msg)
	return strings.Contains(msg, "prompt is too long") || strings.Contains(msg, "context length") ||
		strings.Contains(msg, "context window") || strings.Contains(msg, "exceed context limit")
}

func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxErrorText {
		s = strings.ToValidUTF8(s[:maxErrorText], "") + " …"
	}
	return s
}
