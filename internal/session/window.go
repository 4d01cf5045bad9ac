package session

import "sort"

// window holds the newest entries of a run, encoded one after the other, so that whatever a viewer
// lacks is one slice of it. Bytes once written are never changed: slices handed out stay valid.
type window struct {
	limit int   // bytes kept when it is cut
	first int64 // number of the first entry held
	ends  []int // where each entry ends in buf
	buf   []byte
}

// last is the number of the newest entry.
func (w *window) last() int64 { return w.first + int64(len(w.ends)) - 1 }

// append adds the entry that follows the last one.
func (w *window) append(encoded []byte) {
	w.buf = append(w.buf, encoded...)
	w.ends = append(w.ends, len(w.buf))
}

// add is append within the limit.
func (w *window) add(encoded []byte) {
	w.append(encoded)
	if len(w.buf) > 2*w.limit {
		w.cut()
	}
}

// cut forgets the oldest entries, all but the newest if need be.
func (w *window) cut() {
	drop := sort.SearchInts(w.ends, len(w.buf)-w.limit)
	drop = min(drop+1, len(w.ends)-1)
	from := 0
	if drop > 0 {
		from = w.ends[drop-1]
	}
	buf := make([]byte, len(w.buf)-from, max(2*w.limit, len(w.buf)-from))
	copy(buf, w.buf[from:])
	ends := make([]int, len(w.ends)-drop)
	for i := range ends {
		ends[i] = w.ends[drop+i] - from
	}
	w.buf, w.ends, w.first = buf, ends, w.first+int64(drop)
}

// after returns every entry with a number above seq, or false when some are no longer held.
func (w *window) after(seq int64) ([]byte, bool) {
	if seq >= w.last() {
		return nil, true
	}
	if seq < w.first-1 {
		return nil, false
	}
	from := 0
	if i := seq - w.first; i >= 0 {
		from = w.ends[i]
	}
	return w.buf[from:len(w.buf):len(w.buf)], true
}
