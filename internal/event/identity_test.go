package event

import "testing"

// TestChangesOfRightsAreHeardThere: a key that is revoked here is forgotten there without waiting for
// what is remembered of it to grow old.
func TestChangesOfRightsAreHeardThere(t *testing.T) {
	t.Parallel()
	p := new(party)
	here, there := guest(t, p, "here"), guest(t, p, "there")
	meet(t, 1, here, there)
	bells, err := there.IdentityChanges(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for len(bells) > 0 {
		<-bells // meeting rings everything
	}
	here.IdentityChanged()
	skip(t, bells, func(struct{}) bool { return true })
}
