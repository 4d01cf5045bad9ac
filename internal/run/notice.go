package run

import "github.com/cadrehq/cadre/api"

// Notice says that a run changed. The store hands one per committed change to whoever publishes
// hints; it carries what a listener needs to decide whether to look, never the truth itself.
type Notice struct {
	RunID    string
	TeamUID  string
	ParentID string
	Host     string // worker host that serves the run
	State    api.RunState
	LastSeq  int64
	Live     bool // the latest execution has not ended

	// ExecutionID and Worker name the execution the change concerned, if it concerned one. Worker is
	// the connection it was assigned to.
	ExecutionID string
	Worker      string

	New       bool // the run was inserted
	Queued    bool // the run entered QUEUED: dispatch may place it
	Command   bool // a command was stored for the live runner
	Ended     bool // the latest execution ended: its sandbox must go, its team may have room
	Deleted   bool // the run is gone; what it left is to be taken away
	Cancelled bool // the run was cancelled by somebody: ExecutionID's processes must be killed
}

// NoticeOfNew is the notice of an inserted run. lastSeq is the number of its last entry.
func NoticeOfNew(n New, lastSeq int64) Notice {
	notice := noticeOf(n.Run, n.Execution)
	notice.LastSeq = lastSeq
	notice.New, notice.Queued = true, n.Run.State == api.RunStateQUEUED
	return notice
}

// NoticeOf is the notice of a committed change.
func NoticeOf(c Change, done Changed) Notice {
	notice := noticeOf(done.Run, done.Execution)
	notice.LastSeq = done.LastSeq
	notice.Command, notice.Deleted = len(c.Commands) > 0, c.Deleted
	notice.Ended = c.Execution != nil && c.Execution.State == ExecutionEnded
	for _, e := range c.Events {
		switch e.Type {
		case EventQueued:
			notice.Queued = true
		case EventCancelled, EventDeleted:
			notice.Cancelled = notice.Ended
		}
	}
	return notice
}

func noticeOf(r Run, x *Execution) Notice {
	n := Notice{
		RunID: r.ID, TeamUID: r.TeamUID, ParentID: r.ParentID, Host: r.Host,
		State: r.State, LastSeq: r.LastSeq, Live: r.Live,
	}
	if x != nil {
		n.ExecutionID, n.Worker = x.ID, x.Worker
	}
	return n
}
