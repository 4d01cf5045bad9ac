package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// bodyTypes maps operations to the type their body decodes into, for naming the field that did not
// fit. (The generated code knows, but says nothing.)
var bodyTypes = map[string]reflect.Type{
	"createRun":           reflect.TypeFor[api.RunAgentRequest](),
	"createRunAlias":      reflect.TypeFor[api.RunAgentRequest](),
	"createLocalRun":      reflect.TypeFor[api.LocalRunRequest](),
	"issueIdentityToken":  reflect.TypeFor[api.IdentityTokenRequest](),
	"followUpRun":         reflect.TypeFor[api.RunFollowupRequest](),
	"answerRequest":       reflect.TypeFor[api.AnswerRequest](),
	"createEnvironment":   reflect.TypeFor[api.EnvironmentRequest](),
	"updateEnvironment":   reflect.TypeFor[api.EnvironmentRequest](),
	"createMemoryStore":   reflect.TypeFor[api.CreateMemoryStoreRequest](),
	"updateMemoryStore":   reflect.TypeFor[api.UpdateMemoryStoreRequest](),
	"createMemory":        reflect.TypeFor[api.CreateMemoryRequest](),
	"updateMemory":        reflect.TypeFor[api.UpdateMemoryRequest](),
	"createAgentIdentity": reflect.TypeFor[api.CreateAgentRequest](),
	"updateAgentIdentity": reflect.TypeFor[api.UpdateAgentRequest](),
	"updateTeamDefaults":  reflect.TypeFor[api.UpdateTeamDefaultsRequest](),
	"sendMessage":         reflect.TypeFor[api.SendMessageRequest](),
	"reportEvent":         reflect.TypeFor[api.ReportEventRequest](),
	"setEventSequence":    reflect.TypeFor[api.EventSequenceRequest](),
	"reportClientEvent":   reflect.TypeFor[api.ClientEventRequest](),
	"createSecret":        reflect.TypeFor[api.CreateSecretRequest](),
	"updateSecret":        reflect.TypeFor[api.UpdateSecretRequest](),
	"rotateMasterKey":     reflect.TypeFor[api.RotateMasterKeyRequest](),
	"runnerSecrets":       reflect.TypeFor[api.RunnerSecretsRequest](),
	"createSchedule":      reflect.TypeFor[api.CreateScheduledAgentRequest](),
	"previewSchedule":     reflect.TypeFor[api.SchedulePreviewRequest](),
	"updateSchedule":      reflect.TypeFor[api.UpdateScheduledAgentRequest](),
	"updateMe":            reflect.TypeFor[api.UpdateMeRequest](),
	"setPassword":         reflect.TypeFor[api.SetPasswordRequest](),
	"chooseTeam":          reflect.TypeFor[api.ChooseTeamRequest](),
	"createApiKey":        reflect.TypeFor[api.CreateApiKeyRequest](),
	"renameApiKey":        reflect.TypeFor[api.RenameRequest](),
	"createTeam":          reflect.TypeFor[api.RenameRequest](),
	"renameTeam":          reflect.TypeFor[api.RenameRequest](),
	"setMemberRole":       reflect.TypeFor[api.SetMemberRoleRequest](),
	"createInvitation":    reflect.TypeFor[api.CreateInvitationRequest](),
	"runnerStart":         reflect.TypeFor[api.RunnerStartRequest](),
	"runnerAppend":        reflect.TypeFor[api.RunnerAppendRequest](),
	"runnerDeltas":        reflect.TypeFor[api.RunnerDeltasRequest](),
	"runnerEnd":           reflect.TypeFor[api.RunnerEndRequest](),

	"archiveRuns":   reflect.TypeFor[api.KeepRunsRequest](),
	"unarchiveRuns": reflect.TypeFor[api.KeepRunsRequest](),
	"deleteRuns":    reflect.TypeFor[api.KeepRunsRequest](),

	"createExternalConversation": reflect.TypeFor[api.CreateExternalConversationRequest](),
	"uploadHarnessTranscript":    reflect.TypeFor[api.UploadTargetRequest](),
	"uploadBlockSnapshot":        reflect.TypeFor[api.UploadTargetRequest](),
	"resolvePrompt":              reflect.TypeFor[api.ResolvePromptRequest](),
	"reportArtifact":             reflect.TypeFor[api.ReportedArtifact](),
	"notifyUser":                 reflect.TypeFor[api.NotifyUserRequest](),
	"finishTask":                 reflect.TypeFor[api.FinishTaskRequest](),
	"reportShutdown":             reflect.TypeFor[api.ReportShutdownRequest](),
	"uploadSnapshot":             reflect.TypeFor[api.SnapshotUploadRequest](),
	"commitSnapshot":             reflect.TypeFor[api.CommitSnapshotRequest](),
	"uploadHandoffSnapshot":      reflect.TypeFor[api.HandoffUploadSnapshotRequest](),
	"prepareAttachments":         reflect.TypeFor[api.PrepareAttachmentsRequest](),
	"downloadAttachments":        reflect.TypeFor[api.DownloadAttachmentsRequest](),
	"updateRunFromAgent":         reflect.TypeFor[api.UpdateRunFromAgentRequest](),
	"createFileArtifact":         reflect.TypeFor[api.CreateFileArtifactRequest](),
	"confirmFileArtifact":        reflect.TypeFor[api.ConfirmFileArtifactRequest](),
	"renameConversation":         reflect.TypeFor[api.RenameConversationRequest](),
	"forkRun":                    reflect.TypeFor[api.ForkRunRequest](),
	"forkConversation":           reflect.TypeFor[api.ForkConversationRequest](),

	"createRunner":            reflect.TypeFor[api.ComputeRunnerRequest](),
	"updateRunner":            reflect.TypeFor[api.ComputeRunnerRequest](),
	"createPrompt":            reflect.TypeFor[api.SavedPromptRequest](),
	"updatePrompt":            reflect.TypeFor[api.SavedPromptRequest](),
	"createMcpServer":         reflect.TypeFor[api.SharedMcpServerRequest](),
	"updateMcpServer":         reflect.TypeFor[api.SharedMcpServerRequest](),
	"putRules":                reflect.TypeFor[api.RulesRequest](),
	"putAppliedConfiguration": reflect.TypeFor[api.AppliedConfigurationRequest](),
}

