package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	// sweepAtOnce bounds the ids asked about, and the uploads forgotten, in one go.
	sweepAtOnce = 200
	// grace is how long after its links expired an upload is still kept: one may just be arriving.
	grace = 15 * time.Minute
	// forgetEvery is how often uploads that nobody completed are looked for.
	forgetEvery = time.Minute
)

// Run sweeps until ctx ends: uploads that were not completed in time, and bytes that a crash left. Any
// number of servers may do so over one store and one directory.
func (s *Service) Run(ctx context.Context) error {
	forget, sweep := time.NewTicker(forgetEvery), time.NewTicker(s.cfg.SweepEvery)
	defer forget.Stop()
	defer sweep.Stop()
	s.tell(ctx, "uploads that were not completed", s.Forget)
	s.tell(ctx, "what crashes left of blobs", s.Sweep)
	for {
		select {
		case <-forget.C:
			s.tell(ctx, "uploads that were not completed", s.Forget)
		case <-sweep.C:
			s.tell(ctx, "what crashes left of blobs", s.Sweep)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tell carries out a sweep and says what came of it. What failed is tried again with the next one.
func (s *Service) tell(ctx context.Context, what string, sweep func(context.Context) (int, error)) {
	n, err := sweep(ctx)
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.Warn("cannot remove "+what, "err", err)
	}
	if n > 0 {
		s.cfg.Log.Info("removed "+what, "count", n)
	}
}

// Forget drops uploads that were not completed in time, with what arrived of them.
func (s *Service) Forget(ctx context.Context) (count int, err error) {
	if s.cfg.Uploads == nil {
		return 0, nil
	}
	before := s.cfg.Now().Add(-grace)
	for {
		list, err := s.cfg.Uploads.Expired(ctx, before, sweepAtOnce)
		if err != nil {
			return count, err
		}
		for _, u := range list {
			dropped, err := s.cfg.Uploads.Forget(ctx, u, before)
			if err != nil {
				return count, err
			}
			if dropped {
				count++
				s.Discard(u.BlobID)
			}
		}
		if len(list) < sweepAtOnce {
			return count, nil
		}
	}
}

// Sweep removes bytes without a row: a crash may leave them between the two. It reads one directory
// after the other and asks about few ids at a time, so that nothing else waits for it.
func (s *Service) Sweep(ctx context.Context) (count int, err error) {
	dirs, err := os.ReadDir(s.dir.root)
	if err != nil {
		return 0, fmt.Errorf("sweep blobs: %w", err)
	}
	before := time.Now().Add(-s.cfg.Leftover) // the file system's clock, not ours
	for _, d := range dirs {
		if !d.IsDir() {
			if strings.HasPrefix(d.Name(), ".ready-") && s.removeOld(filepath.Join(s.dir.root, d.Name()), before) {
				count++
			}
			continue
		}
		n, err := s.sweepDirectory(ctx, filepath.Join(s.dir.root, d.Name()), before)
		count += n
		if err != nil {
			return count, fmt.Errorf("sweep blobs: %w", err)
		}
	}
	return count, nil
}

func (s *Service) sweepDirectory(ctx context.Context, dir string, before time.Time) (count int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var ids []string
	for _, e := range entries {
		switch {
		case !e.Type().IsRegular():
		case validID(e.Name()) && old(e, before):
			ids = append(ids, e.Name())
		case strings.HasPrefix(e.Name(), ".writing-") && s.removeOld(filepath.Join(dir, e.Name()), before):
			count++
		}
	}
	for some := range slices.Chunk(ids, sweepAtOnce) {
		if err := ctx.Err(); err != nil {
			return count, err
		}
		known, err := s.cfg.Store.Known(ctx, some)
		if err != nil {
			return count, err
		}
		for _, id := range some {
			if !slices.Contains(known, id) && s.removeOld(filepath.Join(dir, id), before) {
				count++
			}
		}
	}
	return count, nil
}

func old(e fs.DirEntry, before time.Time) bool {
	info, err := e.Info()
	return err == nil && info.ModTime().Before(before)
}

// removeOld removes a file that is older, and says whether it did.
func (s *Service) removeOld(path string, before time.Time) bool {
	info, err := os.Lstat(path)
	if err == nil && !info.ModTime().Before(before) {
		return false
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.cfg.Log.Warn("what a crash left of a blob stays", "file", filepath.Base(path), "err", err)
	}
	return err == nil
}

// Upload returns the row of an upload; api.NotFound when there is none.
func (s *Service) Upload(ctx context.Context, id string) (Upload, error) {
	if s.cfg.Uploads == nil || !validID(id) {
		return Upload{}, api.NotFound("upload", id)
	}
	return s.cfg.Uploads.Get(ctx, id)
}
