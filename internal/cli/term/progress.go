package term

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress shows that something is waited for, and for how long, on one line of a terminal that it
// erases afterwards.
type Progress struct {
	w    io.Writer
	mu   sync.Mutex
	text string
	stop chan struct{}
	done chan struct{}
}

// StartProgress begins to show text on w. Off a terminal (live false) it shows nothing.
func StartProgress(w io.Writer, live bool, text string) *Progress {
	p := &Progress{w: w, text: text}
	if live {
		p.stop, p.done = make(chan struct{}), make(chan struct{})
		go p.draw(time.Now())
	}
	return p
}

// Say changes the text.
func (p *Progress) Say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

// Stop erases the line and returns when nothing more will be written. A second call does nothing.
func (p *Progress) Stop() {
	if p.stop == nil {
		return
	}
	close(p.stop)
	<-p.done
	p.stop = nil
}

func (p *Progress) draw(start time.Time) {
	defer close(p.done)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	for i := 0; ; i++ {
		select {
		case <-p.stop:
			fmt.Fprint(p.w, "\r\x1b[K")
			return
		case <-tick.C:
			p.mu.Lock()
			text := Shorten(CleanLine(p.text), 70)
			p.mu.Unlock()
			fmt.Fprintf(p.w, "\r\x1b[K%c %s %s", frames[i%len(frames)], text, time.Since(start).Truncate(time.Second))
		}
	}
}