// refuseParameter answers a query or path parameter that the generated code could not read.
func (a *API) refuseParameter(w http.ResponseWriter, r *http.Request, err error) {
	var (
		format   *api.InvalidParamFormatError
		required *api.RequiredParamError
		many     *api.TooManyValuesForParamError
	)
	switch {
	case errors.As(err, &required):
		err = api.Invalid(required.ParamName, "is required")
	case errors.As(err, &many):
		err = api.Invalid(many.ParamName, "is given %d times", many.Count)
	case errors.As(err, &format):
		err = api.Invalid(format.ParamName, "has the wrong format")
	default:
		err = api.Invalid("query", "could not be read")
	}
	a.fail(w, r, err)
}

// refuseBody answers a body that is JSON but does not fit its type, naming the field.
func (a *API) refuseBody(w http.ResponseWriter, r *http.Request, err error) {
	s := stateOf(r.Context())
	field, want := "", "an object"
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		field, want = mistyped.Field, wanted(mistyped.Type)
	}
	// Times and base64 fail without naming the member: look for it.
	if t, ok := bodyTypes[s.operation]; ok && field == "" {
		var v any
		if json.Unmarshal(s.body, &v) == nil {
			if f, w, found := misfit(t, v, ""); found {
				field, want = f, w
			}
		}
	}
	if field == "" {
		field = "body"
	}
	a.fail(w, r, api.Invalid(field, "must be %s", want))
}

// misfit finds the innermost member of v that does not decode into t, and what it should be.
func misfit(t reflect.Type, v any, path string) (field, want string, found bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if fits(t, v) {
		return "", "", false
	}
	switch value := v.(type) {
	case map[string]any:
		for name, member := range value {
			if mt, ok := memberType(t, name); ok {
				if f, w, found := misfit(mt, member, join(path, name)); found {
					return f, w, true
				}
			}
		}
	case []any:
		if t.Kind() == reflect.Slice {
			for i, item := range value {
				if f, w, found := misfit(t.Elem(), item, fmt.Sprintf("%s[%d]", path, i)); found {
					return f, w, true
				}
			}
		}
	}
	return path, wanted(t), true
}

func fits(t reflect.Type, v any) bool {
	b, err := json.Marshal(v)
	return err == nil && json.Unmarshal(b, reflect.New(t).Interface()) == nil
}

// memberType is the type of the member that JSON calls name.
func memberType(t reflect.Type, name string) (reflect.Type, bool) {
	switch t.Kind() {
	case reflect.Map:
		return t.Elem(), true
	case reflect.Struct:
		for i := range t.NumField() {
			if jsonName(t.Field(i)) == name {
				return t.Field(i).Type, true
			}
		}
	}
	return nil, false
}

// wanted says in JSON's words what decodes into t.
func wanted(t reflect.Type) string {
	switch {
	case t.PkgPath() == "time" && t.Name() == "Time":
		return "an RFC 3339 time"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "a base64 string"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "an integer in range"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func join(path, name string) string {
	if len(name) > 64 {
		name = name[:64]
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
