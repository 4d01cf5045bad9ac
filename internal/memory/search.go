package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

const (
	maxQuery = 1000 // bytes
	maxWords = 50   // of a query
)

// List returns a store's memories, latest change first; with words only those that contain any of
// them, those with most first. Tombstones are among them only if asked for, after the living.
func (s *Service) List(ctx context.Context, actor identity.Actor, storeUID, words string, tombstones bool) ([]Memory, error) {
	if len(words) > maxQuery {
		return nil, api.Invalid("q", "must be at most %d bytes", maxQuery)
	}
	if _, err := s.reach(ctx, actor, storeUID, toRead); err != nil {
		return nil, err
	}
	list, err := s.cfg.Keep.Living(ctx, storeUID)
	if err != nil {
		return nil, err
	}
	if tombstones {
		gone, err := s.cfg.Keep.Tombstones(ctx, storeUID, keptTombstones)
		if err != nil {
			return nil, err
		}
		list = append(list, gone...)
	}
	return rank(list, words), nil
}

// rank keeps the memories that contain words, those with most of them first. A store is small enough to
// be looked through, which finds parts of words, too, and the same on every database.
func rank(list []Memory, words string) []Memory {
	wanted := fields(words)
	if len(wanted) == 0 {
		return list
	}
	found := map[string]int{} // uid to how many words it has
	for _, m := range list {
		text := strings.ToLower(m.Content)
		for _, w := range wanted {
			if strings.Contains(text, w) {
				found[m.UID]++
			}
		}
	}
	list = slices.DeleteFunc(list, func(m Memory) bool { return found[m.UID] == 0 })
	slices.SortStableFunc(list, func(x, y Memory) int { return cmp.Compare(found[y.UID], found[x.UID]) })
	return list
}

// fields are the different words of a query, in lower case.
func fields(words string) []string {
	all := strings.FieldsFunc(strings.ToLower(words), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), maxWords)]
}
