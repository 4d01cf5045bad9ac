package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/store"
)

// SignInLink makes a link that signs in, once, who has an address (the first person when it is empty),
// for whoever can open the server's database. The server may be running or not; it must have run once.
func SignInLink(ctx context.Context, cfg Config, email string) (url string, until time.Time, err error) {
	cfg = cfg.WithDefaults()
	if path, ok := strings.CutPrefix(cfg.DatabaseURL, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return "", time.Time{}, fmt.Errorf("open database: %w", err)
		}
	}
	db, err := store.Open(ctx, store.Options{DSN: cfg.DatabaseURL, Now: cfg.Now, Logger: cfg.Log})
	if err != nil {
		return "", time.Time{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	people, err := identity.New(ctx, identity.Config{Store: store.NewIdentity(db), Now: cfg.Now, Log: cfg.Log})
	if err != nil {
		return "", time.Time{}, err
	}
	return signInLink(ctx, people, cfg.PublicURL, email)
}

// SignInLink makes a link that signs the first person in, once, for whoever runs the server.
func (s *Server) SignInLink(ctx context.Context) (url string, until time.Time, err error) {
	return signInLink(ctx, s.identity, s.cfg.PublicURL, "")
}

func signInLink(ctx context.Context, people *identity.Service, root, email string) (url string, until time.Time, err error) {
	secret, link, err := people.MintLinkFor(ctx, email)
	if err != nil {
		return "", time.Time{}, err
	}
	return root + "/sign-in/link/" + secret, link.ExpiresAt, nil
}
