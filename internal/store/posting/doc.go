// Package posting is the search index's arithmetic: which terms a run has, and sets of runs that
// have a term, in blocks of BlockSize consecutive run numbers.
//
// Text is indexed by its sequences of one, two and three characters, so that any fragment of a word
// can be looked up, however short; exact members (owner, source, model …) are one term each. A set
// says which runs may match, never that they do: whoever looks up terms checks what comes out.
//
// It knows no SQL. The store keeps a row per term and block, of at most 896 bytes, and reads some
// rows per term, block and million runs whatever the term's frequency.
package posting
