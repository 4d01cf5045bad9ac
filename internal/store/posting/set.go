package posting

import (
	"encoding/binary"
	"errors"
	"iter"
	"math/bits"
)

// BlockSize is how many runs a block has. Its largest row, a bit per run, just fits beside a page's
// other rows in both engines.
const (
	BlockSize = 7168
	words     = BlockSize / 64
	bitmap    = BlockSize / 8 // bytes
)

// Split is a run's block and its place in it.
func Split(n int64) (block int64, place uint16) {
	return n / BlockSize, uint16(n % BlockSize)
}

// Bits is a set of places of one block.
type Bits [words]uint64

// Add puts a place into the set.
func (b *Bits) Add(place uint16) { b[place/64] |= 1 << (place % 64) }

// Remove takes places out of the set.
func (b *Bits) Remove(places ...uint16) {
	for _, place := range places {
		b[place/64] &^= 1 << (place % 64)
	}
}

// Has says whether a place is in the set.
func (b *Bits) Has(place uint16) bool { return b[place/64]&(1<<(place%64)) != 0 }

// Or adds the places of another set.
func (b *Bits) Or(other *Bits) {
	for i := range b {
		b[i] |= other[i]
	}
}

// And keeps what is in both sets and reports whether that is anything.
func (b *Bits) And(other *Bits) bool {
	var left uint64
	for i := range b {
		b[i] &= other[i]
		left |= b[i]
	}
	return left != 0
}

// Len counts the places.
func (b *Bits) Len() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// all yields the places in order.
func (b *Bits) all() iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for i, w := range b {
			for ; w != 0; w &= w - 1 {
				if !yield(uint16(i*64 + bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}

// Encode writes the set as stored: the distances between its places, or a bit per place where that
// is shorter.
func (b *Bits) Encode() []byte {
	out := make([]byte, 0, 64)
	next := uint16(0)
	for place := range b.all() {
		out = binary.AppendUvarint(out, uint64(place-next))
		next = place + 1
		if len(out) >= bitmap {
			break
		}
	}
	if len(out) < bitmap {
		return out
	}
	out = out[:0]
	for _, w := range b {
		out = binary.LittleEndian.AppendUint64(out, w)
	}
	return out
}

var errBroken = errors.New("search index: a row is not what was written")

// OrEncoded adds the places of an encoded set.
func (b *Bits) OrEncoded(row []byte) error {
	if len(row) == bitmap {
		for i := range b {
			b[i] |= binary.LittleEndian.Uint64(row[i*8:])
		}
		return nil
	}
	place := uint64(0)
	for len(row) > 0 {
		gap, n := binary.Uvarint(row)
		place += gap
		if n <= 0 || place >= BlockSize {
			return errBroken
		}
		b.Add(uint16(place))
		place++
		row = row[n:]
	}
	return nil
}

// Set is a set of runs: for each block, from the first on, what it has of them, nil for none. Numbers
// count from 1 in the order runs were stored, so that hardly a block is missing.
type Set []*Bits

// Block is the set's part in a block, made if there is none.
func (s *Set) Block(block int64) *Bits {
	for int64(len(*s)) <= block {
		*s = append(*s, nil)
	}
	b := (*s)[block]
	if b == nil {
		b = new(Bits)
		(*s)[block] = b
	}
	return b
}

// Add puts a run into the set.
func (s *Set) Add(n int64) {
	block, place := Split(n)
	s.Block(block).Add(place)
}

// Remove takes a run out of the set, and lets go of a part that nothing is left in: most runs are in most
// states only for a while.
func (s Set) Remove(n int64) {
	block, place := Split(n)
	if !s.has(block) {
		return
	}
	b := s[block]
	if b.Remove(place); *b == (Bits{}) {
		s[block] = nil
	}
}

// Has says whether a run is in the set.
func (s Set) Has(n int64) bool {
	block, place := Split(n)
	return s.has(block) && s[block].Has(place)
}

func (s Set) has(block int64) bool { return block < int64(len(s)) && s[block] != nil }

// And keeps what is in both sets.
func (s *Set) And(other Set) {
	for block, b := range *s {
		if b != nil && (!other.has(int64(block)) || !b.And(other[block])) {
			(*s)[block] = nil
		}
	}
}

// Or adds the runs of another set.
func (s *Set) Or(other Set) {
	for block, b := range other {
		if b != nil {
			s.Block(int64(block)).Or(b)
		}
	}
}

// Clone is a copy that shares nothing with the set.
func (s Set) Clone() Set {
	out := make(Set, len(s))
	bits := make([]Bits, len(s))
	for block, b := range s {
		if b != nil {
			bits[block] = *b
			out[block] = &bits[block]
		}
	}
	return out
}

// Len counts the runs.
func (s Set) Len() (n int) {
	for _, b := range s {
		if b != nil {
			n += b.Len()
		}
	}
	return n
}

// Numbers lists the runs, lowest number first.
func (s Set) Numbers() []int64 {
	list := make([]int64, 0, s.Len())
	for block, b := range s {
		if b == nil {
			continue
		}
		for place := range b.all() {
			list = append(list, int64(block)*BlockSize+int64(place))
		}
	}
	return list
}
