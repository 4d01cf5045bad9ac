package tool

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Mail reaches other runs.
type Mail interface {
	Send(ctx context.Context, to []string, subject, body, key string) (ids []string, err error)
	Inbox(ctx context.Context, unread bool, limit int) ([]api.MessageHeader, error)
	Read(ctx context.Context, id string) (api.MessageBody, error)
}

// SendMessage speaks to other runs.
type SendMessage struct{ Mail Mail }

type sendInput struct {
	To      []string `json:"to"`
	Subject string   `json:"subject"`
	Body    string   `json:"body"`
}

// Spec describes the tool.
func (SendMessage) Spec() Spec {
	return Spec{Name: "send_message", Category: api.ActionCategoryReview,
		Description: "Send a message to other runs: the one that started this run, others it started, or those below this one. " +
			"It reaches them before their next step, and wakes one that has ended.",
		Schema: json.RawMessage(`{"type":"object","properties":{
			"to":{"type":"array","items":{"type":"string"},"description":"Ids of the runs."},
			"subject":{"type":"string","description":"One line."},
			"body":{"type":"string"}},"required":["to","subject","body"]}`)}
}

// Run sends the message. The id of the call makes it safe to repeat.
func (t SendMessage) Run(ctx context.Context, c Call) (Result, error) {
	var in sendInput
	if err := decode(c.Input, &in); err != nil {
		return Failf("%v", err), nil
	}
	ids, err := t.Mail.Send(ctx, in.To, in.Subject, in.Body, c.ID)
	if ctx.Err() != nil {
		return Failf("It is not known whether the message was sent."), cancelled(ctx)
	}
	if err != nil {
		return Failf("Not sent: %v", err), nil
	}
	return Result{Text: "Sent as " + strings.Join(ids, ", ") + "."}, nil
}

// ListMessages lists what this run was sent.
type ListMessages struct{ Mail Mail }

const maxListed = 100

// Spec describes the tool.
func (ListMessages) Spec() Spec {
	return Spec{Name: "list_messages", Category: api.ActionCategoryReview, ReadOnly: true,
		Description: "List the messages other runs sent to this one, oldest first. New ones come to you by themselves; " +
			"use this to look at earlier ones again.",
		Schema: json.RawMessage(`{"type":"object","properties":{
			"unread":{"type":"boolean","description":"Only those not read with read_message."}}}`)}
}

// Run lists headers.
func (t ListMessages) Run(ctx context.Context, c Call) (Result, error) {
	var in struct {
		Unread bool `json:"unread"`
	}
	if err := decode(c.Input, &in); err != nil {
		return Failf("%v", err), nil
	}
	list, err := t.Mail.Inbox(ctx, in.Unread, maxListed)
	if err != nil {
		return Failf("%v", err), cancelled(ctx)
	}
	if len(list) == 0 {
		return Result{Text: "No messages."}, nil
	}
	var b strings.Builder
	for _, m := range list {
		fmt.Fprintf(&b, "%s  %s  from run %s: %s\n", m.MessageId, m.SentAt.UTC().Format(time.RFC3339), m.SenderRunId, m.Subject)
	}
	return Result{Text: b.String()}, nil
}

// ReadMessage shows one message.
type ReadMessage struct{ Mail Mail }

// Spec describes the tool.
func (ReadMessage) Spec() Spec {
	return Spec{Name: "read_message", Category: api.ActionCategoryReview, ReadOnly: true,
		Description: "Read one message that another run sent to this one.",
		Schema:      json.RawMessage(`{"type":"object","properties":{"message_id":{"type":"string"}},"required":["message_id"]}`)}
}

// Run reads the message.
func (t ReadMessage) Run(ctx context.Context, c Call) (Result, error) {
	id, err := messageID(c.Input)
	if err != nil {
		return Failf("%v", err), nil
	}
	m, err := t.Mail.Read(ctx, id)
	if err != nil {
		return Failf("%v", err), cancelled(ctx)
	}
	return Result{Text: api.UserMessage{MessageID: m.MessageId, SenderRunID: m.SenderRunId, Subject: m.Subject, Text: m.Body}.Told()}, nil
}

func messageID(input json.RawMessage) (string, error) {
	var in struct {
		MessageID string `json:"message_id"`
	}
	err := decode(input, &in)
	return in.MessageID, err
}
