//go:build unix

package httpapi

import (
	"net"
	"syscall"
)

// directly returns a function that writes to a TCP connection what fits into its buffer, without
// waiting for room. A broken connection takes nothing.
func directly(conn net.Conn) func(b []byte) int {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	var rest []byte
	once := func(fd uintptr) bool {
		for {
			n, err := syscall.Write(int(fd), rest)
			if err == syscall.EINTR { //nolint:errorlint // a bare errno
				continue
			}
			rest = rest[max(n, 0):]
			return true // never wait
		}
	}
	return func(b []byte) int {
		rest = b
		_ = raw.Write(once) // what failed was not written
		n := len(b) - len(rest)
		rest = nil
		return n
	}
}
