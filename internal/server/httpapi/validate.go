package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// validate is the strict handler's middleware that checks what decoding does not: unknown enum
// values, absent required members, text no database can hold, numbers and counts out of range.
func (a *API) validate(next api.StrictHandlerFunc, _ string) api.StrictHandlerFunc {
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		// What a sandbox says is mended by the service, not refused: see readBody.
		c := checker{anyText: actorOf(ctx).Kind == identity.KindRun}
		v := reflect.ValueOf(request)
		if params := v.FieldByName("Params"); params.IsValid() {
			if err := c.check(params, ""); err != nil {
				return nil, err
			}
		}
		if body := v.FieldByName("Body"); body.IsValid() && !body.IsNil() {
			if err := c.check(body.Elem(), ""); err != nil {
				return nil, err
			}
		}
		return next(ctx, w, r, request)
	}
}

// checker walks a decoded request.
type checker struct {
	anyText bool // do not look at text
}

// enum is what every generated enumeration has.
type enum interface{ Valid() bool }

var enumType = reflect.TypeFor[enum]()

// bound is an inclusive range of a number, or of the count of a list or map.
type bound struct{ min, max int64 }

// bounds are the ranges openapi.yaml gives to request members, by type and JSON name. (A test
// compares them with the file.)
var bounds = map[string]bound{
	"ListRunsParams.limit":                                     {1, 500},
	"ListRunsParams.metadata":                                  {0, 5},
	"ForkRunRequest.at_seq":                                    {0, 1 << 62},
	"LocalRunRequest.fork_at_seq":                              {0, 1 << 62},
	"KeepRunsRequest.run_ids":                                  {0, 500},
	"KeepRunsRequest.limit":                                    {1, 500},
	"RunFilter.metadata":                                       {0, 5},
	"ListEntriesParams.limit":                                  {1, 1000},
	"ListEntriesParams.after":                                  {0, 1 << 62},
	"RunnerAppendRequest.first_index":                          {0, 1 << 62},
	"RunnerAppendRequest.snapshot_seq":                         {0, 1 << 62},
	"RunnerEndRequest.snapshot_seq":                            {0, 1 << 62},
	"IdentityTokenRequest.audience":                            {0, 1024},
	"IdentityTokenRequest.requested_duration_seconds":          {300, 10800},
	"IdentityTokenRequest.subject_template":                    {0, 9},
	"UpdateTeamDefaultsRequest.max_concurrent_runs":            {0, 1000000},
	"RunAgentRequest.attachments":                              {0, 25},
	"RunAgentRequest.metadata":                                 {0, 20},
	"ListScheduleTicksParams.limit":                            {1, 500},
	"ListMessagesParams.limit":                                 {1, 100},
	"ListEventsParams.limit":                                   {1, 500},
	"ListEventsParams.run_ids":                                 {0, 200},
	"ListEventsParams.since":                                   {0, 1 << 62},
	"SendMessageRequest.to":                                    {0, 50},
	"SendMessageRequest.body":                                  {0, 131072},
	"SendMessageRequest.subject":                               {0, 1024},
	"ReportEventRequest.execution_id":                          {0, 128},
	"ReportEventRequest.ref_id":                                {0, 128},
	"EventSequenceRequest.sequence":                            {0, 1 << 62},
	"ClientEventRequest.event_name":                            {0, 128},
	"CreateScheduledAgentRequest.metadata":                     {0, 20},
	"CreateScheduledAgentRequest.max_catch_up":                 {1, 100},
	"CreateScheduledAgentRequest.jitter_seconds":               {0, 3600},
	"UpdateScheduledAgentRequest.metadata":                     {0, 20},
	"UpdateScheduledAgentRequest.max_catch_up":                 {1, 100},
	"UpdateScheduledAgentRequest.jitter_seconds":               {0, 3600},
	"SchedulePreviewRequest.count":                             {1, 100},
	"AmbientAgentConfig.idle_timeout_minutes":                  {0, 60},
	"CloudEnvironmentConfig.failure_session_retention_minutes": {1, 60},
	"CreateMemoryStoreRequest.description":                     {0, 1000},
	"UpdateMemoryStoreRequest.description":                     {0, 1000},
	"CreateMemoryRequest.reason":                               {0, 1000},
	"UpdateMemoryRequest.reason":                               {0, 1000},
	"CreateAgentRequest.name":                                  {0, 100},
	"CreateAgentRequest.secrets":                               {0, 100},
	"CreateAgentRequest.skills":                                {0, 32},
	"UpdateAgentRequest.name":                                  {0, 100},
	"UpdateAgentRequest.secrets":                               {0, 100},
	"UpdateAgentRequest.skills":                                {0, 32},
	"CreateAgentMemory.attached_stores":                        {0, 16},
	"UpdateAgentMemory.attached_stores":                        {0, 16},
	"ComputeRunnerConfig.name":                                 {0, 200},
	"ComputeRunnerConfig.description":                          {0, 240},
	"RunnerShape.vcpus":                                        {1, 1024},
	"RunnerShape.memory_gb":                                    {1, 65536},
	"LinuxRunner.docker_image":                                 {0, 512},
	"SavedPromptConfig.name":                                   {0, 200},
	"SavedPromptConfig.description":                            {0, 240},
	"SavedPromptConfig.arguments":                              {0, 32},
	"PromptArgument.name":                                      {0, 64},
	"PromptArgument.description":                               {0, 240},
	"SharedMcpServerConfig.name":                               {0, 64},
	"SharedMcpServerConfig.description":                        {0, 240},
	"AppliedThing.kind":                                        {0, 64},
	"AppliedThing.name":                                        {0, 256},
	"AppliedThing.uid":                                         {0, 128},
	"AppliedConfigurationRequest.set":                          {0, 64},
	"AppliedConfigurationRequest.things":                       {0, 5000},
	"RunAgentRequest.saved_prompt_arguments":                   {0, 32},
	"LocalRunRequest.saved_prompt_arguments":                   {0, 32},
	"CreateScheduledAgentRequest.saved_prompt_arguments":       {0, 32},
	"UpdateScheduledAgentRequest.saved_prompt_arguments":       {0, 32},
	"UpdateMeRequest.name":                                     {0, 100},
	"SetPasswordRequest.present":                               {0, 256},
	"SetPasswordRequest.password":                              {0, 256},
	"ChooseTeamRequest.team_uid":                               {0, 128},
	"RenameRequest.name":                                       {0, 100},
	"CreateInvitationRequest.email":                            {0, 254},
	"CreateApiKeyRequest.name":                                 {0, 100},
	"CreateApiKeyRequest.team_id":                              {0, 128},
	"CreateApiKeyRequest.agent_uid":                            {0, 128},
	"CreateApiKeyRequest.scopes":                               {0, 4},
	"CloudEnvironmentConfig.description":                       {0, 240},
	"CloudEnvironmentConfig.secrets":                           {0, 200},
	"AmbientAgentConfig.secrets":                               {0, 200},
	"CreateSecretRequest.name":                                 {0, 256},
	"CreateSecretRequest.description":                          {0, 240},
	"CreateSecretRequest.file_name":                            {0, 128},
	"UpdateSecretRequest.description":                          {0, 240},
	"ListSecretUsesParams.limit":                               {1, 500},
	"RotateMasterKeyRequest.key_id":                            {0, 64},
	"RunAgentRequest.initial_snapshot_token":                   {0, 128},
	"RunFollowupRequest.attachments":                           {0, 25},
	"HandoffUploadSnapshotRequest.files":                       {0, 25},
	"PrepareAttachmentsRequest.files":                          {0, 25},
	"DownloadAttachmentsRequest.attachment_ids":                {0, 100},
	"UpdateRunFromAgentRequest.conversation_id":                {0, 128},
	"UpdateRunFromAgentRequest.session_id":                     {0, 128},
	"AgentStatusMessage.error_code":                            {0, 64},
	"AgentStatusMessage.message":                               {0, 16384},
	"CreateFileArtifactRequest.size_bytes":                     {0, 512 << 20},
	"ConfirmFileArtifactRequest.crc32c":                        {0, 16},
	"CreateExternalConversationRequest.format":                 {0, 64},
	"ResolvePromptRequest.attachments_dir":                     {0, 4096},
	"ResolvePromptSkill.name":                                  {0, 256},
	"ResolvePromptSkill.path":                                  {0, 4096},
	"NotifyUserRequest.message":                                {0, 16384},
	"FinishTaskRequest.summary":                                {0, 16384},
	"ReportShutdownError.category":                             {0, 128},
	"ReportShutdownError.message":                              {0, 16384},
	"SnapshotUploadRequest.files":                              {0, 25},
	"SnapshotUploadRequest.generation":                         {0, 128},
	"CommitSnapshotRequest.files":                              {0, 100},
	"CommitSnapshotRequest.generation":                         {0, 128},
}

