//go:build !unix

package httpapi

import "net"

// directly would write without waiting; here nothing can.
func directly(net.Conn) func(b []byte) int { return nil }
