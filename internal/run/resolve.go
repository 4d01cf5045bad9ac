package run

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/skillfile"
	"github.com/cadrehq/cadre/internal/identity"
)

const (
	// maxSkillText bounds the text of a skill that a client sends along, in bytes.
	maxSkillText = 256 << 10
	// maxPath bounds a path in a sandbox, in bytes.
	maxPath = 4096
	// lookBack is how many of the last entries are searched for what was said to this execution.
	lookBack = 500
)

// ResolvePrompt composes what to tell the model of a harness that no runner drives. It changes
// nothing: asked again it says the same, until something else is said to the run.
func (s *Service) ResolvePrompt(ctx context.Context, actor identity.Actor, runID string, req api.ResolvePromptRequest) (out api.ResolvePromptResponse, err error) {
	who, err := s.speaker(ctx, actor, runID)
	if err != nil {
		return out, err
	}
	if err := checkResolve(req); err != nil {
		return out, err
	}
	r := who.run
	prompt := r.Prompt
	if r.Execution > 1 {
		said, err := s.saidSince(ctx, r)
		if err != nil {
			return out, err
		}
		prompt = orElse(said, prompt)
		out.ResumptionPrompt = "This run goes on in a new sandbox: you worked on it before, and processes that were running then are gone. " +
			"Files you left in the workspace may have been brought back. Look at what is there before you go on."
	} else if r.ConversationID != r.ID {
		out.ResumptionPrompt = "This continues an earlier conversation in a new sandbox, which holds none of its files."
	}
	out.Prompt = withSkill(prompt, req.Skill)
	out.SystemPrompt = joined(strings.TrimSpace(r.Config.BasePrompt), modeText(r.Mode))
	files, err := s.Attachments(ctx, r)
	if err != nil {
		return out, err
	}
	out.Context = aboutFiles(files, req.AttachmentsDir)
	return out, nil
}

func checkResolve(req api.ResolvePromptRequest) error {
	if err := checkWord("attachments_dir", req.AttachmentsDir, maxPath); err != nil {
		return err
	}
	if err := checkWord("skill.name", req.Skill.Name, maxName); err != nil {
		return err
	}
	if err := checkWord("skill.path", req.Skill.Path, maxPath); err != nil {
		return err
	}
	return checkText("skill.content", req.Skill.Content, maxSkillText)
}

// saidSince is what people said to a run since the execution before this one ended.
func (s *Service) saidSince(ctx context.Context, r Run) (string, error) {
	entries, err := s.cfg.Log.Entries(ctx, r.ID, max(0, r.LastSeq-lookBack), lookBack)
	if err != nil {
		return "", fmt.Errorf("read conversation: %w", err)
	}
	var said []string
	for _, e := range entries {
		data, err := e.Decode()
		if err != nil {
			continue
		}
		switch d := data.(type) {
		case api.ExecutionEvent:
			if d.Event == "ended" {
				said = nil
			}
		case api.UserMessage:
			said = append(said, d.Text)
		}
	}
	waiting, err := s.cfg.History.Commands(ctx, r.ID)
	if err != nil {
		return "", fmt.Errorf("read messages: %w", err)
	}
	for _, c := range waiting {
		if c.Kind == api.CommandKindFollowUp {
			said = append(said, c.Text)
		}
	}
	return joined(said...), nil
}

// withSkill puts the prompt where a skill has a place for it, else behind the skill.
func withSkill(prompt string, skill api.ResolvePromptSkill) string {
	file, err := skillfile.Parse([]byte(skill.Content))
	if err != nil {
		file.Body = skill.Content // the client took its frontmatter off
	}
	if strings.TrimSpace(file.Body) == "" {
		return prompt
	}
	text, placed := file.Render(prompt)
	text = strings.TrimSpace(text)
	if placed {
		return text
	}
	return joined(text, prompt)
}

// joined joins what is not empty by blank lines.
func joined(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if strings.TrimSpace(p) != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "\n\n")
}

func modeText(m api.RunMode) string {
	switch m {
	case api.RunModePlan:
		return "Work out a plan first and change nothing. Say what you would do, and wait for the answer."
	case api.RunModeOrchestrate:
		return "Split the work into parts that agents of their own can carry out, start them, and bring their results together."
	}
	return ""
}

// aboutFiles lists the files that came with the run, where the client has saved them.
func aboutFiles(files []Attachment, dir string) string {
	if len(files) == 0 {
		return ""
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.FileName
	}
	var b strings.Builder
	b.WriteString("Files that came with this:")
	for i, name := range api.FileNames(names) {
		if dir != "" {
			name = path.Join(dir, name)
		}
		fmt.Fprintf(&b, "\n- %s (%s)", name, files[i].MimeType)
	}
	return b.String()
}
