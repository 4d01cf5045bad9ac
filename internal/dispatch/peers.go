package dispatch

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	// peerLife is how long an announcement counts.
	peerLife = 15 * time.Second
	// announceEvery is how many ticks lie between announcements when nothing changed.
	announceEvery = 5
	// introduced is how many ticks a new dispatcher gives its peers to answer before it says of any
	// host that nobody serves it.
	introduced = 3
	// peerPlaces bounds the places of one announcement, to stay below the bus' bound. Workers beyond
	// it are still served; only the other replicas do not know of them.
	peerPlaces = 2000
)

// Peers connects the dispatchers of replicas. What they tell each other only informs people: who is
// connected where, and why a run waits. event.Bus is one.
type Peers interface {
	Announce(payload []byte)
	Announcements(ctx context.Context) (<-chan []byte, error)
}

// announcement is a dispatcher's places as the others see them.
type announcement struct {
	From   string      `json:"from"` // instance/boot
	Ask    bool        `json:"ask,omitempty"`
	Places []peerPlace `json:"places,omitempty"`

	at time.Time
}

// peerPlace is one place of another dispatcher.
type peerPlace struct {
	TeamUID string              `json:"team_uid"`
	Free    int                 `json:"free"`
	Worker  api.ConnectedWorker `json:"worker"`
}

// self names this dispatcher among its peers.
func (d *Dispatcher) self() string { return d.cfg.Instance + "/" + d.boot }

// meet follows what peers announce.
func (d *Dispatcher) meet(ctx context.Context) {
	if d.cfg.Peers == nil {
		return
	}
	follow(ctx, d.cfg.Peers.Announcements, func(err error) {
		if err == nil {
			d.announce(true)
			return
		}
		d.cfg.Logger.Warn("cannot listen to other replicas", "error", err)
	}, d.hear)
}

func (d *Dispatcher) hear(payload []byte) {
	var a announcement
	if err := json.Unmarshal(payload, &a); err != nil || a.From == "" || a.From == d.self() {
		return
	}
	d.mu.Lock()
	a.at = d.now()
	d.peers[a.From] = a
	d.mu.Unlock()
	if a.Ask {
		d.announce(false)
	}
}

// announce tells the peers about this dispatcher's places, asking for theirs or not.
func (d *Dispatcher) announce(ask bool) {
	if d.cfg.Peers == nil {
		return
	}
	a := announcement{From: d.self(), Ask: ask}
	d.mu.Lock()
	now := d.now()
	d.registry.changed = false
	for _, p := range d.registry.places {
		if len(a.Places) < peerPlaces {
			a.Places = append(a.Places, peerPlace{TeamUID: p.TeamUID, Free: p.free(now), Worker: p.summary()})
		}
	}
	for from, peer := range d.peers {
		if now.Sub(peer.at) > peerLife {
			delete(d.peers, from)
		}
	}
	d.mu.Unlock()
	payload, err := json.Marshal(a)
	if err != nil {
		d.cfg.Logger.Error("cannot make announcement", "error", err)
		return
	}
	d.cfg.Peers.Announce(payload)
}

// news reports whether peers should be told more than that this dispatcher lives.
func (d *Dispatcher) news() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.registry.changed
}

// elsewhere lists the places of a team at other replicas. mu is held.
func (d *Dispatcher) elsewhere(teamUID string) (places []peerPlace) {
	now := d.now()
	for _, a := range d.peers {
		if now.Sub(a.at) > peerLife {
			continue
		}
		for _, p := range a.Places {
			if p.TeamUID == teamUID {
				places = append(places, p)
			}
		}
	}
	return places
}

// merge adds a host's workers at another replica to those known.
func merge(w *api.ConnectedWorker, other api.ConnectedWorker) {
	if w.ConnectedAt.IsZero() || other.ConnectedAt.Before(w.ConnectedAt) {
		w.ConnectedAt = other.ConnectedAt
	}
	if other.LastSeenAt.After(w.LastSeenAt) {
		w.LastSeenAt = other.LastSeenAt
	}
	if w.Capacity == 0 && w.ConnectionCount > 0 || other.Capacity == 0 {
		w.Capacity = 0 // one of them is without bound
	} else {
		w.Capacity += other.Capacity
	}
	w.ConnectionCount += other.ConnectionCount
	w.Running += other.Running
	if w.Backend == "" {
		w.Backend, w.Version = other.Backend, other.Version
	}
}