// mayBeEmpty are required strings whose presence is enough.
var mayBeEmpty = map[string]bool{
	"Delta.text":        true,
	"RulesRequest.text": true,
}

// check walks a decoded value and returns an invalid_request failure naming the first member that is
// wrong.
func (c checker) check(v reflect.Value, path string) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return c.check(v.Elem(), path)
	case reflect.Struct:
		return c.object(v, path)
	case reflect.Slice:
		return c.slice(v, path)
	case reflect.Map:
		for pairs := v.MapRange(); pairs.Next(); {
			key := pairs.Key().String()
			if err := c.text(key, path); err != nil {
				return err
			}
			if err := c.check(pairs.Value(), join(path, key)); err != nil {
				return err
			}
		}
	case reflect.String:
		if wrong := c.word(v, v.Type().Implements(enumType)); wrong != "" {
			return api.Invalid(path, "%s", wrong)
		}
	}
	return nil
}

func (c checker) slice(v reflect.Value, path string) error {
	elem := v.Type().Elem()
	if elem.Kind() == reflect.Uint8 { // bytes and raw JSON
		return nil
	}
	closed := elem.Implements(enumType)
	for i := range v.Len() {
		item := v.Index(i)
		if closed && !item.Interface().(enum).Valid() {
			return api.Invalid(path, "%.64q is not one of the values known here", item.String())
		}
		if err := c.check(item, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	return nil
}

func (c checker) object(v reflect.Value, path string) error {
	for _, m := range membersOf(v.Type()) {
		value := v.Field(m.index)
		if m.required && empty(value) && !m.mayBeEmpty && !hasURL(v) {
			return api.Invalid(join(path, m.name), "is required")
		}
		if m.bounded {
			if wrong := m.bound.check(value); wrong != "" {
				return api.Invalid(join(path, m.name), "%s", wrong)
			}
		}
		// What is absent is not looked into: required members of an absent object are not required.
		if !m.required && value.IsZero() {
			continue
		}
		if value.Kind() == reflect.String { // most are: their path is made only if it is told
			if wrong := c.word(value, m.closed); wrong != "" {
				return api.Invalid(join(path, m.name), "%s", wrong)
			}
			continue
		}
		if err := c.check(value, join(path, m.name)); err != nil {
			return err
		}
	}
	return nil
}

// member is what is known of a struct's member whatever its value is.
type member struct {
	index      int
	name       string // as JSON calls it
	required   bool
	mayBeEmpty bool
	bounded    bool
	bound      bound
	closed     bool // a value of an enumeration
}

// memberLists keeps the members of each type that was checked: a request's types are the contract's, so
// there are some dozens.
var memberLists sync.Map // reflect.Type -> []member

func membersOf(t reflect.Type) []member {
	if list, ok := memberLists.Load(t); ok {
		return list.([]member)
	}
	list := []member{}
	for i := range t.NumField() {
		f := t.Field(i)
		name := jsonName(f)
		if !f.IsExported() || name == "-" || t.PkgPath() == "time" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		id := t.Name() + "." + name
		b, bounded := bounds[id]
		list = append(list, member{
			index: i, name: name, required: required(f), mayBeEmpty: mayBeEmpty[id], bounded: bounded, bound: b,
			closed: f.Type.Kind() == reflect.String && f.Type.Implements(enumType),
		})
	}
	memberLists.Store(t, list)
	return list
}

// hasURL reports whether v is a repository with a URL of its own, which needs no owner or name.
func hasURL(v reflect.Value) bool {
	repo, ok := v.Interface().(api.SourceRepo)
	return ok && repo.Url != ""
}

// required reports whether openapi.yaml requires a member: the generator leaves "omitempty" out.
func required(f reflect.StructField) bool {
	return f.Tag.Get("json") != "" && !strings.Contains(f.Tag.Get("json"), "omitempty")
}

func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return v.Len() == 0
	case reflect.Slice:
		return v.IsNil() || v.Type() == reflect.TypeFor[json.RawMessage]() && string(v.Bytes()) == "null"
	case reflect.Map, reflect.Pointer:
		return v.IsNil()
	}
	return false
}

