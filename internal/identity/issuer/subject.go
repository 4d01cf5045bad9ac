package issuer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// maxSubject bounds a token's subject in bytes, as OpenID Connect does.
const maxSubject = 255

// Bearer is the run that a token speaks for.
type Bearer struct {
	RunID         string
	Principal     api.UserProfile // whom the run acts as
	TeamUID       string          // "" for the run of a person in no team
	EnvironmentID string
	AgentName     string // config.name
	Skill         string
	Host          string // worker host that carries it out
}

// kind is the word for a principal's kind in subjects.
func (b Bearer) kind() string {
	if b.Principal.Type == api.UserProfileTypeServiceAccount {
		return "service_account"
	}
	return "user"
}

// principal names whom the run acts as.
func (b Bearer) principal() string { return b.kind() + ":" + escape(b.Principal.Uid) }

// email is a person's address; agents have none.
func (b Bearer) email() string {
	if b.kind() != "user" {
		return ""
	}
	return b.Principal.Email
}

// component returns what a subject says of one component; empty when the run has no such thing.
func (b Bearer) component(c api.SubjectComponent) string {
	named := func(value string) string {
		if value == "" {
			return ""
		}
		return string(c) + ":" + escape(value)
	}
	switch c {
	case api.SubjectComponentPrincipal:
		return b.principal()
	case api.SubjectComponentScopedPrincipal:
		if b.TeamUID == "" {
			return "scoped_principal:" + b.principal()
		}
		return "scoped_principal:" + escape(b.TeamUID) + "/" + b.principal()
	case api.SubjectComponentEmail:
		return named(b.email())
	case api.SubjectComponentTeams:
		return named(b.TeamUID)
	case api.SubjectComponentEnvironment:
		return named(b.EnvironmentID)
	case api.SubjectComponentAgentName:
		return named(b.AgentName)
	case api.SubjectComponentSkillSpec:
		return named(b.Skill)
	case api.SubjectComponentRunId:
		return named(b.RunID)
	case api.SubjectComponentHost:
		return named(b.Host)
	}
	return ""
}

// subject builds a token's subject: the principal alone, or the components of a template joined by colons.
// A component that the run lacks is refused: left out, the subject of one run could be that of another.
func (b Bearer) subject(template []api.SubjectComponent) (string, error) {
	if len(template) == 0 {
		template = []api.SubjectComponent{api.SubjectComponentPrincipal}
	}
	parts := make([]string, 0, len(template))
	for i, c := range template {
		at := fmt.Sprintf("subject_template[%d]", i)
		if slices.Contains(template[:i], c) {
			return "", api.Invalid(at, "%s is there already", c)
		}
		part := b.component(c)
		if part == "" {
			return "", api.Invalid(at, "the run has no %s", strings.ReplaceAll(string(c), "_", " "))
		}
		parts = append(parts, part)
	}
	s := strings.Join(parts, ":")
	if len(s) > maxSubject {
		return "", api.Invalid("subject_template", "makes a subject of %d characters, at most %d are possible", len(s), maxSubject)
	}
	return s, nil
}

// escape percent-encodes what could be taken for another component, or is no printable ASCII: names of agents
// and skills are chosen by whoever starts a run.
func escape(value string) string {
	var out strings.Builder
	for _, b := range []byte(value) {
		if b <= ' ' || b >= 0x7f || strings.IndexByte(`:%*?"\`, b) >= 0 {
			fmt.Fprintf(&out, "%%%02X", b)
			continue
		}
		out.WriteByte(b)
	}
	return out.String()
}
