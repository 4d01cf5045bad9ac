package posting

// Block collects the terms of runs of one block until they are stored. It is not safe for
// concurrent use.
type Block struct {
	terms map[Term][]uint16
	known Bits
	taken int // how often a run was taken, or its terms again
}

// NewBlock makes a block; stored are the runs it already has elsewhere, which it does not take again.
func NewBlock(stored Bits) *Block {
	return &Block{terms: map[Term][]uint16{}, known: stored}
}

// Add takes a run with its terms, and says whether it was new.
func (b *Block) Add(place uint16, terms []Term) bool {
	if b.known.Has(place) {
		return false
	}
	b.known.Add(place)
	b.taken++
	b.terms[Every] = append(b.terms[Every], place)
	for _, t := range terms {
		b.terms[t] = append(b.terms[t], place)
	}
	return true
}

// AddTerms takes terms that a run of the block has come to have. Those it has no more stay: whoever asks
// looks at the runs themselves.
func (b *Block) AddTerms(place uint16, terms []Term) {
	b.taken++
	for _, t := range terms {
		b.terms[t] = append(b.terms[t], place)
	}
}

// Len counts what the block took: it grows with every run, and with terms that one has come to have.
func (b *Block) Len() int { return b.taken }

// Into adds the runs with a term to a set.
func (b *Block) Into(set *Set, block int64, t Term) {
	places := b.terms[t]
	if len(places) == 0 {
		return
	}
	into := set.Block(block)
	for _, p := range places {
		into.Add(p)
	}
}

// Row is what a block has of one term.
type Row struct {
	Term Term
	Docs Bits
}

// Terms lists the block's terms but Every, in no order.
func (b *Block) Terms() []Term {
	list := make([]Term, 0, len(b.terms))
	for t := range b.terms {
		if t != Every {
			list = append(list, t)
		}
	}
	return list
}

// Row is what the block has of a term.
func (b *Block) Row(t Term) Row {
	r := Row{Term: t}
	for _, p := range b.terms[t] {
		r.Docs.Add(p)
	}
	return r
}
