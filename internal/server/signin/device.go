package signin

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Clients are the names under which command lines ask: ours, and the reference's.
var Clients = []string{"cadre-cli", "warp-agent-cli"}

// deviceGrant is what a device asks a token for (RFC 8628).
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// The answers of RFC 8628 and RFC 6749.
type (
	deviceReply struct {
		DeviceCode string `json:"device_code"`
		UserCode   string `json:"user_code"`
		URL        string `json:"verification_uri"`
		FullURL    string `json:"verification_uri_complete"`
		ExpiresIn  int    `json:"expires_in"` // seconds
		Interval   int    `json:"interval"`   // seconds
	}
	tokenReply struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in,omitempty"` // seconds; absent for never
	}
	oauthError struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}
)

// startDevice begins a device's request.
func (h *Handler) startDevice(w http.ResponseWriter, r *http.Request) {
	form, ok := h.oauthForm(w, r)
	if !ok {
		return
	}
	b := h.browser(r)
	if name := form.Get("device_name"); name != "" {
		b.Device = name
	}
	secret, d, err := h.cfg.Accounts.StartDevice(r.Context(), b)
	if err != nil {
		h.oauthFail(w, r, err)
		return
	}
	page := h.cfg.PublicURL + "/device"
	code := spaced(d.Code)
	writeJSON(w, http.StatusOK, deviceReply{
		DeviceCode: secret, UserCode: code, URL: page, FullURL: page + "?code=" + code,
		ExpiresIn: int(identity.DeviceLife / time.Second), Interval: int(identity.DevicePoll / time.Second),
	})
}

// spaced shows a code in two halves.
func spaced(code string) string { return code[:len(code)/2] + "-" + code[len(code)/2:] }

// token answers a device's poll.
func (h *Handler) token(w http.ResponseWriter, r *http.Request) {
	form, ok := h.oauthForm(w, r)
	if !ok {
		return
	}
	if form.Get("grant_type") != deviceGrant {
		writeJSON(w, http.StatusBadRequest, oauthError{"unsupported_grant_type", "only " + deviceGrant})
		return
	}
	state, secret, key, err := h.cfg.Accounts.PollDevice(r.Context(), form.Get("device_code"))
	switch {
	case err != nil:
		h.oauthFail(w, r, err)
	case state != identity.DeviceReady:
		writeJSON(w, http.StatusBadRequest, oauthError{Error: string(state)})
	default:
		reply := tokenReply{AccessToken: secret, TokenType: "Bearer"}
		if !key.ExpiresAt.IsZero() {
			reply.ExpiresIn = int64(key.ExpiresAt.Sub(h.cfg.Now()) / time.Second)
		}
		writeJSON(w, http.StatusOK, reply)
	}
}

// revoke ends the key that a device was given and does not need any more (RFC 7009).
func (h *Handler) revoke(w http.ResponseWriter, r *http.Request) {
	form, ok := h.oauthForm(w, r)
	if !ok {
		return
	}
	if err := h.cfg.Accounts.GiveUpKey(r.Context(), form.Get("token")); err != nil {
		h.oauthFail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, struct{}{})
}

// oauthForm reads what a device sends, as a form or as JSON, and checks who it says it is.
func (h *Handler) oauthForm(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	form := url.Values{}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		var members map[string]any
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm)).Decode(&members); err != nil {
			writeJSON(w, http.StatusBadRequest, oauthError{"invalid_request", "the body is no JSON object"})
			return nil, false
		}
		for name, v := range members {
			if text, ok := v.(string); ok {
				form.Set(name, text)
			}
		}
	} else {
		if err := readForm(w, r); err != nil {
			writeJSON(w, http.StatusBadRequest, oauthError{"invalid_request", "the body is no form"})
			return nil, false
		}
		form = r.PostForm
	}
	if !slices.Contains(Clients, form.Get("client_id")) {
		writeJSON(w, http.StatusUnauthorized, oauthError{"invalid_client", "client_id must be " + Clients[0]})
		return nil, false
	}
	return form, true
}

// oauthFail writes a failure as OAuth clients understand it.
func (h *Handler) oauthFail(w http.ResponseWriter, r *http.Request, err error) {
	text, status := h.said(r, err)
	code := "invalid_request"
	switch {
	case status == http.StatusTooManyRequests:
		code = string(identity.DeviceSlow)
	case status >= http.StatusInternalServerError:
		code = "temporarily_unavailable"
	}
	writeJSON(w, status, oauthError{code, text})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // structs of strings and numbers: it cannot fail
		b = []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}

// devicePage asks for a code, or shows who asks with one and what approving means.
func (h *Handler) devicePage(w http.ResponseWriter, r *http.Request) {
	h.device(w, r, http.StatusOK, page{Code: r.URL.Query().Get("code")})
}

func (h *Handler) device(w http.ResponseWriter, r *http.Request, status int, p page) {
	actor, signed, err := h.actor(r)
	if err != nil {
		h.show(w, r, "", err)
		return
	}
	if !signed {
		next := h.base + "/device"
		if p.Code != "" {
			next += "?" + url.Values{"code": {p.Code}}.Encode()
		}
		http.Redirect(w, r, h.base+"/sign-in?"+url.Values{"next": {next}}.Encode(), http.StatusSeeOther)
		return
	}
	p.Title, p.Actor, p.Signed = "Connect a command line", actor, true
	if p.Code != "" && p.Error == "" {
		if p.Device, err = h.cfg.Accounts.DeviceByCode(r.Context(), actor, p.Code); err != nil {
			p.Error, status = h.said(r, err)
			p.Code = ""
		} else {
			p.Code = spaced(p.Device.Code)
		}
	}
	h.render(w, r, status, "device.html", p)
}

// decideDevice stores what the person decided.
func (h *Handler) decideDevice(w http.ResponseWriter, r *http.Request) {
	actor, signed, err := h.actor(r)
	if err == nil && !signed {
		err = api.Fail(api.PlatformErrorCodeAuthenticationRequired, "sign in first")
	}
	decision, done := identity.DeviceDenied, "It was refused. You can close this page."
	if r.PostForm.Get("decision") == "approve" {
		decision, done = identity.DeviceApproved, "The command line is connected. You can close this page."
	}
	if err == nil {
		err = h.cfg.Accounts.DecideDevice(r.Context(), actor, r.PostForm.Get("code"), decision)
	}
	if err != nil {
		h.show(w, r, "Connect a command line", err)
		return
	}
	h.render(w, r, http.StatusOK, "message.html", page{Title: "Connect a command line", Done: done})
}
