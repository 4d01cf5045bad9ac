package orchestration

import (
	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// Header is a message as a list shows it.
func Header(m run.Message) api.MessageHeader {
	return api.MessageHeader{
		MessageId: m.ID, SenderRunId: m.SenderRunID, Subject: m.Subject,
		SentAt: m.SentAt, DeliveredAt: m.DeliveredAt, ReadAt: m.ReadAt,
	}
}

// Body is a message as its reader sees it.
func Body(m run.Message) api.MessageBody {
	return api.MessageBody{
		MessageId: m.ID, SenderRunId: m.SenderRunID, Subject: m.Subject, Body: m.Body,
		SentAt: m.SentAt, DeliveredAt: m.DeliveredAt, ReadAt: m.ReadAt,
	}
}

// Event is an event as whoever follows runs sees it.
func Event(e run.Event) api.AgentRunEvent {
	return api.AgentRunEvent{
		EventType: api.AgentRunEventType(e.Type), RunId: e.RunID, RefId: e.RefID, ExecutionId: e.ExecutionID,
		OccurredAt: e.At, Sequence: e.Seq,
	}
}
