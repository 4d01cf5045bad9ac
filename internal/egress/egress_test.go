package egress

import (
	"errors"
	"net/netip"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		address         string
		always, allowed bool
	}{
		{"93.184.216.34", true, true},
		{"2606:2800:220:1:248:1893:25c8:1946", true, true},
		{"127.0.0.1", false, true},
		{"::1", false, true},
		{"::ffff:127.0.0.1", false, true}, // loopback in another dress
		{"10.1.2.3", false, true},
		{"172.31.0.1", false, true},
		{"192.168.0.1", false, true},
		{"::ffff:10.0.0.1", false, true},
		{"fd00::1", false, true},
		{"100.64.0.1", false, true},
		{"169.254.169.254", false, false}, // where clouds keep credentials
		{"::ffff:169.254.169.254", false, false},
		{"fe80::1", false, false},
		{"0.0.0.0", false, false},
		{"::", false, false},
		{"224.0.0.1", false, false},
		{"ff02::1", false, false},
		{"255.255.255.255", false, false},
		{"64:ff9b::a00:1", false, true}, // 10.0.0.1, translated
		{"64:ff9b::5db8:d822", true, true},
		{"64:ff9b::a9fe:a9fe", false, false},
		{"2002:a00:1::1", false, true}, // 10.0.0.1 by 6to4
	} {
		a := netip.MustParseAddr(c.address)
		if err := (Policy{}).Check(a); (err == nil) != c.always || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", a, err)
		}
		if err := (Policy{}).Control("tcp", netip.AddrPortFrom(a, 80).String(), nil); (err == nil) != c.always {
			t.Errorf("dialling %s: %v", a, err)
		}
		if err := (Policy{AllowPrivate: true}).Check(a); (err == nil) != c.allowed {
			t.Errorf("%s where private ones are allowed: %v", a, err)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	if a, err := (Policy{}).Resolve(t.Context(), "localhost"); !errors.Is(err, ErrRefused) {
		t.Errorf("localhost: %v %v", a, err)
	}
	if a, err := (Policy{AllowPrivate: true}).Resolve(t.Context(), "localhost"); err != nil || len(a) == 0 {
		t.Errorf("localhost where private ones are allowed: %v %v", a, err)
	}
	if a, err := (Policy{}).Resolve(t.Context(), "169.254.169.254"); !errors.Is(err, ErrRefused) {
		t.Errorf("a number: %v %v", a, err)
	}
}
