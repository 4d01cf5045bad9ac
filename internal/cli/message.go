package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) runMessageCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{
		Use: "message", Short: "Send, list, read and watch messages between runs",
		Long: `Runs tell each other results and questions by messages. Every recipient has a copy in its mailbox, which
its agent takes in before its next step; a run that has ended goes on with it. To speak to an agent as a
person use: cadre run send`,
		Example: `  cadre run message send --to RUN_ID --subject "Review" --body "Two findings." --sender-run-id RUN_ID
  cadre run message list RUN_ID --unread
  cadre run message watch RUN_ID --output-format ndjson`,
	}, a.messageSendCommand(), a.messageListCommand(), a.messageReadCommand(), a.messageWatchCommand(), a.messageDeliveredCommand())
}

// oneMessage is the argument of commands about one message.
var oneMessage = arguments(1, 1)

func (a *app) messageSendCommand() *cobra.Command {
	var req api.SendMessageRequest
	var noWake bool
	c := &cobra.Command{Use: "send", Short: "Send a message to runs",
		Long: `Puts a message into the mailbox of each run, or into none. A run that has ended goes on with it, unless
--no-wake refuses that. The sender is a run you may steer, in whose name you speak.`,
		Example: `  cadre run message send --to RUN_ID --to RUN_ID --subject "Stop" --body "The plan changed." --sender-run-id RUN_ID`}
	fs := c.Flags()
	fs.StringSliceVar(&req.To, "to", nil, "recipient `run` (repeatable, or with commas between; at most 50)")
	fs.StringVar(&req.Subject, "subject", "", "what it is about, on one line: at most 1024 characters")
	fs.StringVar(&req.Body, "body", "", "the text, at most 131072 bytes")
	fs.StringVar(&req.SenderRunId, "sender-run-id", "", "`run` that speaks")
	fs.BoolVar(&noWake, "no-wake", false, "refuse the message if a recipient has ended")
	for _, name := range []string{"to", "subject", "body", "sender-run-id"} {
		_ = c.MarkFlagRequired(name) // they are there
	}
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		wake := !noWake
		req.Wake = &wake
		ids, err := cl.SendMessage(cmd.Context(), req)
		if err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(api.SendMessageResponse{MessageIds: ids})
		}
		for i, id := range ids {
			if _, err := fmt.Fprintf(a.Stdout, "Message %s sent to run %s\n", term.Clean(id), req.To[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// messageHeader is the CLI's JSON shape of a message in a list; all members are always there.
type messageHeader struct {
	MessageID   string     `json:"message_id"`
	SenderRunID string     `json:"sender_run_id"`
	Subject     string     `json:"subject"`
	SentAt      time.Time  `json:"sent_at"`
	DeliveredAt *time.Time `json:"delivered_at"`
	ReadAt      *time.Time `json:"read_at"`
}

// messageBody is its shape alone.
type messageBody struct {
	messageHeader
	Body string `json:"body"`
}

func (a *app) messageListCommand() *cobra.Command {
	var unread bool
	var since string
	limit := 50
	c := &cobra.Command{Use: "list RUN_ID", Short: "List the messages to a run, oldest first", Args: oneRun,
		Example: `  cadre run message list RUN_ID --unread
  cadre run message list RUN_ID --since 2026-03-01T09:00:00Z --json`}
	fs := c.Flags()
	fs.BoolVar(&unread, "unread", false, "only those nobody has read")
	fs.StringVar(&since, "since", "", "only those sent at this `time` (RFC 3339) or later")
	fs.IntVarP(&limit, "limit", "L", limit, "`number` of messages, at most 100")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		var from time.Time
		if since != "" {
			var err error
			if from, err = time.Parse(time.RFC3339, since); err != nil {
				return usagef("--since: write a time as 2026-03-01T09:00:00Z")
			}
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		messages, err := cl.Messages(cmd.Context(), args[0], unread, from, limit)
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"ID", "Sent", "From run", "Subject", "Delivered", "Read"}}, empty: "No messages found."}
		for _, m := range messages {
			l.items = append(l.items, messageHeader{m.MessageId, m.SenderRunId, m.Subject, m.SentAt.UTC(), present(m.DeliveredAt), present(m.ReadAt)})
			l.table.Rows = append(l.table.Rows, []string{m.MessageId, instant(m.SentAt), m.SenderRunId, m.Subject, instant(m.DeliveredAt), instant(m.ReadAt)})
		}
		return a.printList(l)
	})
}

