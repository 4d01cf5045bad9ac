package gateway

import (
	"errors"
	"testing"
)

// TestOwnEndpointsStayOutside: whoever stores a key cannot look around in the server's network with it.
func TestOwnEndpointsStayOutside(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"127.0.0.1:80", "[::1]:80", "10.1.2.3:443", "172.16.0.1:443", "192.168.1.1:443", "169.254.169.254:80", "100.64.0.1:80", "0.0.0.0:80",
		"[fe80::1]:80", "[fd00::1]:443", "[::ffff:10.0.0.1]:80", "[64:ff9b::a00:1]:80", "224.0.0.1:80",
	} {
		if err := checkOutside(address); !errors.Is(err, errPrivate) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"93.184.216.34:443", "[2606:2800:220:1::1]:443"} {
		if err := checkOutside(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}
