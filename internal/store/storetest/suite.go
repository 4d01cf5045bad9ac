package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
)

// Opener opens a new, empty database with the given options, of which it sets the DSN, and closes it
// with the test.
type Opener func(t testing.TB, opts store.Options) *store.DB

// Run carries out the conformance suite on the databases that open makes.
func Run(t *testing.T, open Opener) {
	for name, test := range map[string]func(*bundle){
		"Insert":                testInsert,
		"InsertTwice":           testInsertTwice,
		"InsertOnce":            testInsertOnce,
		"InsertLocal":           testInsertLocal,
		"GetUnknown":            testGetUnknown,
		"ChangeEverything":      testChangeEverything,
		"ChangeRefused":         testChangeRefused,
		"ChangeFailsLate":       testChangeFailsLate,
		"ChangeUnknown":         testChangeUnknown,
		"ChangeNothing":         testChangeNothing,
		"ChangeMovesTheList":    testChangeMovesTheList,
		"ChangeUnheard":         testChangeUnheard,
		"ChangeFenced":          testChangeFenced,
		"ChangeKeepsLease":      testChangeKeepsLease,
		"Commands":              testCommands,
		"Requests":              testRequests,
		"Artifacts":             testArtifacts,
		"Messages":              testMessages,
		"MessagesAllOrNone":     testMessagesAllOrNone,
		"MessageBeforeTheEnd":   testMessageBeforeTheEnd,
		"FollowedEvents":        testFollowedEvents,
		"ClientEvents":          testClientEvents,
		"Children":              testChildren,
		"Working":               testWorking,
		"Entries":               testEntries,
		"EventsFeed":            testEventsFeed,
		"Notices":               testNotices,
		"ConcurrentCreates":     testConcurrentCreates,
		"ConcurrentChanges":     testConcurrentChanges,
		"FeedNeverSkips":        testFeedNeverSkips,
		"GroupWithFailures":     testGroupWithFailures,
		"GroupWithPanic":        testGroupWithPanic,
		"GroupWithBadEvent":     testGroupWithBadEvent,
		"GroupWithSwallowed":    testGroupWithSwallowed,
		"CancelBeforeStart":     testCancelBeforeStart,
		"CancelAfterStart":      testCancelAfterStart,
		"WriteAfterClose":       testWriteAfterClose,
		"CloseFinishesTheQueue": testCloseFinishesTheQueue,
		"Ready":                 testReady,
		"Waiting":               testWaiting,
		"WaitingLimits":         testWaitingLimits,
		"Queued":                testQueued,
		"Leases":                testLeases,
		"Overdue":               testOverdue,
		"Ledger":                testLedger,
		"LedgerConcurrent":      testLedgerConcurrent,
		"Spendings":             testSpendings,
		"Environments":          testEnvironments,
		"Runners":               testRunners,
		"Prompts":               testPrompts,
		"Servers":               testServers,
		"Rules":                 testRules,
		"Applied":               testApplied,
		"EnvironmentLastRuns":   testEnvironmentLastRuns,
		"LastOfSkills":          testLastOfSkills,
		"Bootstrap":             testBootstrap,
		"Keys":                  testKeys,
		"Secret":                testSecret,
		"KeyLists":              testKeyLists,
		"People":                testPeople,
		"Teams":                 testTeams,
		"LastAdminTogether":     testLastAdminTogether,
		"RemoveMember":          testRemoveMember,
		"SignIns":               testSignIns,
		"Links":                 testLinks,
		"Invitations":           testInvitations,
		"AcceptTogether":        testAcceptTogether,
		"Devices":               testDevices,
		"Attempts":              testAttempts,
		"Federate":              testFederate,
		"LastOperatorTogether":  testLastOperatorTogether,
		"Prune":                 testPrune,
		"Agents":                testAgents,
		"AgentMemory":           testAgentMemory,
		"MemoryStores":          testMemoryStores,
		"Memories":              testMemories,
		"MemoryLimit":           testMemoryLimit,
		"AgentDelete":           testAgentDelete,
		"AgentNames":            testAgentNames,
		"DefaultAgent":          testDefaultAgent,
		"TeamDefaults":          testTeamDefaults,
		"Schedules":             testSchedules,
		"ScheduleClaims":        testScheduleClaims,
		"ScheduleTicks":         testScheduleTicks,
		"Keyring":               testKeyring,
		"KeyringTogether":       testKeyringTogether,
		"IssuerKeys":            testIssuerKeys,
		"Secrets":               testSecrets,
		"SecretUses":            testSecretUses,
		"Blobs":                 testBlobs,
		"StoredBytes":           testStoredBytes,
		"Uploads":               testUploads,
		"UploadsExpire":         testUploadsExpire,
		"UploadsTakenOver":      testUploadsTakenOver,
		"ListFilters":           testListFilters,
		"ListPages":             testListPages,
		"ListVisibility":        testListVisibility,
		"ListCursor":            testListCursor,
		"ListText":              testListText,
		"ListAncestor":          testListAncestor,
		"BadText":               testBadText,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newBundle(t, open))
		})
	}
}

// bundle is a database of a test's own with every noun on it.
type bundle struct {
	*testing.T
	ctx          context.Context
	db           *store.DB
	runs         store.Runs
	sessions     store.Sessions
	events       store.Events
	dispatch     store.Dispatch
	ledger       store.Ledger
	spendings    store.Spendings
	environments store.Environments
	runners      store.NamedDefinitions[api.ComputeRunnerConfig]
	prompts      store.NamedDefinitions[api.SavedPromptConfig]
	servers      store.NamedDefinitions[api.SharedMcpServerConfig]
	rules        store.Rules
	applied      store.Applied
	identity     store.Identity
	blobs        store.Blobs
	uploads      store.Uploads
	schedules    store.Schedules
	keyring      store.Keyring
	agents       store.Agents
	memories     store.Memories
	issuer       store.Issuer
	secrets      store.Secrets
	notices      *notices
}

