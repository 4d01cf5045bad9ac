package run

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
)

const (
	maxTitleBytes = 1024
	maxName       = 256
	maxMetadata   = 20
	maxPatterns   = 256
	maxIdle       = 60 // minutes
	maxRepos      = 32
)

// checkRequest refuses what is wrong with a request by itself, naming the member.
func (s *Service) checkRequest(req api.RunAgentRequest) error {
	if err := checkPrompt(req); err != nil {
		return err
	}
	if err := checkWord("title", req.Title, maxTitleBytes); err != nil {
		return err
	}
	if err := checkMode("mode", req.Mode); err != nil {
		return err
	}
	if err := checkMetadata(req.Metadata); err != nil {
		return err
	}
	if err := s.checkAttachments(req.Attachments); err != nil {
		return err
	}
	return checkConfig(req.Config)
}

func checkPrompt(req api.RunAgentRequest) error {
	substitute := req.Skill != "" || req.Config.SkillSpec != "" || len(req.Config.Skills) > 0 || req.ConversationId != ""
	if strings.TrimSpace(req.Prompt) == "" && !substitute {
		return api.Invalid("prompt", "is required unless a skill or a conversation is named")
	}
	if err := checkText("prompt", req.Prompt, maxPrompt); err != nil {
		return err
	}
	return checkWord("skill", req.Skill, catalog.MaxSkillSpec)
}

func checkMode(field string, m api.RunMode) error {
	switch m {
	case "", api.RunModeNormal, api.RunModePlan, api.RunModeOrchestrate:
		return nil
	}
	return api.Invalid(field, "must be normal, plan or orchestrate")
}

// maxMetadataKey bounds a key of metadata.
const maxMetadataKey = 64

var metadataKey = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

