package signin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

const (
	// tripLife bounds the way through a provider and back, providerWait each question to it.
	tripLife     = 10 * time.Minute
	providerWait = 10 * time.Second
	// providerRest is how long one that did not answer is left alone: who asks meanwhile is told at once,
	// rather than each in turn after providerWait.
	providerRest = 5 * time.Second
	// tripCookie is the cookie, beside that of the sign-in, in which the trip is kept.
	tripCookie = "-trip"
	tripPath   = "sign-in trip\n"
)

// provider is a Provider at work. What it says of itself is asked once, when somebody first signs in
// with it: a server starts without.
type provider struct {
	Provider
	callback string
	client   *http.Client
	now      func() time.Time

	mu     sync.Mutex
	known  *oidc.Provider
	failed error     // of the last try, as long as it is not known
	rested time.Time // when to try again
}

func newProvider(p Provider, callback string, now func() time.Time) *provider {
	return &provider{Provider: p, callback: callback, client: &http.Client{Timeout: providerWait}, now: now}
}

// discover returns what the provider says of itself.
func (p *provider) discover(ctx context.Context) (*oidc.Provider, oauth2.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		if p.now().Before(p.rested) {
			return nil, oauth2.Config{}, p.failed
		}
		// Its keys are read again for as long as the server runs: not only within this request.
		known, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.Issuer)
		if err != nil {
			p.failed, p.rested = fmt.Errorf("reach provider %s: %w", p.Name, err), p.now().Add(providerRest)
			return nil, oauth2.Config{}, p.failed
		}
		p.known = known
	}
	return p.known, oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: p.known.Endpoint(), RedirectURL: p.callback,
		Scopes: append([]string{oidc.ScopeOpenID, "email", "profile"}, p.Scopes...),
	}, nil
}

// trip is what a browser carries through a provider, so that what comes back is an answer to what this
// browser asked.
type trip struct {
	Provider string `json:"p"`
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // of the code challenge
	Next     string `json:"x"`
}

// toProvider sends the browser to a provider.
func (h *Handler) toProvider(w http.ResponseWriter, r *http.Request) {
	p := h.providers[r.PathValue("provider")]
	if p == nil {
		h.show(w, r, "Sign in", api.Fail(api.PlatformErrorCodeResourceNotFound, "there is no such provider"))
		return
	}
	_, config, err := p.discover(r.Context())
	if err != nil {
		h.unreachable(w, r, p, err)
		return
	}
	t := trip{
		Provider: p.Name, State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(),
		Next: h.local(r.URL.Query().Get("next")),
	}
	until := h.cfg.Now().Add(tripLife).Truncate(time.Second)
	h.cfg.Jar.SetNamed(w, r, tripCookie, h.pack(t, until), until)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, config.AuthCodeURL(t.State, oidc.Nonce(t.Nonce), oauth2.S256ChallengeOption(t.Verifier)), http.StatusSeeOther)
}

func (h *Handler) unreachable(w http.ResponseWriter, r *http.Request, p *provider, err error) {
	h.cfg.Log.ErrorContext(r.Context(), "provider cannot be used", "provider", p.Name, "err", err)
	h.render(w, r, http.StatusBadGateway, "message.html", page{Title: "Sign in", Error: p.label() + " cannot be reached now. Try again in a moment."})
}

// pack makes the cookie of a trip: what it says, until when, and the server's signature of both.
func (h *Handler) pack(t trip, until time.Time) string {
	b, _ := json.Marshal(t) // a struct of strings: it cannot fail
	body := base64.RawURLEncoding.EncodeToString(b)
	return body + "." + strconv.FormatInt(until.Unix(), 10) + "." + h.cfg.Accounts.Sign(tripPath+body, until)
}

// unpack reads a trip that this server began and that is not too old.
func (h *Handler) unpack(s string) (t trip, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return t, false
	}
	seconds, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || h.cfg.Accounts.Verify(tripPath+parts[0], time.Unix(seconds, 0), parts[2]) != nil {
		return t, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[0])
	return t, err == nil && json.Unmarshal(b, &t) == nil
}

