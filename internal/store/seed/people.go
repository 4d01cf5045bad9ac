package seed

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/cadrehq/cadre/api"
)

// weighted is a choice of which some are taken more often than others.
type weighted[T any] []struct {
	value  T
	weight int
}

func (w weighted[T]) pick(rng *rand.Rand) T {
	total := 0
	for _, c := range w {
		total += c.weight
	}
	at := rng.IntN(total)
	for _, c := range w {
		if at -= c.weight; at < 0 {
			return c.value
		}
	}
	return w[0].value
}

// skewed draws a number below n, small ones most: a few people, agents and environments do the most.
func skewed(rng *rand.Rand, n int) int {
	return int(float64(n) * math.Pow(rng.Float64(), 2.5))
}

var sources = weighted[api.RunSourceType]{
	{api.RunSourceTypeAPI, 300}, {api.RunSourceTypeCLI, 180}, {api.RunSourceTypeWEBAPP, 160}, {api.RunSourceTypeGITHUBACTION, 90},
	{api.RunSourceTypeSLACK, 80}, {api.RunSourceTypeSCHEDULEDAGENT, 70}, {api.RunSourceTypeGITHUBWEBHOOK, 50},
	{api.RunSourceTypeLINEAR, 30}, {api.RunSourceTypeLOCAL, 20}, {api.RunSourceTypeJIRA, 10}, {api.RunSourceTypeGITLABWEBHOOK, 4}, {api.RunSourceTypeAUTOFIX, 1},
}

var states = weighted[api.RunState]{
	{api.RunStateSUCCEEDED, 78_000}, {api.RunStateFAILED, 12_000}, {api.RunStateCANCELLED, 6000}, {api.RunStateERROR, 3000},
	{api.RunStateBLOCKED, 100}, {api.RunStateQUEUED, 40},
}

var models = weighted[string]{
	{"claude-sonnet-4-5", 450}, {"gpt-5.1-codex", 250}, {"claude-opus-4-5", 150}, {"claude-haiku-4-5", 80},
	{"gemini-3-pro", 50}, {"qwen3-coder", 15}, {"scripted", 5},
}

var artifactTypes = weighted[api.ArtifactType]{
	{api.ArtifactTypePULLREQUEST, 60}, {api.ArtifactTypeFILE, 25}, {api.ArtifactTypePLAN, 14}, {api.ArtifactTypeSCREENSHOT, 1},
}

var repositories = []string{"api", "web", "mobile", "billing", "infra", "docs", "search", "worker"}

// The sizes of the team the runs are of.
const (
	people       = 240
	agents       = 120
	environments = 60
	schedules    = 80
	skills       = 45
)

func person(i int) api.UserProfile {
	return api.UserProfile{
		Type: api.UserProfileTypeUser, Uid: fmt.Sprintf("seed-user-%03d", i),
		DisplayName: fmt.Sprintf("Engineer %d", i), Email: fmt.Sprintf("engineer-%d@example.com", i),
	}
}

func agentName(i int) string { return fmt.Sprintf("%s-agent-%d", repositories[i%len(repositories)], i) }

func environmentUID(i int) string { return fmt.Sprintf("SeedEnvironment%07d", i) }

func skillName(i int) string {
	return fmt.Sprintf("acme/%s:skill-%d", repositories[i%len(repositories)], i)
}
