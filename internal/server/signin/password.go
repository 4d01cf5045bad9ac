package signin

import (
	"net/http"

	"github.com/cadrehq/cadre/internal/identity"
)

// signInPage offers the ways in, or the way out to who is in.
func (h *Handler) signInPage(w http.ResponseWriter, r *http.Request) {
	h.offer(w, r, http.StatusOK, page{Next: h.local(r.URL.Query().Get("next"))})
}

func (h *Handler) offer(w http.ResponseWriter, r *http.Request, status int, p page) {
	actor, signed, err := h.actor(r)
	if err != nil {
		h.show(w, r, "", err)
		return
	}
	p.Title, p.Actor, p.Signed, p.Providers, p.Password = "Sign in", actor, signed, h.cfg.Providers, !h.cfg.NoPassword
	h.render(w, r, status, "signin.html", p)
}

// signIn serves the form of the password.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) {
	p := page{Next: h.local(r.PostForm.Get("next")), Email: r.PostForm.Get("email")}
	if h.cfg.NoPassword {
		h.offer(w, r, http.StatusForbidden, p)
		return
	}
	secret, in, err := h.cfg.Accounts.SignInByPassword(r.Context(), p.Email, r.PostForm.Get("password"), h.browser(r))
	if err != nil {
		var status int
		p.Error, status = h.said(r, err)
		h.offer(w, r, status, p)
		return
	}
	h.enter(w, r, secret, in, p.Next)
}

// enter gives the browser its cookie and goes on.
func (h *Handler) enter(w http.ResponseWriter, r *http.Request, secret string, in identity.SignIn, next string) {
	// Who was signed in here before is so no longer.
	if before, ok, err := h.actor(r); ok && err == nil {
		if err := h.cfg.Accounts.SignOut(r.Context(), before, ""); err != nil {
			h.cfg.Log.WarnContext(r.Context(), "end the sign-in before", "err", err)
		}
	}
	h.cfg.Jar.Set(w, r, secret, in.ExpiresAt)
	http.Redirect(w, r, h.local(next), http.StatusSeeOther)
}

// signOut ends this browser's sign-in.
func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) {
	actor, signed, err := h.actor(r)
	if err == nil && signed {
		err = h.cfg.Accounts.SignOut(r.Context(), actor, "")
	}
	if err != nil {
		h.show(w, r, "", err)
		return
	}
	h.cfg.Jar.Clear(w, r, "")
	http.Redirect(w, r, h.base+"/sign-in", http.StatusSeeOther)
}

// linkPage shows a button: opening an address must not use up what works once, as those do who look at
// a link before the person it was sent to.
func (h *Handler) linkPage(w http.ResponseWriter, r *http.Request) {
	h.render(w, r, http.StatusOK, "link.html", page{Title: "Sign in"})
}

func (h *Handler) signInByLink(w http.ResponseWriter, r *http.Request) {
	secret, in, err := h.cfg.Accounts.SignInByLink(r.Context(), r.PathValue("secret"), h.browser(r))
	if err != nil {
		h.show(w, r, "", err)
		return
	}
	h.enter(w, r, secret, in, "")
}

// invitationPage shows what an invitation is for and how to accept it.
func (h *Handler) invitationPage(w http.ResponseWriter, r *http.Request) {
	h.invitation(w, r, http.StatusOK, page{})
}

func (h *Handler) invitation(w http.ResponseWriter, r *http.Request, status int, p page) {
	i, known, err := h.cfg.Accounts.Invitation(r.Context(), r.PathValue("secret"))
	if err != nil {
		h.show(w, r, "Invitation", err)
		return
	}
	actor, signed, err := h.actor(r)
	if err != nil {
		h.show(w, r, "Invitation", err)
		return
	}
	p.Title, p.Invitation, p.Known, p.Actor, p.Signed = "Join "+i.TeamName, i, known, actor, signed
	p.Providers, p.Password, p.Next = h.cfg.Providers, !h.cfg.NoPassword, h.base+"/" // a provider's word accepts it
	if known {
		p.Next = h.base + r.URL.Path
	}
	h.render(w, r, status, "invitation.html", p)
}

// accept makes an account, or joins with the one that is signed in.
func (h *Handler) accept(w http.ResponseWriter, r *http.Request) {
	actor, signed, err := h.actor(r)
	if err == nil && signed {
		if err = h.cfg.Accounts.Join(r.Context(), actor, r.PathValue("secret")); err == nil {
			http.Redirect(w, r, h.base+"/", http.StatusSeeOther)
			return
		}
	}
	p := page{Name: r.PostForm.Get("name")}
	var user identity.User
	if err == nil {
		user, err = h.cfg.Accounts.Accept(r.Context(), r.PathValue("secret"), p.Name, r.PostForm.Get("password"))
	}
	if err != nil {
		var status int
		p.Error, status = h.said(r, err)
		h.invitation(w, r, status, p)
		return
	}
	secret, in, err := h.cfg.Accounts.SignIn(r.Context(), user, "invitation", h.browser(r))
	if err != nil {
		h.show(w, r, "", err)
		return
	}
	h.enter(w, r, secret, in, "")
}
