package schedule

import (
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a container or a bare machine may have no zones of its own

	"github.com/cadrehq/cadre/api"
)

// maxZone bounds the name of a time zone in bytes.
const maxZone = 64

// zones are those already loaded, by name. There are some 600 in the world.
var zones sync.Map

// LoadZone finds a time zone by its name in the IANA database; "" is UTC. The machine's own zone
// ("Local") is refused: replicas may not share it.
func LoadZone(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location), nil
	}
	if len(name) > maxZone || strings.EqualFold(name, "local") || strings.HasPrefix(name, "right/") { // those count leap seconds
		return nil, unknownZone(name)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknownZone(name)
	}
	zones.Store(name, z)
	return z, nil
}

func unknownZone(name string) *api.Failure {
	return api.Invalid("time_zone", "%.64q is no time zone; write Europe/Berlin, America/New_York or UTC", name)
}
