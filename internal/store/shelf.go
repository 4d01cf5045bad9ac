package store

import (
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// A run stands on one of its owner's two shelves, or on none. Which one is part of the owner as it is
// stored, and so of every index of the lists: each shelf is listed like the runs of an owner of its own,
// whatever stands on the other, and moving a run is one small update.
const (
	archived = ":archived" // ends the type of an owner of what was put away
	// nowhere is the owner of runs that nobody sees: deleted ones, and those that are not whole yet.
	nowhere = "nowhere"
)

// shelved is the owner of a run as it is stored.
func shelved(o identity.Owner, away bool) identity.Owner {
	if away {
		o.Type += archived
	}
	return o
}

// unshelved is the owner of a run, and whether it was put away.
func unshelved(o identity.Owner) (_ identity.Owner, away bool) {
	plain, away := strings.CutSuffix(string(o.Type), archived)
	o.Type = api.ScopeType(plain)
	return o, away
}

// onShelves are the owners, as they are stored, of the shelves a query is about.
func onShelves(owners []identity.Owner, which run.Archived) []identity.Owner {
	list := make([]identity.Owner, 0, 2*len(owners))
	for _, o := range owners {
		if which != run.ArchivedOnly {
			list = append(list, o)
		}
		if which != run.ArchivedExclude {
			list = append(list, shelved(o, true))
		}
	}
	return list
}
