package secret

import (
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
)

const (
	// maxVariable bounds NAME=value with the NUL at its end: the kernel takes no longer string in the
	// environment of a process.
	maxVariable    = 128 << 10
	maxFile        = 512 << 10
	maxName        = 256
	maxDescription = 240 // characters
	maxFileName    = 128
)

var nameShape = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// reserved are variables that the runner sets or lives by, whole or by how they begin.
var (
	reserved = []string{
		"PATH", "HOME", "TMPDIR", "PWD", "SHELL", "USER", "LOGNAME", "IFS", "ENV", "BASH_ENV",
		"GIT_CONFIG_GLOBAL", "GIT_TERMINAL_PROMPT", "GH_PROMPT_DISABLED",
	}
	reservedPrefixes = []string{"CADRE_", "OZ_", "WARP_", "LD_"}
)

func checkName(name string) error {
	upper := strings.ToUpper(name)
	switch {
	case name == "":
		return api.Invalid("name", "is required")
	case len(name) > maxName:
		return api.Invalid("name", "must be at most %d characters long", maxName)
	case !nameShape.MatchString(name):
		return api.Invalid("name", "must be letters, digits and '_', not beginning with a digit: it names an environment variable")
	case slices.Contains(reserved, upper) || slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(upper, p) }):
		return api.Invalid("name", "%s is a variable that runs need themselves; take another name", name)
	}
	return nil
}

func checkDescription(text string) error {
	switch {
	case utf8.RuneCountInString(text) > maxDescription:
		return api.Invalid("description", "must be at most %d characters long", maxDescription)
	case strings.ContainsFunc(text, unicode.IsControl):
		return api.Invalid("description", "contains control characters")
	}
	return nil
}

// checkFileName accepts a plain name, which is all a sandbox makes a file of.
func checkFileName(name string, t api.SecretType) error {
	switch {
	case name == "":
		return nil
	case t != api.SecretTypeFILE:
		return api.Invalid("file_name", "goes with type FILE only")
	case len(name) > maxFileName:
		return api.Invalid("file_name", "must be at most %d bytes", maxFileName)
	case name != filepath.Base(name) || name == "." || name == ".." || name == "/" || strings.ContainsFunc(name, unicode.IsControl):
		return api.Invalid("file_name", "must be a plain name, without directories")
	}
	return nil
}

// part is a member of a value: what the API calls it, and the variable its size is counted with.
type part struct {
	field    string
	variable string
	text     *string
	required bool
}

// parts are the members that a type takes.
func parts(name string, t api.SecretType, v *api.SecretValue) []part {
	switch t {
	case api.SecretTypeRAWVALUE:
		return []part{{"value", name, &v.Value, true}}
	case api.SecretTypeANTHROPICAPIKEY:
		return []part{{"api_key", "ANTHROPIC_API_KEY", &v.ApiKey, true}}
	case api.SecretTypeOPENAIAPIKEY:
		return []part{{"api_key", "OPENAI_API_KEY", &v.ApiKey, true}, {"base_url", "OPENAI_BASE_URL", &v.BaseUrl, false}}
	case api.SecretTypeANTHROPICBEDROCKACCESSKEY:
		return []part{
			{"aws_access_key_id", "AWS_ACCESS_KEY_ID", &v.AwsAccessKeyId, true},
			{"aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", &v.AwsSecretAccessKey, true},
			{"aws_session_token", "AWS_SESSION_TOKEN", &v.AwsSessionToken, false},
			{"aws_region", "AWS_REGION", &v.AwsRegion, true},
		}
	case api.SecretTypeANTHROPICBEDROCKAPIKEY:
		return []part{
			{"aws_bearer_token_bedrock", "AWS_BEARER_TOKEN_BEDROCK", &v.AwsBearerTokenBedrock, true},
			{"aws_region", "AWS_REGION", &v.AwsRegion, true},
		}
	}
	return nil
}

// checkValue refuses a value that does not fit its type, naming the member and never the value. It
// returns what is to be kept.
func checkValue(name string, t api.SecretType, v api.SecretValue) (api.SecretValue, error) {
	if t == api.SecretTypeFILE {
		return checkFile(v)
	}
	if len(v.Data) > 0 {
		return v, api.Invalid("value.data", "goes with type FILE only")
	}
	rest := v // of which all that the type takes is struck out
	for _, p := range parts(name, t, &rest) {
		if err := p.check(t); err != nil {
			return v, err
		}
		*p.text = ""
	}
	if !reflect.ValueOf(rest).IsZero() {
		return v, api.Invalid("value", "has members that type %s does not take", t)
	}
	return v, checkBase(v.BaseUrl)
}

func (p part) check(t api.SecretType) error {
	text, field := *p.text, "value."+p.field
	size := len(p.variable) + len("=") + len(text) + 1
	switch {
	case text == "" && p.required:
		return api.Invalid(field, "is required for type %s", t)
	case !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0:
		return api.Invalid(field, "must be UTF-8 without NUL; what is not goes into a FILE")
	case size > maxVariable:
		return api.Invalid(field, "%s=value takes %d bytes with its end; at most %d are allowed", p.variable, size, maxVariable)
	case t != api.SecretTypeRAWVALUE && strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return api.Invalid(field, "must be printable ASCII without spaces")
	}
	return nil
}

func checkBase(base string) error {
	if base == "" {
		return nil
	}
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return api.Invalid("value.base_url", "must be an http or https URL of a host, without user, query and fragment")
	}
	return nil
}

func checkFile(v api.SecretValue) (api.SecretValue, error) {
	content := v.Data
	if v.Value != "" && len(v.Data) == 0 {
		content, v.Value = []byte(v.Value), ""
	}
	v.Data = nil
	switch {
	case !reflect.ValueOf(v).IsZero():
		return v, api.Invalid("value", "a FILE takes data or value, nothing else")
	case len(content) == 0:
		return v, api.Invalid("value.data", "is required for type FILE")
	case len(content) > maxFile:
		return v, api.Invalid("value.data", "must be at most %d bytes, is %d", maxFile, len(content))
	}
	return api.SecretValue{Data: content}, nil
}
