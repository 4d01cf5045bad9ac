package crash

import (
	"bufio"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cadrehq/cadre/internal/fault"
)

// referee is asked by every process that passes a fault point whether to die, and told by every
// command of the story that it was carried out.
type referee struct {
	listener net.Listener
	point    fault.Point
	arrival  int

	mu     sync.Mutex
	hit    bool
	marked map[string]map[int]int
}

// newReferee lets one process die: the first that passes p for the n-th time.
func newReferee(t *testing.T, p fault.Point, n int) *referee {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &referee{listener: l, point: p, arrival: n, marked: map[string]map[int]int{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { r.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return r
}

func (r *referee) port() int { return r.listener.Addr().(*net.TCPAddr).Port }

func (r *referee) serve(conn net.Conn) {
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	switch words := strings.Fields(line); {
	case len(words) == 3 && words[0] == "mark":
		r.mark(words[1], words[2])
		fmt.Fprintln(conn, "counted")
	case len(words) == 3 && words[0] == "at":
		fmt.Fprintln(conn, r.verdict(words[1], words[2]))
	}
}

func (r *referee) mark(story, step string) {
	n, err := strconv.Atoi(step)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.marked[story] == nil {
		r.marked[story] = map[int]int{}
	}
	r.marked[story][n]++
}

func (r *referee) verdict(point, times string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hit || point != string(r.point) || times != fmt.Sprint(r.arrival) {
		return "live"
	}
	r.hit = true
	return "die"
}

// struck says whether a process died of the fault.
func (r *referee) struck() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hit
}

// marks says how often each step of a story was carried out.
func (r *referee) marks(story string) map[int]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.marked[story])
}