// CheckMetadata applies the rules of metadata (at most 20 pairs, short keys, UTF-8 values).
func checkMetadata(m map[string]string) error {
	if len(m) > maxMetadata {
		return api.Invalid("metadata", "may have at most %d keys, has %d", maxMetadata, len(m))
	}
	for k, v := range m {
		if len(k) > maxMetadataKey || !metadataKey.MatchString(k) {
			return api.Invalid("metadata", "key %q must be 1 to 64 characters of a-z, A-Z, 0-9, '.', '_' and '-'", clip(k, 80))
		}
		if err := checkText("metadata."+k, v, 256); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) checkAttachments(in []api.AttachmentInput) error {
	if n, limit := len(in), s.cfg.MaxAttachments; n > limit {
		return api.Invalid("attachments", "may be at most %d, are %d", limit, n)
	}
	var total int64
	for i, a := range in {
		field := fmt.Sprintf("attachments[%d]", i)
		if a.FileName == "" || len(a.Data) == 0 {
			return api.Invalid(field, "needs file_name and data")
		}
		if err := checkWord(field+".file_name", a.FileName, 255); err != nil {
			return err
		}
		if err := checkWord(field+".mime_type", a.MimeType, 127); err != nil {
			return err
		}
		total += int64(len(a.Data))
	}
	if total > s.cfg.MaxAttachmentBytes {
		return api.Invalid("attachments", "may be %d bytes together, are %d", s.cfg.MaxAttachmentBytes, total)
	}
	return nil
}

// checkConfig checks the configuration member by member.
func checkConfig(c api.AmbientAgentConfig) error {
	for field, word := range map[string]string{
		"name": c.Name, "model_id": c.ModelId, "environment_id": c.EnvironmentId, "worker_host": c.WorkerHost,
		"profile_id": c.ProfileId, "runner_id": c.RunnerId, "computer_use_model_id": c.ComputerUseModelId,
		"harness.model_id": c.Harness.ModelId, "harness.reasoning_level": c.Harness.ReasoningLevel,
	} {
		if err := checkWord("config."+field, word, maxName); err != nil {
			return err
		}
	}
	if err := checkText("config.base_prompt", c.BasePrompt, catalog.MaxPrompt); err != nil {
		return err
	}
	if t := c.IdleTimeoutMinutes; t != nil && (*t < 0 || *t > maxIdle) {
		return api.Invalid("config.idle_timeout_minutes", "must be between 0 and %d", maxIdle)
	}
	if s := c.CredentialStrategy; s != "" && s != api.AmbientAgentConfigCredentialStrategyCREATOR && s != api.AmbientAgentConfigCredentialStrategyEXECUTOR {
		return api.Invalid("config.credential_strategy", "must be CREATOR or EXECUTOR")
	}
	if p := c.SessionSharing.PublicAccess; p != "" && p != api.SessionSharingPublicAccessVIEWER && p != api.SessionSharingPublicAccessEDITOR {
		return api.Invalid("config.session_sharing.public_access", "must be VIEWER or EDITOR")
	}
	return firstError(
		func() error { return catalog.CheckHarness("config.harness", c.Harness) },
		func() error { return checkSkills(c) },
		func() error { return checkSecrets(c) },
		func() error { return catalog.CheckMCP("config.mcp_servers", c.McpServers) },
		func() error { return catalog.CheckMemory("config.memory_stores", c.MemoryStores) },
		func() error { return checkPermissions(c.Permissions) },
		func() error { return checkRepos(c.AdditionalSourceRepos) },
	)
}

func firstError(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func checkSkills(c api.AmbientAgentConfig) error {
	if c.SkillSpec != "" && len(c.Skills) > 0 {
		return api.Invalid("config.skill_spec", "cannot be given together with skills")
	}
	if err := checkWord("config.skill_spec", c.SkillSpec, catalog.MaxSkillSpec); err != nil {
		return err
	}
	return catalog.CheckSkills("config.skills", c.Skills)
}

// pattern is a tool's name, or a tool's name with a glob in parentheses. Lengths are checked beside
// it: as counts within the expression they took 2 ms of every start of the program.
var pattern = regexp.MustCompile(`^([A-Za-z0-9_.*/:-]+)(\([^\x00-\x1f]+\))?$`)

// The bounds of a pattern's parts, parentheses included.
const (
	maxPatternTool = 128
	maxPatternGlob = 1002
)

func isPattern(s string) bool {
	m := pattern.FindStringSubmatch(s)
	return m != nil && len(m[1]) <= maxPatternTool && utf8.RuneCountInString(m[2]) <= maxPatternGlob
}

func checkPermissions(p api.PermissionProfile) error {
	switch p.Default {
	case "", api.PermissionProfileDefaultAllow, api.PermissionProfileDefaultAsk, api.PermissionProfileDefaultDeny:
	default:
		return api.Invalid("config.permissions.default", "must be allow, ask or deny")
	}
	for name, list := range map[string][]string{"allow": p.Allow, "ask": p.Ask, "deny": p.Deny} {
		field := "config.permissions." + name
		if len(list) > maxPatterns {
			return api.Invalid(field, "may have at most %d patterns", maxPatterns)
		}
		for i, s := range list {
			if !utf8.ValidString(s) || !isPattern(s) {
				return api.Invalid(fmt.Sprintf("%s[%d]", field, i), "%q is neither a tool nor tool(glob)", clip(s, 100))
			}
		}
	}
	return nil
}

func checkRepos(repos []api.SourceRepo) error {
	if len(repos) > maxRepos {
		return api.Invalid("config.additional_source_repos", "may be at most %d", maxRepos)
	}
	for i, r := range repos {
		field := fmt.Sprintf("config.additional_source_repos[%d]", i)
		if r.Repo == "" || (r.Owner == "" && r.Url == "") {
			return api.Invalid(field, "needs owner and repo")
		}
		if err := catalog.CheckCloneURL(field+".url", r.Url); err != nil {
			return err
		}
		for name, word := range map[string]string{"owner": r.Owner, "repo": r.Repo, "checkout_ref": r.CheckoutRef, "url": r.Url} {
			if err := checkWord(field+"."+name, word, maxArtifactURL); err != nil {
				return err
			}
			// What begins with a dash would be an option to git.
			if strings.HasPrefix(word, "-") {
				return api.Invalid(field+"."+name, "must not begin with '-'")
			}
		}
	}
	return nil
}
