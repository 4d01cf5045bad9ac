package harness

import (
	"slices"
	"sync"
)

// Files are the files given to a run, with its prompt and with messages. They come to be more while the
// agent works: a message's are there before the message is. It is safe for concurrent use; nil and the
// zero value have none.
type Files struct {
	mu   sync.Mutex
	dir  string
	list []Attachment
}

// Place says in which directory they are.
func (f *Files) Place(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dir, f.list = dir, nil
}

// Dir is the directory they are in, empty when there is none.
func (f *Files) Dir() string {
	if f == nil {
		return ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dir
}

// Add adds files.
func (f *Files) Add(files ...Attachment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, files...)
}

// All lists the files there are now, oldest first.
func (f *Files) All() []Attachment {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

// Find returns the files with some ids, as far as they are there.
func (f *Files) Find(ids []string) (found []Attachment) {
	for _, a := range f.All() {
		if slices.Contains(ids, a.ID) {
			found = append(found, a)
		}
	}
	return found
}
