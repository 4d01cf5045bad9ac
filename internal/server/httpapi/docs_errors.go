package httpapi

import "github.com/cadrehq/cadre/api"

// docsCode is an error code with what to do about it.
type docsCode struct {
	api.Code
	When, Then string
}

// explained tells about a code.
func explained(c api.Code) docsCode {
	e := errorHelp[c.Name]
	return docsCode{Code: c, When: e.when, Then: e.then}
}

// errorHelp says when each code occurs and what to do then. A test sees to it that none is missing.
var errorHelp = map[api.PlatformErrorCode]struct{ when, then string }{
	api.PlatformErrorCodeInvalidRequest: {
		"A member of the request is missing, malformed or out of range, or the run's state does not allow what was asked.",
		"Correct the member that `detail` begins with. Repeating the request as it is cannot succeed.",
	},
	api.PlatformErrorCodeAuthenticationRequired: {
		"The request carries no key, or one that is malformed, unknown, revoked or expired. A run token expires with its execution.",
		"Send `Authorization: Bearer KEY`. `cadre whoami` tries the saved key, `cadre login` saves another.",
	},
	api.PlatformErrorCodeNotAuthorized: {
		"The credential is valid and may not do this: a viewer's key that starts or steers runs, or a run token outside its run.",
		"Use a key with the permission that the operation names. A signed link that is too old is asked for again where it came from.",
	},
	api.PlatformErrorCodeResourceNotFound: {
		"There is no such thing, or it belongs to somebody the credential cannot see.",
		"Check the id, and with `cadre whoami` whose key is used.",
	},
	api.PlatformErrorCodeConflict: {
		"The run is in the middle of something: a worker is just taking it, its agent has not begun, or a request was answered before. A runner receives it when its execution is over.",
		"Heed `x-should-retry`: repeat the request in a moment if it says so, else read the run again.",
	},
	api.PlatformErrorCodeOperationNotSupported: {
		"This kind of run, or this server, cannot do it: cancelling a run of a machine of its own, or a harness that is not built in.",
		"`detail` says what to do instead.",
	},
	api.PlatformErrorCodeResourceUnavailable: {
		"A limit is reached for now, the database cannot serve, or a run's sandboxes were lost too often in a row.",
		"Try again after `Retry-After`. If it stays, look at the server's log and its limits.",
	},
	api.PlatformErrorCodeInternalError: {
		"Something went wrong in the server.",
		"Try again; if it stays, find `trace_id` in the server's log.",
	},
	api.PlatformErrorCodeEnvironmentSetupFailed: {
		"A repository could not be cloned, a set-up command failed, or the environment is gone.",
		"The session shows the step with its output. Correct the environment, then send the run a message to try again.",
	},
	api.PlatformErrorCodeExternalAuthenticationRequired: {
		"A service such as a code forge is not connected for whom the run acts, or its account cannot read a repository.",
		"Connect the account at `auth_url`.",
	},
	api.PlatformErrorCodeInsufficientCredits: {
		"No credit is left.",
		"Add credit, or use a model with a key of your own.",
	},
	api.PlatformErrorCodeBudgetExceeded: {
		"The run, or its team, has spent what it may.",
		"Raise the budget; the run keeps what it did.",
	},
	api.PlatformErrorCodeStorageLimitExceeded: {
		"The run has stored as much as one run may: in its session, or in artifacts, snapshots and large outputs.",
		"Start another run that writes less, or raise the limit `detail` names; a message then sets the run going again.",
	},
	api.PlatformErrorCodeFeatureNotAvailable: {
		"The feature is not there: switched off, or missing in the runner that carries the run out.",
		"Choose another harness or model, or use a newer worker.",
	},
	api.PlatformErrorCodeIntegrationDisabled: {
		"The integration is switched off.",
		"Switch it on for the team.",
	},
	api.PlatformErrorCodeIntegrationNotConfigured: {
		"The integration was never set up to its end.",
		"Finish at `setup_url`.",
	},
	api.PlatformErrorCodeContentPolicyViolation: {
		"The model's vendor, or a rule of the server, refused the content.",
		"Say it differently, or choose another model.",
	},
	api.PlatformErrorCodeInfrastructureTimeout: {
		"The run worked longer than it may, or the machine that carried it out stopped reporting.",
		"Send the run a message to go on, or raise the limit (`--max-active`).",
	},
	api.PlatformErrorCodeAgentProcessFailed: {
		"The agent's process ended without reporting how its work went: it crashed, could not start, or ran out of memory.",
		"Look at the end of the session and at the worker's log, then send the run a message to try again.",
	},
}
