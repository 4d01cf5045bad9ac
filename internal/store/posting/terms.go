package posting

import (
	"hash/fnv"
	"slices"
	"strings"
	"unicode/utf8"
)

// Term names one thing that a run may have.
type Term int64

// Every is the term that every indexed run has.
const Every Term = 0

// Runes of a gram take 21 bits each, so that a gram of text is its own number and members of other
// kinds, hashed, are the negative ones.
const runeBits = 21

// maxLookups bounds the terms that one fragment is looked up by. More narrow down nothing.
const maxLookups = 8

// Member is the term of a run whose member has a value.
func Member(name, value string) Term {
	h := fnv.New64a()
	for _, part := range []string{name, "\x00", value} {
		_, _ = h.Write([]byte(part)) // never fails
	}
	return Term(h.Sum64() | 1<<63)
}

// Text appends the terms of texts, all lower case, to terms, each once. Nothing spans white space:
// a fragment has none.
func Text(terms []Term, texts ...string) []Term {
	start := len(terms)
	for _, text := range texts {
		for _, word := range strings.Fields(text) {
			terms = grams(terms, word)
		}
	}
	slices.Sort(terms[start:])
	return terms[:start+len(slices.Compact(terms[start:]))]
}

// grams appends the sequences of one to three characters of a word.
func grams(terms []Term, word string) []Term {
	var last, before Term
	for i, r := range word {
		c := Term(r)
		terms = append(terms, c)
		if i > 0 {
			terms = append(terms, last|c<<runeBits)
		}
		if before != 0 {
			terms = append(terms, before|last<<runeBits|c<<(2*runeBits))
		}
		before, last = last, c
	}
	return terms
}

// Lookups are terms that every run containing the fragment has: its longest sequences, spread over
// its length if there are many.
func Lookups(fragment string) []Term {
	length := utf8.RuneCountInString(fragment)
	size := min(length, 3)
	var whole []Term
	for _, t := range grams(nil, fragment) {
		if sizeOf(t) == size {
			whole = append(whole, t)
		}
	}
	if len(whole) <= maxLookups {
		return whole
	}
	spread := make([]Term, maxLookups)
	for i := range spread {
		spread[i] = whole[i*(len(whole)-1)/(maxLookups-1)]
	}
	return spread
}

// sizeOf is the number of characters of a gram.
func sizeOf(t Term) int {
	switch {
	case t>>(2*runeBits) != 0:
		return 3
	case t>>runeBits != 0:
		return 2
	}
	return 1
}
