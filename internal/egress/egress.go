// Package egress decides which addresses the server calls for the sake of what users wrote.
//
// It owns the rule: public addresses, and those of private networks only if the operator said so; this
// machine's links (where clouds keep their instances' credentials) never. It refuses to make the calls.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// Policy is the operator's word.
type Policy struct {
	// AllowPrivate permits loopback and the networks of RFC 1918, RFC 4193 and RFC 6598.
	AllowPrivate bool
}

// ErrRefused is the kind of error when an address may not be called.
var ErrRefused = errors.New("address may not be called")

// shared is the space between carriers and customers (RFC 6598), which no method of netip.Addr names.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// Prefixes under which IPv6 carries IPv4 addresses: translation (RFC 6052) and 6to4 (RFC 3056).
var (
	translated = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

// bare is the IPv4 address that an IPv6 one carries, else the address itself.
func bare(a netip.Addr) netip.Addr {
	a = a.Unmap()
	b := a.As16()
	switch {
	case translated.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

// Check refuses an address the server may not call.
func (p Policy) Check(a netip.Addr) error {
	a = bare(a)
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%w: %s", ErrRefused, a)
	case p.AllowPrivate:
		return nil
	case a.IsLoopback(), a.IsPrivate(), shared.Contains(a):
		return fmt.Errorf("%w: %s is private; allow such addresses with --allow-private-addresses", ErrRefused, a)
	}
	return nil
}

// Control refuses an address as it is about to be dialled: for net.Dialer. It stands behind the
// resolver, so no name leads past it.
func (p Policy) Control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %s: %w", address, err)
	}
	return p.Check(a.Addr())
}

// Resolve returns the addresses of a host that may be called: ErrRefused when it has others only.
// Callers connect to these and do not ask for the name again, which might answer otherwise by then.
func (p Policy) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", host, err)
	}
	var refused error
	all = slices.DeleteFunc(all, func(a netip.Addr) bool {
		err := p.Check(a)
		if err != nil {
			refused = err
		}
		return err != nil
	})
	if len(all) == 0 {
		return nil, refused
	}
	return all, nil
}
