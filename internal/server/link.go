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
	secret, link, err := people.MintLinkFor(ctx, email)
	if err != nil {
		return "", time.Time{}, err
	}
	return cfg.PublicURL + "/sign-in/link/" + secret, link.ExpiresAt, nil
}
