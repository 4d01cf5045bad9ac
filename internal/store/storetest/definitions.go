package storetest

import (
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
)

// define is a definition with every member set.
func define[C any](uid string, owner identity.Owner, at time.Time, config C) catalog.Definition[C] {
	return catalog.Definition[C]{
		UID: uid, Owner: owner, Config: config, Creator: api.UserProfile{Uid: "c"}, Editor: api.UserProfile{Uid: "e"},
		CreatedAt: at, UpdatedAt: at,
	}
}

// testDefinitions are the rules every kind keeps; make gives a config with a name.
func testDefinitions[C any](b *bundle, s catalog.Store[C], make func(name string) C) {
	put := func(uid string, owner identity.Owner, at time.Time) catalog.Definition[C] {
		d := define(uid, owner, at, make(uid))
		b.ok(s.Insert(b.ctx, d, 2))
		return d
	}
	first, second := put("e1", red, noon), put("e2", red, noon.Add(time.Second))
	mine, foreign := put("e3", ann, noon.Add(2*time.Second)), put("e4", blue, noon)
	b.code(s.Insert(b.ctx, define("e5", red, noon, make("e5")), 2), api.PlatformErrorCodeOperationNotSupported)
	list := func(teams []string, user string, want ...catalog.Definition[C]) {
		b.Helper()
		got, err := s.List(b.ctx, teams, user)
		b.ok(err)
		same(b, "definitions", got, want)
	}
	list([]string{red.UID}, ann.UID, mine, second, first)
	list([]string{red.UID, blue.UID}, "", second, first, foreign)
	list(nil, "")
	// A team's uid given as a person's finds nothing.
	list(nil, red.UID)

	edited := first
	edited.Config, edited.UpdatedAt, edited.Editor.Uid = make("renamed"), noon.Add(time.Hour), "other"
	changed, err := s.Change(b.ctx, "e1", func(d *catalog.Definition[C]) {
		d.Config, d.UpdatedAt, d.Editor = edited.Config, edited.UpdatedAt, edited.Editor
	})
	b.ok(err)
	same(b, "changed", changed, edited)
	got, err := s.Get(b.ctx, "e1")
	b.ok(err)
	same(b, "definition", got, edited)

	b.ok(s.Delete(b.ctx, "e1"))
	_, err = s.Get(b.ctx, "e1")
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	_, err = s.Change(b.ctx, "e1", func(*catalog.Definition[C]) { b.Error("changes what was deleted") })
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	b.code(s.Delete(b.ctx, "e1"), api.PlatformErrorCodeResourceNotFound)
	list([]string{red.UID}, "", second)
	put("e6", red, noon) // what was deleted does not count
}

// testNames are the rules of kinds whose names are unique per owner.
func testNames[C any](b *bundle, s catalog.NamedStore[C], make func(name string) C) {
	insert := func(uid string, owner identity.Owner, name string) error {
		return s.Insert(b.ctx, define(uid, owner, noon, make(name)), 100)
	}
	b.ok(insert("n1", red, "x"))
	b.ok(insert("n2", blue, "x"))
	b.ok(insert("n3", ann, "x"))
	b.ok(insert("n4", red, "y"))
	b.code(insert("n5", red, "x"), api.PlatformErrorCodeConflict)
	_, err := s.Change(b.ctx, "n4", func(d *catalog.Definition[C]) { d.Config = make("x") })
	b.code(err, api.PlatformErrorCodeConflict)
	_, err = s.Change(b.ctx, "n4", func(d *catalog.Definition[C]) { d.Config = make("z") })
	b.ok(err)
	named := func(name string, want ...string) {
		b.Helper()
		list, err := s.Named(b.ctx, []string{red.UID}, ann.UID, name)
		b.ok(err)
		var uids []string
		for _, d := range list {
			uids = append(uids, d.UID)
		}
		same(b, "named "+name, uids, want)
	}
	named("x", "n1", "n3")
	named("z", "n4")
	named("y")
	none, err := s.Named(b.ctx, nil, "", "x")
	b.ok(err)
	same(b, "nobody's", len(none), 0)
	b.ok(s.Delete(b.ctx, "n1"))
	named("x", "n3")
	b.ok(insert("n6", red, "x")) // its name is free again
}

func testEnvironments(b *bundle) {
	testDefinitions(b, b.environments, func(name string) api.CloudEnvironmentConfig {
		return api.CloudEnvironmentConfig{Name: name, SetupCommands: []string{"make"}}
	})
}

func testRunners(b *bundle) {
	make := func(name string) api.ComputeRunnerConfig {
		return api.ComputeRunnerConfig{Name: name, InstanceShape: api.RunnerShape{Vcpus: 2, MemoryGb: 4}}
	}
	testDefinitions(b, b.runners, make)
	testNames(b, b.runners, make)
}

func testPrompts(b *bundle) {
	none := ""
	make := func(name string) api.SavedPromptConfig {
		return api.SavedPromptConfig{Name: name, Text: "{{a}}\n", Arguments: []api.PromptArgument{{Name: "a", Default: &none}}}
	}
	testDefinitions(b, b.prompts, make)
	testNames(b, b.prompts, make)
}

func testServers(b *bundle) {
	make := func(name string) api.SharedMcpServerConfig {
		return api.SharedMcpServerConfig{Name: name, Url: "https://mcp.example.com", Headers: map[string]string{"A": "{{B}}"}}
	}
	testDefinitions(b, b.servers, make)
	testNames(b, b.servers, make)
}

func testRules(b *bundle) {
	put := func(owner identity.Owner, text string) catalog.Rules {
		r := catalog.Rules{Owner: owner, Text: text, Editor: api.UserProfile{Uid: "e"}, UpdatedAt: noon}
		b.ok(b.rules.Put(b.ctx, r))
		return r
	}
	of := func(want ...catalog.Rules) {
		b.Helper()
		got, err := b.rules.Of(b.ctx, red, ann)
		b.ok(err)
		same(b, "rules", got, want)
	}
	of()
	put(blue, "theirs")
	mine := put(ann, "mine")
	of(mine)
	put(red, "first")
	team := put(red, "second")
	of(team, mine)
	put(red, "")
	of(mine)
}

func testApplied(b *bundle) {
	put := func(owner identity.Owner, revision int64, names ...string) (catalog.Applied, error) {
		a := catalog.Applied{Owner: owner, Set: "s", Revision: revision, Editor: api.UserProfile{Uid: "e"}, UpdatedAt: noon}
		for _, name := range names {
			a.Things = append(a.Things, api.AppliedThing{Kind: "runner", Name: name, AnnouncedAt: noon})
		}
		return a, b.applied.Put(b.ctx, a)
	}
	got, err := b.applied.Get(b.ctx, red, "s")
	b.ok(err)
	same(b, "never applied", got, catalog.Applied{Owner: red, Set: "s"})
	_, err = put(red, 1, "a")
	b.ok(err)
	_, err = put(red, 1, "b")
	b.code(err, api.PlatformErrorCodeConflict)
	_, err = put(red, 3, "b")
	b.code(err, api.PlatformErrorCodeConflict)
	want, err := put(red, 2, "a", "b")
	b.ok(err)
	_, err = put(blue, 1, "c")
	b.ok(err)
	got, err = b.applied.Get(b.ctx, red, "s")
	b.ok(err)
	same(b, "applied", got, want)
}
