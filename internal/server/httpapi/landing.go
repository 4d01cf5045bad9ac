package httpapi

import (
	"net/http"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// landing is what a browser finds at the server's address and behind the links to runs when the program
// was built without the console: how to go on from the command line. It shows nothing of a run but the id it was asked for, so it needs no key.
type landing struct {
	URL string
	Run string // empty at the server's own address
}

// home serves the server's address.
func (a *API) home(w http.ResponseWriter, r *http.Request) {
	if a.console.wants(r) {
		a.console.page(w, r)
		return
	}
	a.land(w, r, landing{URL: a.cfg.PublicURL})
}

// runPage serves the address that session links name.
func (a *API) runPage(w http.ResponseWriter, r *http.Request) {
	if a.console.wants(r) {
		a.console.page(w, r)
		return
	}
	id := r.PathValue("runId")
	if err := run.CheckID("run_id", id); err != nil {
		a.fail(w, r, api.NotFound("run", ""))
		return
	}
	a.land(w, r, landing{URL: a.cfg.PublicURL, Run: id})
}

func (a *API) land(w http.ResponseWriter, r *http.Request, l landing) {
	page, err := render("landing.html", l)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	servePage(w, "text/html; charset=utf-8", page)
}