// errTrip refuses what comes back without having been sent.
var errTrip = api.Fail(api.PlatformErrorCodeAuthenticationRequired,
	"this sign-in was not begun in this browser, or took too long; begin again at the address that people use for this server")

// fromProvider takes a browser back from a provider.
func (h *Handler) fromProvider(w http.ResponseWriter, r *http.Request) {
	p := h.providers[r.PathValue("provider")]
	t, ok := h.unpack(h.cfg.Jar.ReadNamed(r, tripCookie))
	h.cfg.Jar.Clear(w, r, tripCookie)
	q := r.URL.Query()
	if p == nil || !ok || t.Provider != p.Name || q.Get("state") == "" || q.Get("state") != t.State {
		h.show(w, r, "Sign in", errTrip)
		return
	}
	if refusal := q.Get("error"); refusal != "" {
		h.show(w, r, "Sign in", api.Fail(api.PlatformErrorCodeAuthenticationRequired, "%s did not sign you in (%.60q)", p.label(), refusal))
		return
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), p.client), providerWait)
	defer cancel()
	v, err := p.exchange(ctx, t, q.Get("code"))
	if err != nil {
		h.unreachable(w, r, p, err)
		return
	}
	present, _, err := h.actor(r)
	if err != nil {
		h.show(w, r, "Sign in", err)
		return
	}
	v.Present = present.UID
	secret, in, err := h.cfg.Accounts.SignInVouched(r.Context(), v, p.Policy, h.browser(r))
	if err != nil {
		h.show(w, r, "Sign in", err)
		return
	}
	h.enter(w, r, secret, in, t.Next)
}

// exchange trades the code for what the provider vouches for.
func (p *provider) exchange(ctx context.Context, t trip, code string) (identity.Vouched, error) {
	known, config, err := p.discover(ctx)
	if err != nil {
		return identity.Vouched{}, err
	}
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(t.Verifier))
	if err != nil {
		return identity.Vouched{}, fmt.Errorf("exchange code: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return identity.Vouched{}, errors.New("the provider sent no ID token")
	}
	id, err := known.VerifierContext(ctx, &oidc.Config{ClientID: p.ClientID}).Verify(ctx, raw)
	if err != nil {
		return identity.Vouched{}, fmt.Errorf("verify ID token: %w", err)
	}
	if id.Nonce != t.Nonce {
		return identity.Vouched{}, errors.New("the ID token answers another question")
	}
	var c claims
	if err := id.Claims(&c); err != nil {
		return identity.Vouched{}, fmt.Errorf("read ID token: %w", err)
	}
	if c.text("email") == "" {
		delete(c, "email_verified") // which is of no address yet
	}
	if c.text("email") == "" || p.GroupsClaim != "" && c[p.GroupsClaim] == nil {
		info, err := known.UserInfo(ctx, config.TokenSource(ctx, token))
		if err != nil {
			return identity.Vouched{}, fmt.Errorf("ask for user info: %w", err)
		}
		var more claims
		if err := info.Claims(&more); err != nil || info.Subject != id.Subject {
			return identity.Vouched{}, errors.Join(errors.New("the user info is not of whom the ID token is"), err)
		}
		c.fill(more)
	}
	return identity.Vouched{
		Provider: p.Name, Subject: id.Subject, Email: c.text("email"), Verified: c.yes("email_verified"),
		Name: c.text("name"), Groups: c.list(p.GroupsClaim),
	}, nil
}

// claims are what a provider says, in the types it likes.
type claims map[string]any

func (c claims) text(name string) string { s, _ := c[name].(string); return s }

func (c claims) yes(name string) bool { return c[name] == true || c[name] == "true" }

func (c claims) list(name string) []string {
	switch v := c[name].(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, one := range v {
			if s, ok := one.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// fill adds what is not known yet.
func (c claims) fill(more claims) {
	for name, v := range more {
		if _, ok := c[name]; !ok {
			c[name] = v
		}
	}
}
