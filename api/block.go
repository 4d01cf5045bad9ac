package api

import "encoding/json"

// ContentBlock is one block of a conversation message (openapi.yaml: ConversationContentBlock).
// Type decides which members are present.
type ContentBlock struct {
	Type      BlockType       `json:"type"`
	MessageId string          `json:"message_id,omitempty"`
	Text      *string         `json:"text,omitempty"`
	Id        string          `json:"id,omitempty"`
	ActionId  string          `json:"action_id,omitempty"`
	Category  ActionCategory  `json:"category,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
	State     ActionState     `json:"state,omitempty"`
	Output    json.RawMessage `json:"output,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
}

// BlockType is the discriminator of ContentBlock.
type BlockType string

// The block types.
const (
	BlockText         BlockType = "text"
	BlockAction       BlockType = "action"
	BlockActionResult BlockType = "action_result"
	BlockEvent        BlockType = "event"
)
