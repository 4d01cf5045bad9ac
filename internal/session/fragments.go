package session

import "sort"

// fragments holds the encoded deltas of entries still being produced, one after the other. Like a
// window's, its bytes are never changed once written.
type fragments struct {
	limit int
	next  int64 // number of the next delta; they count from 1 within a room
	items []fragment
	buf   []byte
	// closed remembers keys whose entries are durable, in the order they closed, so that deltas that
	// come late are not shown.
	closed map[string]struct{}
	order  []string
}

type fragment struct {
	id         int64
	key        string
	start, end int
}

// rememberClosed bounds the keys remembered as closed.
const rememberClosed = 512

func newFragments(limit int) fragments {
	return fragments{limit: limit, next: 1, closed: make(map[string]struct{})}
}

// add appends a delta unless its entry is durable already, and reports whether it did. The oldest
// give way when there are too many.
func (f *fragments) add(key string, encoded []byte) bool {
	if _, late := f.closed[key]; late {
		return false
	}
	start := len(f.buf)
	f.buf = append(f.buf, encoded...)
	f.items = append(f.items, fragment{id: f.next, key: key, start: start, end: len(f.buf)})
	f.next++
	if len(f.buf) > f.limit {
		half := len(f.items) / 2
		gone := f.items[half].id
		f.keep(func(x fragment) bool { return x.id >= gone })
	}
	return true
}

// drop forgets the deltas of a key.
func (f *fragments) drop(key string) {
	for _, x := range f.items {
		if x.key == key {
			f.keep(func(x fragment) bool { return x.key != key })
			return
		}
	}
}

// close forgets the deltas of a key whose entry is durable, for good.
func (f *fragments) close(key string) {
	f.drop(key)
	if _, known := f.closed[key]; known {
		return
	}
	f.closed[key] = struct{}{}
	if f.order = append(f.order, key); len(f.order) > rememberClosed {
		delete(f.closed, f.order[0])
		f.order = f.order[1:]
	}
}

// clear forgets all deltas: nothing is being produced.
func (f *fragments) clear() { f.items, f.buf = nil, nil }

// keep makes new buffers of what shall stay.
func (f *fragments) keep(stay func(fragment) bool) {
	var items []fragment
	var buf []byte
	for _, x := range f.items {
		if stay(x) {
			start := len(buf)
			buf = append(buf, f.buf[x.start:x.end]...)
			items = append(items, fragment{id: x.id, key: x.key, start: start, end: len(buf)})
		}
	}
	f.items, f.buf = items, buf
}

// after returns every delta held with a number above id.
func (f *fragments) after(id int64) []byte {
	i := sort.Search(len(f.items), func(i int) bool { return f.items[i].id > id })
	if i == len(f.items) {
		return nil
	}
	return f.buf[f.items[i].start:len(f.buf):len(f.buf)]
}
