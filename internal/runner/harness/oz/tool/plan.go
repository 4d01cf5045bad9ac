package tool

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// UpdatePlan keeps the list of tasks that people see.
type UpdatePlan struct{}

type planInput struct {
	Items []api.PlanItem `json:"items"`
}

const maxPlanItems = 200

// Spec describes the tool.
func (UpdatePlan) Spec() Spec {
	return Spec{Name: "update_plan", Category: api.ActionCategoryDocuments, ReadOnly: true,
		Description: "Show your list of tasks and how far each is. Send the whole list each time. Use it for work of several steps.",
		Schema: json.RawMessage(`{"type":"object","properties":{"items":{"type":"array","items":{"type":"object","properties":{
			"title":{"type":"string"},"description":{"type":"string"},
			"status":{"type":"string","enum":["pending","in_progress","completed"]}},"required":["title","status"]}}},"required":["items"]}`)}
}

// Run checks the list and makes it an entry.
func (UpdatePlan) Run(_ context.Context, c Call) (Result, error) {
	var in planInput
	if err := decode(c.Input, &in); err != nil {
		return Failf("%v", err), nil
	}
	if len(in.Items) > maxPlanItems {
		return Failf("at most %d items", maxPlanItems), nil
	}
	for i, it := range in.Items {
		if strings.TrimSpace(it.Title) == "" {
			return Failf("items[%d].title is empty", i), nil
		}
		switch it.Status {
		case "pending", "in_progress", "completed":
		default:
			return Failf("items[%d].status must be pending, in_progress or completed", i), nil
		}
	}
	return Result{Text: "Plan updated.", Entries: []api.EntryData{api.Plan{Items: in.Items}}}, nil
}

// AskUser asks a person a question and blocks the run until it is answered.
type AskUser struct{}

type askInput struct {
	Question    string   `json:"question"`
	Options     []string `json:"options"`
	Multiple    bool     `json:"multiple"`
	Recommended string   `json:"recommended"`
}

const (
	maxQuestion = 8 << 10
	maxOptions  = 12
)

// Spec describes the tool.
func (AskUser) Spec() Spec {
	return Spec{Name: "ask_user", Category: api.ActionCategoryReview, ReadOnly: true,
		Description: "Ask the person a question when you cannot go on without their decision. Give options when you can; " +
			"they may also answer in their own words, or skip. Ask several questions by several calls in one turn.",
		Schema: json.RawMessage(`{"type":"object","properties":{"question":{"type":"string"},
			"options":{"type":"array","items":{"type":"string"}},
			"multiple":{"type":"boolean","description":"More than one option may be chosen."},
			"recommended":{"type":"string","description":"The option you would choose."}},"required":["question"]}`)}
}

// Run is never called.
func (AskUser) Run(context.Context, Call) (Result, error) { return Failf("not answered"), nil }

// Ask makes the question.
func (AskUser) Ask(_ context.Context, input json.RawMessage) (api.Request, []api.EntryData, error) {
	var in askInput
	if err := decode(input, &in); err != nil {
		return api.Request{}, nil, err
	}
	switch {
	case strings.TrimSpace(in.Question) == "":
		return api.Request{}, nil, errors.New("question is empty")
	case len(in.Question) > maxQuestion:
		return api.Request{}, nil, fmt.Errorf("question is longer than %d bytes", maxQuestion)
	case len(in.Options) > maxOptions:
		return api.Request{}, nil, fmt.Errorf("at most %d options", maxOptions)
	}
	prompt := in.Question
	if in.Recommended != "" {
		prompt += "\n\nRecommended: " + in.Recommended
	}
	return api.Request{Kind: api.RequestKindQuestion, Prompt: prompt, Options: in.Options, Multiple: in.Multiple}, nil, nil
}

// Answered tells the answer.
func (AskUser) Answered(_ json.RawMessage, a api.Answer) Result {
	var parts []string
	if len(a.Choices) > 0 {
		parts = append(parts, "Chosen: "+strings.Join(a.Choices, "; "))
	}
	if a.Text != "" {
		parts = append(parts, a.Text)
	}
	if len(parts) == 0 {
		if a.Decision == api.AnswerDecisionAllow || a.Decision == api.AnswerDecisionAllowAlways {
			return Result{Text: "Yes."}
		}
		return Result{Text: "The person skipped the question. Decide yourself."}
	}
	return Result{Text: strings.Join(parts, "\n")}
}

// SubmitPlan asks for approval of a plan before anything is changed, and reports it as an artifact.
type SubmitPlan struct{ Blobs Blobs }

type submitInput struct {
	Title string `json:"title"`
	Plan  string `json:"plan"`
}

const maxPlanText = 48 << 10

// Spec describes the tool.
func (SubmitPlan) Spec() Spec {
	return Spec{Name: "submit_plan", Category: api.ActionCategoryDocuments, ReadOnly: true,
		Description: "Show the person your finished plan, in Markdown, and ask for approval. Nothing may be changed before.",
		Schema: json.RawMessage(`{"type":"object","properties":{"title":{"type":"string"},
			"plan":{"type":"string"}},"required":["title","plan"]}`)}
}

// Run is never called.
func (SubmitPlan) Run(context.Context, Call) (Result, error) { return Failf("not answered"), nil }

// Ask makes the request.
func (t SubmitPlan) Ask(ctx context.Context, input json.RawMessage) (api.Request, []api.EntryData, error) {
	var in submitInput
	if err := decode(input, &in); err != nil {
		return api.Request{}, nil, err
	}
	if strings.TrimSpace(in.Plan) == "" {
		return api.Request{}, nil, errors.New("plan is empty")
	}
	if len(in.Plan) > maxPlanText || len(in.Title) > 500 {
		return api.Request{}, nil, fmt.Errorf("plan is longer than %d bytes or its title than 500", maxPlanText)
	}
	prompt := in.Plan
	if in.Title != "" {
		prompt = "# " + in.Title + "\n\n" + in.Plan
	}
	artifact, err := planArtifact(ctx, t.Blobs, cmp.Or(strings.TrimSpace(in.Title), "Plan"), "", in.Plan)
	if err != nil {
		return api.Request{}, nil, err
	}
	return api.Request{Kind: api.RequestKindPlan, Prompt: prompt}, []api.EntryData{artifact}, nil
}

// Answered tells the decision.
func (SubmitPlan) Answered(_ json.RawMessage, a api.Answer) Result {
	if PlanApproved(a) {
		text := "The plan is approved. Carry it out now."
		if a.Text != "" {
			text += " The person adds: " + a.Text
		}
		return Result{Text: text}
	}
	if a.Text != "" {
		return Result{Text: "The plan is not approved yet: " + a.Text + "\nChange the plan and submit it again."}
	}
	return Result{Text: "The plan is not approved. Do not carry it out; ask what should be different or end your turn."}
}

// PlanApproved reports whether an answer to a plan allows to carry it out.
func PlanApproved(a api.Answer) bool {
	return a.Decision == api.AnswerDecisionAllow || a.Decision == api.AnswerDecisionAllowAlways
}
