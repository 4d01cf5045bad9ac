package posting

import (
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"math/bits"
	"slices"
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

// Set is a set of runs by block.
type Set map[int64]*Bits

// Block is the set's part in a block, made if there is none.
func (s Set) Block(block int64) *Bits {
	b := s[block]
	if b == nil {
		b = new(Bits)
		s[block] = b
	}
	return b
}

// Add puts a run into the set.
func (s Set) Add(n int64) {
	block, place := Split(n)
	s.Block(block).Add(place)
}

// Has says whether a run is in the set.
func (s Set) Has(n int64) bool {
	block, place := Split(n)
	b := s[block]
	return b != nil && b.Has(place)
}

// And keeps what is in both sets.
func (s Set) And(other Set) {
	for block, b := range s {
		o := other[block]
		if o == nil || !b.And(o) {
			delete(s, block)
		}
	}
}

// Len counts the runs.
func (s Set) Len() (n int) {
	for _, b := range s {
		n += b.Len()
	}
	return n
}

// Numbers lists the runs, lowest number first.
func (s Set) Numbers() []int64 {
	list := make([]int64, 0, s.Len())
	for _, block := range slices.Sorted(maps.Keys(s)) {
		for place := range s[block].all() {
			list = append(list, block*BlockSize+int64(place))
		}
	}
	return list
}
