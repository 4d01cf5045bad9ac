package posting

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestEncodeKeepsEverySet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 7, 440, 880, 900, 3000, BlockSize} {
		var b, back Bits
		for range n {
			b.Add(uint16(rng.IntN(BlockSize)))
		}
		if n == BlockSize {
			for i := range uint16(BlockSize) {
				b.Add(i)
			}
		}
		row := b.Encode()
		if len(row) > BlockSize/8 {
			t.Errorf("%d places take %d bytes", n, len(row))
		}
		if err := back.OrEncoded(row); err != nil || back != b {
			t.Errorf("%d places: not the same after reading (%v)", n, err)
		}
	}
}

func TestBrokenRowsAreRefused(t *testing.T) {
	for _, row := range [][]byte{{0x80}, {0xff, 0xff, 0xff, 0xff, 0x7f}, slices.Repeat([]byte{0xff}, 12)} {
		if err := new(Bits).OrEncoded(row); err == nil {
			t.Errorf("%x was read", row)
		}
	}
}

// TestLookupsFindWhatContains: whatever part of a word is asked for, the text has all its lookups.
func TestLookupsFindWhatContains(t *testing.T) {
	for _, text := range []string{"fix the build", "日本語の題 ärger", "a", strings.Repeat("abcdefgh", 20), "x-1\u00a0y"} {
		terms := Text(nil, text)
		for _, word := range strings.Fields(text) {
			runes := []rune(word)
			for from := range runes {
				for to := from + 1; to <= len(runes); to++ {
					looked := Lookups(string(runes[from:to]))
					if len(looked) == 0 || len(looked) > maxLookups {
						t.Fatalf("%d lookups for %q", len(looked), string(runes[from:to]))
					}
					for _, l := range looked {
						if _, found := slices.BinarySearch(terms, l); !found {
							t.Fatalf("%q in %q: a lookup is not among its terms", string(runes[from:to]), text)
						}
					}
				}
			}
		}
		for _, absent := range []string{"zzz", "uil d", "qq"} {
			misses := slices.ContainsFunc(Lookups(absent), func(l Term) bool { return !slices.Contains(terms, l) })
			if !misses {
				t.Errorf("%q seems to be in %q", absent, text)
			}
		}
	}
}

func TestMembersAreNoText(t *testing.T) {
	if m := Member("source", "API"); m >= 0 || m == Member("source", "CLI") || m == Member("name", "API") {
		t.Errorf("the member's term is %d", m)
	}
}

func TestSets(t *testing.T) {
	a, b := Set{}, Set{}
	for _, n := range []int64{1, 2, BlockSize, 5 * BlockSize} {
		a.Add(n)
	}
	for _, n := range []int64{2, 3, BlockSize + 1, 5 * BlockSize} {
		b.Add(n)
	}
	both := a.Clone()
	both.Or(b)
	if both.Remove(3); !slices.Equal(both.Numbers(), []int64{1, 2, BlockSize, BlockSize + 1, 5 * BlockSize}) || a.Len() != 4 {
		t.Errorf("either has %v, and the first still %v", both.Numbers(), a.Numbers())
	}
	a.And(b)
	if got := a.Numbers(); !slices.Equal(got, []int64{2, 5 * BlockSize}) || !a.Has(2) || a.Has(1) || a.Len() != 2 {
		t.Errorf("both have %v", got)
	}
}

func TestSetsLetGoOfWhatIsEmpty(t *testing.T) {
	s := Set{}
	s.Add(1)
	s.Add(BlockSize + 1)
	if s.Remove(1); s[0] != nil || !s.Has(BlockSize+1) || s.Len() != 1 {
		t.Errorf("the set is %v", s)
	}
	if s.Remove(1); s.Has(1) {
		t.Error("what was removed twice is there")
	}
}

func TestBlockTakesARunOnce(t *testing.T) {
	var stored Bits
	stored.Add(7)
	b := NewBlock(stored)
	if b.Add(7, []Term{1}) || !b.Add(8, []Term{1, 2}) || b.Add(8, []Term{1}) || b.Len() != 1 {
		t.Error("a run was taken twice, or not at all")
	}
	set := Set{}
	b.Into(&set, 3, 1)
	if got := set.Numbers(); !slices.Equal(got, []int64{3*BlockSize + 8}) {
		t.Errorf("the term has %v", got)
	}
}
