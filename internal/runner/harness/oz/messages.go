package oz

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/model"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

const (
	cutOff       = "[Your last answer was cut off here. Go on from where it stopped; work in smaller pieces if it was long.]"
	noPrompt     = "Begin."
	noticePrefix = "[Notice of the platform, not of a person: "
	noResult     = "[No result was recorded.]"
	maxFirstText = 16 << 10
	maxImage     = 5 << 20
)

// messages builds what the model is told. Every call of a turn is followed by its result, whatever
// the order of the entries was.
func (a *Agent) messages() []model.Message {
	c := a.conv
	var out []model.Message
	if c.summary != nil {
		out = append(out, a.summaryMessage())
	}
	for i := 0; i < len(c.items); {
		it := c.items[i]
		if c.dropped(it) {
			i++
			continue
		}
		if isUser(it) {
			out = append(out, model.Message{Role: model.User, Parts: a.heard(it)})
			i++
			continue
		}
		end := i
		for end < len(c.items) && c.items[end].turn == it.turn && !isUser(c.items[end]) {
			end++
		}
		out = append(out, a.turnMessages(c.items[i:end])...)
		i = end
	}
	if len(out) == 0 {
		out = append(out, model.Message{Role: model.User, Parts: []model.Part{model.Text{Text: noPrompt}}})
	}
	return out
}

// isUser reports whether an item is said to the agent rather than by it.
func isUser(it item) bool {
	switch it.data.(type) {
	case api.UserMessage, api.Notice:
		return true
	}
	return false
}

// heard is what the agent is told by a person or by the place it works in.
func (a *Agent) heard(it item) []model.Part {
	switch d := it.data.(type) {
	case api.UserMessage:
		return a.userParts(d)
	case api.Notice:
		return []model.Part{model.Text{Text: noticePrefix + d.Text + "]"}}
	}
	return nil
}

// summaryMessage stands for everything that was condensed; the first prompt stays verbatim.
func (a *Agent) summaryMessage() model.Message {
	var first string
	for _, it := range a.conv.items {
		if u, ok := it.data.(api.UserMessage); ok {
			first = clip(u.Text, maxFirstText)
			break
		}
	}
	return model.Message{Role: model.User, Parts: []model.Part{
		model.Text{Text: "The task as first given:\n\n" + first},
		model.Text{Text: "The conversation so far became too long and was condensed to this summary:\n\n" + a.conv.summary.Summary},
	}}
}

// turnMessages are one model turn and the results of its calls.
func (a *Agent) turnMessages(items []item) []model.Message {
	said := model.Message{Role: model.Assistant}
	results := model.Message{Role: model.User}
	for _, it := range items {
		switch d := it.data.(type) {
		case api.AgentMessage:
			said.Parts = append(said.Parts, model.Text{Text: d.Text})
		case api.AgentReasoning:
			said.Parts = append(said.Parts, model.Reasoning{Text: d.Text, Opaque: d.Opaque})
		case api.Action:
			act := a.conv.actions[d.ID]
			said.Parts = append(said.Parts, model.Call{ID: wireID(d.ID), Name: wireName(d.Name), Input: act.input()})
			results.Parts = append(results.Parts, a.resultPart(act))
		}
	}
	if !a.conv.whole[items[0].turn] && len(results.Parts) == 0 {
		results.Parts = append(results.Parts, model.Text{Text: cutOff})
	}
	out := []model.Message{said}
	if len(results.Parts) > 0 {
		out = append(out, results)
	}
	return out
}

func (a *Agent) resultPart(act *action) model.Part {
	if act.result == nil {
		return model.Result{CallID: wireID(act.ID), Text: noResult, Failed: true}
	}
	text := act.result.Output
	if text == "" {
		text = "[no output]"
	}
	return model.Result{CallID: wireID(act.ID), Text: text, Images: a.resultImages(act),
		Failed: act.result.State != api.ActionStateCompleted}
}

// resultImages are the pictures a call showed: from memory, or read again in a new sandbox.
func (a *Agent) resultImages(act *action) []model.Image {
	if im, ok := a.conv.images[act.ID]; ok {
		return im
	}
	var d struct{ Path, Image string }
	if json.Unmarshal(act.result.Detail, &d) != nil || d.Image == "" {
		return nil
	}
	var images []model.Image
	if im, ok := tool.ReadImage(a.workspace, d.Path); ok {
		images = []model.Image{im}
	}
	a.conv.images[act.ID] = images
	return images
}

// userParts are a person's words and files.
func (a *Agent) userParts(u api.UserMessage) []model.Part {
	var parts []model.Part
	text := u.Told()
	if strings.TrimSpace(text) == "" {
		text = noPrompt
	}
	parts = append(parts, model.Text{Text: text})
	for _, at := range a.s.Attachments.Find(u.Attachments) {
		parts = append(parts, attachmentParts(at)...)
	}
	return parts
}

func attachmentParts(at harness.Attachment) []model.Part {
	parts := []model.Part{model.Text{Text: fmt.Sprintf("[Attached file %q (%s): %s]", at.FileName, at.MimeType, at.Path)}}
	switch at.MimeType {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		if fi, err := os.Stat(at.Path); err == nil && fi.Size() <= maxImage {
			if b, err := os.ReadFile(at.Path); err == nil {
				parts = append(parts, model.Image{MediaType: at.MimeType, Data: b})
			}
		}
	}
	return parts
}

var notWire = regexp.MustCompile(`[^a-zA-Z0-9_-]`)

// wireID and wireName make an id or name any vendor accepts; another vendor may have made it.
func wireID(id string) string {
	id = notWire.ReplaceAllString(id, "_")
	if len(id) > 64 {
		id = id[:32] + id[len(id)-32:]
	}
	return id
}

func wireName(name string) string {
	if name = notWire.ReplaceAllString(name, "_"); name == "" {
		name = "_"
	}
	return name[:min(len(name), 64)]
}

// clip shortens text in the middle.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	half := limit / 2
	return strings.ToValidUTF8(s[:half], "") + fmt.Sprintf("\n… [%d bytes omitted] …\n", len(s)-2*half) +
		strings.ToValidUTF8(s[len(s)-half:], "")
}
