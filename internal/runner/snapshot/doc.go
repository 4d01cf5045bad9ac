// Package snapshot keeps a workspace beyond its sandbox: what the agent changed in git repositories,
// committed or not, and files beside them, in one archive that a later sandbox restores.
//
// It owns the archive's format and its bounds. Of a repository it keeps local branches, tags, the top
// of the stash, where HEAD is, what is staged and what is not, untracked files included, ignored ones
// not: set-up commands make those again. What the origin has is not kept but cloned,
// unless the whole repository is small. Repositories and
// files outside the workspace are kept when they are declared. A file that is
// too large or holds a secret is left out and named. Nothing in a workspace can make Take fail as a
// whole: what cannot be kept is a line in Manifest.Omitted.
//
// The archive is a gzip-compressed tar: manifest.json, then for each repository objects.pack (git's
// own format) and changes.patch (for people), then files/ with everything else in the workspace and declared/ with
// declared files.
package snapshot

import "time"

// Version is the version of the format. A reader refuses a later one.
const Version = 1

// Limits bound a snapshot.
type Limits struct {
	// File is the largest file kept, Total the most bytes of files kept per repository and, again,
	// beside the repositories. Pack bounds the commits of one repository.
	File, Total, Pack int64
	// Files is the most files kept beside the repositories.
	Files int
}

// DefaultLimits are generous for source code and stingy for data.
var DefaultLimits = Limits{File: 32 << 20, Total: 128 << 20, Pack: 256 << 20, Files: 20_000}

// maxPatch bounds the patch for people; beyond it the pack alone holds the changes.
const maxPatch = 8 << 20

// Manifest says what an archive holds.
type Manifest struct {
	Version   int          `json:"version"`
	CreatedAt time.Time    `json:"created_at"`
	Repos     []Repository `json:"repos,omitempty"`
	Files     int          `json:"files,omitempty"`
	// Omitted lists what could not be kept, for people.
	Omitted []string `json:"omitted,omitempty"`
}

// Repository is one git repository as kept.
type Repository struct {
	// Name is its directory below the workspace, or the last part of Path.
	Name string `json:"name"`
	// Path is where it is, absolute, when it was declared and is not in the workspace.
	Path   string `json:"path,omitempty"`
	Origin string `json:"origin,omitempty"`
	// Head is the commit checked out, empty before the first one; Branch the full ref name it is on,
	// empty when detached.
	Head   string `json:"head,omitempty"`
	Branch string `json:"branch,omitempty"`
	// Worktree is a commit whose tree is the work tree; Index the tree that is staged, empty while a
	// merge is unresolved.
	Worktree string `json:"worktree"`
	Index    string `json:"index,omitempty"`
	Refs     []Ref  `json:"refs,omitempty"`
	// Needs lists commits of the origin that the pack builds on.
	Needs []string `json:"needs,omitempty"`
	// Whole says that the pack holds every commit, so that the origin is not needed.
	Whole bool `json:"whole,omitempty"`
	// Pack is the name of the pack in the archive; empty when the origin has everything.
	Pack string `json:"pack,omitempty"`
}

// where is the repository as people know it.
func (r Repository) where() string {
	if r.Path != "" {
		return r.Path
	}
	return r.Name
}

// Ref is a branch, a tag or the stash.
type Ref struct {
	Name     string `json:"name"`
	Object   string `json:"object"`
	Upstream string `json:"upstream,omitempty"`
}

// manifestName is the archive's first member.
const manifestName = "manifest.json"