func (a *app) messageReadCommand() *cobra.Command {
	c := &cobra.Command{Use: "read MESSAGE_ID", Short: "Show a message, which then counts as read", Args: oneMessage}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		m, err := cl.ReadMessage(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(messageBody{messageHeader{m.MessageId, m.SenderRunId, m.Subject, m.SentAt.UTC(), present(m.DeliveredAt), present(m.ReadAt)}, m.Body})
		}
		return a.printMessage(m)
	})
}

// printMessage shows a message to people.
func (a *app) printMessage(m api.MessageBody) error {
	_, err := fmt.Fprintf(a.Stdout, "Message: %s\nFrom run: %s\nSent: %s\nSubject: %s\n\n%s\n",
		term.Clean(m.MessageId), term.Clean(m.SenderRunId), instant(m.SentAt), term.Clean(m.Subject), strings.TrimRight(term.Clean(m.Body), "\n"))
	return err
}

func (a *app) messageDeliveredCommand() *cobra.Command {
	c := &cobra.Command{Use: "mark-delivered MESSAGE_ID", Short: "Say that a message has reached its agent", Args: oneMessage,
		Long: `For clients that carry a run out by themselves: the message is not delivered again. The built-in agent
needs no such word.`}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		if err := cl.MarkMessageDelivered(cmd.Context(), args[0]); err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(map[string]any{"message_id": args[0], "delivered": true})
		}
		_, err = fmt.Fprintln(a.Stdout, "Message marked as delivered")
		return err
	})
}

// watchedMessage is a line of watch.
type watchedMessage struct {
	Sequence    int64     `json:"sequence"`
	MessageID   string    `json:"message_id"`
	SenderRunID string    `json:"sender_run_id"`
	Subject     string    `json:"subject"`
	Body        string    `json:"body"`
	OccurredAt  time.Time `json:"occurred_at"`
}

func (a *app) messageWatchCommand() *cobra.Command {
	var since int64
	c := &cobra.Command{Use: "watch RUN_ID", Short: "Show the messages to a run as they come", Args: oneRun,
		Long: `Shows every message to a run after the event with the given sequence, then each new one, until it is
stopped; all of them count as read. A lost connection is made again without gap or repeat. With
--output-format ndjson (or json) each is a line of JSON, whose sequence the next watch can begin after.`,
		Example: `  cadre run message watch RUN_ID
  cadre run message watch RUN_ID --since-sequence 1841 --output-format ndjson`}
	c.Flags().Int64Var(&since, "since-sequence", 0, "begin after the event with this `number`")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		return a.watchMessages(cmd.Context(), cl, args[0], since)
	})
}

func (a *app) watchMessages(ctx context.Context, cl *client.Client, runID string, since int64) error {
	for ev, err := range cl.FollowEvents(ctx, client.Following{RunIDs: []string{runID}}, since) {
		switch {
		case err != nil:
			return err
		case ev.Lost != nil:
			if _, err := fmt.Fprintf(a.Stderr, "Connection lost (%s); trying again in %s.\n", term.Clean(ev.Lost.Error()), ev.Retry.Round(time.Millisecond)); err != nil {
				return err
			}
			continue
		case ev.Event.EventType != api.AgentRunEventTypeNewMessage:
			continue
		}
		m, err := cl.ReadMessage(ctx, ev.Event.RefId)
		if err != nil {
			return err
		}
		if err := a.printWatched(*ev.Event, m); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printWatched(e api.AgentRunEvent, m api.MessageBody) error {
	if !a.settings.format.machine() {
		return a.printMessage(m)
	}
	line, err := marshal(watchedMessage{e.Sequence, m.MessageId, m.SenderRunId, m.Subject, m.Body, e.OccurredAt.UTC()})
	if err == nil {
		_, err = a.Stdout.Write(append(term.JSON(line), '\n'))
	}
	return err
}