// check says what is wrong with a value; "" when nothing is.
func (b bound) check(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		if n := v.Int(); n < b.min || n > b.max {
			return fmt.Sprintf("must be from %d to %d, not %d", b.min, b.max, n)
		}
	case reflect.String:
		if n := utf8.RuneCountInString(v.String()); int64(n) > b.max {
			return fmt.Sprintf("must be at most %d characters long", b.max)
		}
	default:
		if n := v.Len(); int64(n) > b.max {
			return fmt.Sprintf("must have at most %d members, not %d", b.max, n)
		}
	}
	return ""
}

// word says what is wrong with a string, of an enumeration if it is closed; "" when nothing is.
func (c checker) word(v reflect.Value, closed bool) string {
	if closed && v.Len() > 0 && !v.Interface().(enum).Valid() {
		return fmt.Sprintf("%.64q is not one of the values known here", v.String())
	}
	return c.unfit(v.String())
}

// unfit says why PostgreSQL could not store a text; "" when it could. Invalid UTF-8 in a body was refused
// before; query parameters arrive here unchecked.
func (c checker) unfit(s string) string {
	switch {
	case c.anyText:
		return ""
	case strings.IndexByte(s, 0) >= 0:
		return "contains a NUL character"
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	}
	return ""
}

func (c checker) text(s, path string) error {
	if wrong := c.unfit(s); wrong != "" {
		return api.Invalid(path, "%s", wrong)
	}
	return nil
}
