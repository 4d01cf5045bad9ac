package store_test

import (
	"testing"

	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB, opts store.Options) *store.DB {
		opts.DSN = storetest.SQLite(t)
		return storetest.Open(t, opts)
	})
}

func TestPostgres(t *testing.T) {
	storetest.Postgres(t) // skips here rather than in every test
	storetest.Run(t, func(t testing.TB, opts store.Options) *store.DB {
		opts.DSN = storetest.Postgres(t)
		return storetest.Open(t, opts)
	})
}
