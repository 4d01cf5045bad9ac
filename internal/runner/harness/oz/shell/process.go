package shell

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

type status struct {
	code   int
	dir    string
	exited bool
}

// process is one bash and the goroutines that read from it.
type process struct {
	cmd     *exec.Cmd
	control *os.File // we write script
	output  *os.File
	reports *os.File // we read statuses
	dead    chan struct{}
	killed  sync.Once
	readers sync.WaitGroup

	mu      sync.Mutex
	scan    *scanner // nil between commands
	sink    io.Writer
	pending []byte // printed by background jobs between commands
	marked  chan struct{}

	ended chan status
}

// maxPending bounds what background jobs may print between commands; the oldest goes.
const maxPending = 64 << 10

// maxLate bounds what is still read after the shell itself ended: a process it left behind may print
// for ever.
const maxLate = 1 << 20

func start(cfg Config, dir string) (*process, error) {
	bash := cfg.Bash
	if bash == "" {
		var err error
		if bash, err = exec.LookPath("bash"); err != nil {
			return nil, fmt.Errorf("start shell: %w", err)
		}
	}
	var files []*os.File
	pipe := func() (r, w *os.File, err error) {
		r, w, err = os.Pipe()
		files = append(files, r, w)
		return r, w, err
	}
	controlR, controlW, err1 := pipe()
	outR, outW, err2 := pipe()
	reportR, reportW, err3 := pipe()
	if err := errors.Join(err1, err2, err3); err != nil {
		closeAll(files)
		return nil, fmt.Errorf("start shell: %w", err)
	}
	cmd := exec.Command(bash, "--noprofile", "--norc", "-s")
	cmd.Dir, cmd.Env = dir, cfg.Env
	cmd.Stdout, cmd.Stderr = outW, outW
	cmd.Stdin = controlR
	cmd.ExtraFiles = []*os.File{reportW}
	ownSession(cmd)
	if err := cmd.Start(); err != nil {
		closeAll(files)
		return nil, fmt.Errorf("start shell: %w", err)
	}
	closeAll([]*os.File{controlR, outW, reportW})
	p := &process{cmd: cmd, control: controlW, output: outR, reports: reportR,
		dead: make(chan struct{}), ended: make(chan status, 1)}
	if err := p.send(opening); err != nil {
		cfg.Log.Debug("shell did not take its opening", "error", err)
	}
	p.readers.Add(3)
	go p.readOutput()
	go p.readReports()
	go func() { defer p.readers.Done(); _ = cmd.Wait(); close(p.dead) }()
	return p, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

func (p *process) gone() bool {
	select {
	case <-p.dead:
		return true
	default:
		return false
	}
}

// begin points the output at a new command's writer.
func (p *process) begin(mark string, out io.Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scan, p.sink, p.marked = newScanner(mark), out, make(chan struct{})
	if len(p.pending) > 0 {
		_, _ = out.Write(p.pending)
		p.pending = nil
	}
}

func (p *process) send(script string) error {
	_, err := p.control.WriteString(script)
	return err
}

func (p *process) readOutput() {
	defer p.readers.Done()
	buf := make([]byte, 32<<10)
	late := 0 // bytes read after the shell's end
	for {
		n, err := p.output.Read(buf)
		p.mu.Lock()
		p.deliver(buf[:n])
		p.mu.Unlock()
		if late += n; errors.Is(err, os.ErrDeadlineExceeded) && p.gone() && late < maxLate {
			// What was in the pipe when the shell ended still counts.
			_ = p.output.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			if n, err = p.output.Read(buf); n > 0 {
				late += n
				p.mu.Lock()
				p.deliver(buf[:n])
				p.mu.Unlock()
				continue
			}
		}
		if err != nil {
			p.mu.Lock()
			if p.scan != nil {
				_, _ = p.sink.Write(p.scan.rest())
				p.finishOutput(nil)
			}
			p.mu.Unlock()
			return
		}
	}
}

// deliver passes output on; the caller holds mu.
func (p *process) deliver(b []byte) {
	if p.scan == nil {
		p.pending = append(p.pending, b...)
		if over := len(p.pending) - maxPending; over > 0 {
			p.pending = append([]byte(nil), p.pending[over:]...)
		}
		return
	}
	out, after, found := p.scan.write(b)
	if len(out) > 0 {
		_, _ = p.sink.Write(out)
	}
	if found {
		p.finishOutput(after)
	}
}

func (p *process) finishOutput(after []byte) {
	p.scan, p.sink = nil, nil
	close(p.marked)
	p.pending = append(p.pending, after...)
}

// readReports turns statuses into ends. A status is sent once the output before it was delivered.
func (p *process) readReports() {
	defer p.readers.Done()
	var buf []byte
	chunk := make([]byte, 4096)
	for {
		n, err := p.reports.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			st, rest, ok := parseStatus(buf)
			if !ok {
				break
			}
			buf = rest
			p.mu.Lock()
			marked := p.marked
			p.mu.Unlock()
			if marked != nil {
				<-marked
			}
			p.end(st)
		}
		if err != nil || len(buf) > 64<<10 {
			p.exited()
			return
		}
	}
}

// exited reports the end of the shell itself. Descendants may still hold the output open, so it is
// not waited for longer than what bash itself wrote needs to arrive.
func (p *process) exited() {
	<-p.dead
	_ = p.output.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	p.mu.Lock()
	marked := p.marked
	p.mu.Unlock()
	if marked != nil {
		<-marked
	}
	st := status{code: p.cmd.ProcessState.ExitCode(), exited: true}
	if st.code < 0 {
		st.code = 128 + signalNumber(p.cmd.ProcessState)
	}
	p.end(st)
}

func (p *process) end(st status) {
	select {
	case p.ended <- st:
	default:
	}
}

// parseStatus reads one record "code NUL dir NUL".
func parseStatus(b []byte) (status, []byte, bool) {
	code, rest, ok := bytes.Cut(b, []byte{0})
	if !ok {
		return status{}, b, false
	}
	dir, rest, ok := bytes.Cut(rest, []byte{0})
	if !ok {
		return status{}, b, false
	}
	n, err := strconv.Atoi(string(code))
	if err != nil {
		return status{}, b, false
	}
	return status{code: n, dir: string(dir)}, rest, true
}

// kill ends the shell and everything it started, and returns when its readers have.
func (p *process) kill() {
	p.killed.Do(func() {
		killAll(p.cmd.Process.Pid)
		_ = p.control.Close()
	})
	<-p.dead
	_ = p.output.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_ = p.reports.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	p.readers.Wait()
	_ = p.output.Close()
	_ = p.reports.Close()
}
