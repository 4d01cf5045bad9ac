package api

import (
	"errors"
	"fmt"
	"net/http"
)

// Fault says who can mend an error; it decides how a run ends.
type Fault string

// The faults: the user's ends a run FAILED, the platform's ends it ERROR.
const (
	FaultUser     Fault = "user"
	FaultPlatform Fault = "platform"
)

// Code describes one error code: its HTTP status, whether repeating the same request may help, whose
// fault it is, and the exit status of a command that meets it.
type Code struct {
	Name      PlatformErrorCode
	Status    int
	Retryable bool
	Fault     Fault
	Exit      int
	Title     string
}

// Codes is the one table of error codes (contract http-api section 2). Both ends use it.
var Codes = []Code{
	{PlatformErrorCodeInvalidRequest, http.StatusBadRequest, false, FaultUser, 1, "Invalid request"},
	{PlatformErrorCodeAuthenticationRequired, http.StatusUnauthorized, false, FaultPlatform, 1, "Authentication required"},
	{PlatformErrorCodeNotAuthorized, http.StatusForbidden, false, FaultUser, 1, "Not authorized"},
	{PlatformErrorCodeResourceNotFound, http.StatusNotFound, false, FaultUser, 1, "Not found"},
	{PlatformErrorCodeConflict, http.StatusConflict, true, FaultUser, 1, "Conflict"},
	{PlatformErrorCodeOperationNotSupported, http.StatusUnprocessableEntity, false, FaultUser, 1, "Operation not supported"},
	{PlatformErrorCodeResourceUnavailable, http.StatusTooManyRequests, true, FaultPlatform, 1, "Resource unavailable"},
	{PlatformErrorCodeInternalError, http.StatusInternalServerError, true, FaultPlatform, 1, "Internal error"},
	{PlatformErrorCodeEnvironmentSetupFailed, http.StatusInternalServerError, false, FaultUser, 1, "Environment setup failed"},
	{PlatformErrorCodeExternalAuthenticationRequired, http.StatusUnauthorized, false, FaultUser, 1, "External authentication required"},
	{PlatformErrorCodeInsufficientCredits, http.StatusForbidden, false, FaultUser, 1, "Insufficient credits"},
	{PlatformErrorCodeBudgetExceeded, http.StatusForbidden, false, FaultUser, 1, "Budget exceeded"},
	{PlatformErrorCodeStorageLimitExceeded, http.StatusForbidden, false, FaultUser, 1, "Storage limit exceeded"},
	{PlatformErrorCodeFeatureNotAvailable, http.StatusForbidden, false, FaultUser, 1, "Feature not available"},
	{PlatformErrorCodeIntegrationDisabled, http.StatusForbidden, false, FaultUser, 1, "Integration disabled"},
	{PlatformErrorCodeIntegrationNotConfigured, http.StatusBadRequest, false, FaultUser, 1, "Integration not configured"},
	{PlatformErrorCodeContentPolicyViolation, http.StatusForbidden, false, FaultUser, 1, "Content policy violation"},
	{PlatformErrorCodeInfrastructureTimeout, http.StatusInternalServerError, false, FaultPlatform, 1, "Infrastructure timeout"},
	{PlatformErrorCodeAgentProcessFailed, http.StatusInternalServerError, false, FaultPlatform, 1, "Agent process failed"},
}

// LookupCode returns the table's row for a code; an unknown code is treated as internal_error, so
// that a newer server's codes still mean something to an older client.
func LookupCode(name PlatformErrorCode) Code {
	for _, c := range Codes {
		if c.Name == name {
			return c
		}
	}
	c := Code{PlatformErrorCodeInternalError, http.StatusInternalServerError, true, FaultPlatform, 1, "Internal error"}
	c.Name = name
	return c
}

// Failure is an error with a code. Domain packages return it for everything a caller may see;
// httpapi writes it as a problem document and the client reads it back as the same type.
type Failure struct {
	Code   PlatformErrorCode
	Detail string
	// Field names the request member that is wrong, if one is.
	Field string
	// Retryable overrides the table's answer when not nil.
	Retryable *bool
	// Status is the HTTP status received or to be sent; 0 takes the table's.
	Status int
	// Err is the cause, for logs only: it is never shown to a caller.
	Err error
}

// Fail makes a Failure of a code with a formatted detail.
func Fail(code PlatformErrorCode, format string, args ...any) *Failure {
	return &Failure{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Invalid makes an invalid_request Failure that names the field.
func Invalid(field, format string, args ...any) *Failure {
	return &Failure{Code: PlatformErrorCodeInvalidRequest, Field: field, Detail: field + ": " + fmt.Sprintf(format, args...)}
}

// NotFound makes the Failure for a thing that does not exist or may not be seen.
func NotFound(what, id string) *Failure {
	return Fail(PlatformErrorCodeResourceNotFound, "no %s %q", what, id)
}

func (f *Failure) Error() string {
	if f.Detail == "" {
		return LookupCode(f.Code).Title
	}
	return f.Detail
}

func (f *Failure) Unwrap() error { return f.Err }

// Is matches Failures by code, so that errors.Is(err, api.Fail(code, "")) holds for any detail.
func (f *Failure) Is(target error) bool {
	t, ok := target.(*Failure)
	return ok && t.Code == f.Code
}

// CodeOf returns the code an error carries, or internal_error when it carries none.
func CodeOf(err error) PlatformErrorCode {
	var f *Failure
	if errors.As(err, &f) {
		return f.Code
	}
	return PlatformErrorCodeInternalError
}