func newBundle(t *testing.T, open Opener) *bundle {
	n := new(notices)
	db := open(t, store.Options{OnCommit: n.add})
	return &bundle{
		T: t, ctx: t.Context(), db: db, notices: n,
		runs: store.NewRuns(db), sessions: store.NewSessions(db), events: store.NewEvents(db),
		dispatch: store.NewDispatch(db), ledger: store.NewLedger(db), spendings: store.NewSpendings(db), environments: store.NewEnvironments(db),
		runners: store.NewRunners(db), prompts: store.NewPrompts(db), servers: store.NewServers(db),
		rules: store.NewRules(db), applied: store.NewApplied(db),
		identity: store.NewIdentity(db), blobs: store.NewBlobs(db), uploads: store.NewUploads(db), schedules: store.NewSchedules(db),
		keyring: store.NewKeyring(db), agents: store.NewAgents(db), memories: store.NewMemories(db),
		issuer:  store.NewIssuer(db),
		secrets: store.NewSecrets(db),
	}
}

// notices collects what OnCommit received.
type notices struct {
	mu   sync.Mutex
	list []run.Notice
}

func (n *notices) add(list []run.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, list...)
}

func (n *notices) of(runID string) (list []run.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, one := range n.list {
		if one.RunID == runID {
			list = append(list, one)
		}
	}
	return list
}

// noon is the moment the suite's data counts from: an exact microsecond.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456000, time.UTC)

// The teams and people of the suite's data.
var (
	red  = identity.Owner{Type: api.ScopeTypeTeam, UID: "team-red"}
	blue = identity.Owner{Type: api.ScopeTypeTeam, UID: "team-blue"}
	ann  = identity.Owner{Type: api.ScopeTypeUser, UID: "user-ann"}
)

// newID makes an id that sorts by time of creation.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// plainRun is a queued run of the red team.
func plainRun() run.New {
	id := newID()
	author := api.UserProfile{Type: api.UserProfileTypeUser, Uid: ann.UID, DisplayName: "Ann"}
	r := run.Run{
		ID: id, Title: "Fix the build", Prompt: "make it green", State: api.RunStateQUEUED,
		Mode: api.RunModeNormal, Source: api.RunSourceTypeAPI, Location: api.RunExecutionLocationREMOTE,
		Host: "local", Owner: red, TeamUID: red.UID, Creator: author, Executor: author, ConversationID: id,
		CreatedAt: noon, UpdatedAt: noon, QueuedAt: noon,
	}
	return run.New{
		Run:     r,
		Entries: []api.NewEntry{api.MakeEntry(noon, api.UserMessage{Text: r.Prompt, Author: author})},
		Event:   run.Event{Type: run.EventCreated, State: r.State, At: noon},
	}
}

// insert stores a plain run after edit has changed it.
func (b *bundle) insert(edit func(*run.New)) run.Run {
	b.Helper()
	n := plainRun()
	if edit != nil {
		edit(&n)
	}
	if n.Run.ConversationID == "" {
		n.Run.ConversationID = n.Run.ID
	}
	b.ok(b.runs.Insert(b.ctx, n))
	n.Run.LastSeq = int64(len(n.Entries))
	return n.Run
}

// assign opens the next execution of a run as dispatch does.
func (b *bundle) assign(runID, worker string, lease time.Time) run.Execution {
	b.Helper()
	var x run.Execution
	_, err := b.runs.Change(b.ctx, runID, func(c run.Current) (run.Change, error) {
		r := c.Run
		r.Execution++
		r.Live, r.State, r.UpdatedAt = true, api.RunStatePENDING, r.UpdatedAt.Add(time.Second)
		x = run.Execution{ID: "x-" + runID + fmt.Sprint(r.Execution), RunID: runID, Number: r.Execution,
			State: run.ExecutionAssigned, Host: r.Host, Worker: worker, Backend: "direct", LeaseUntil: lease, CreatedAt: noon}
		return run.Change{Run: &r, Execution: &x, Events: []run.Event{{Type: run.EventPending, ExecutionID: x.ID, At: noon}}}, nil
	})
	b.ok(err)
	return x
}

// change applies edit to a run and stores it.
func (b *bundle) change(runID string, edit func(*run.Run)) run.Changed {
	b.Helper()
	done, err := b.runs.Change(b.ctx, runID, func(c run.Current) (run.Change, error) {
		r := c.Run
		edit(&r)
		change := run.Change{Run: &r}
		if r.State != c.Run.State || !r.UpdatedAt.Equal(c.Run.UpdatedAt) {
			change.Events = []run.Event{{Type: run.EventQueued, State: r.State, At: noon}}
		}
		return change, nil
	})
	b.ok(err)
	return done
}

// ok fails the test on an error.
func (b *bundle) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// code fails the test unless err carries the code.
func (b *bundle) code(err error, want api.PlatformErrorCode) {
	b.Helper()
	if err == nil || api.CodeOf(err) != want {
		b.Fatalf("error is %v, want code %s", err, want)
	}
}

// same fails the test unless got equals want.
func same[T any](b *bundle, what string, got, want T) {
	b.Helper()
	if d := cmp.Diff(want, got); d != "" {
		b.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// has is the event of an artifact.
var has = []run.Event{{Type: run.EventArtifact, At: noon}}

// note is an entry that says text.
func note(text string) api.NewEntry {
	return api.MakeEntry(noon, api.Notice{Level: api.NoticeInfo, Text: text})
}

// raw is JSON.
func raw(s string) json.RawMessage { return json.RawMessage(s) }
