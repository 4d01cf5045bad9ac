package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"

	"github.com/cadrehq/cadre/internal/store"
)

// serverEnv names the variable with the URL of a server to use, as somebody who may create databases.
const serverEnv = "CADRE_TEST_POSTGRES"

// errNoPostgres says that PostgreSQL is not installed.
var errNoPostgres = errors.New("PostgreSQL is not installed (no initdb in PATH or /usr/lib/postgresql) and CADRE_TEST_POSTGRES is not set")

// Postgres is the DSN of a new, empty database that is dropped with the test. It lives in the server that
// CADRE_TEST_POSTGRES names or in a private one, started once per test binary, that keeps nothing.
func Postgres(t testing.TB) string {
	t.Helper()
	return database(t, "")
}

// PostgresMigrated is Postgres for a database that has its schema already. In the private server it is
// copied, which takes a fraction of the time of the migrations.
func PostgresMigrated(t testing.TB) string {
	t.Helper()
	if os.Getenv(serverEnv) != "" {
		return database(t, "")
	}
	like, err := migrated()
	if err != nil {
		skipOrFail(t, err)
	}
	return database(t, like)
}

// migrated makes the database that others are copied from, in the private server, and returns what makes
// CREATE DATABASE do so.
var migrated = sync.OnceValues(func() (like string, err error) {
	base, err := server()
	if err != nil {
		return "", err
	}
	admin, err := sql.Open("pgx", base)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	var version int
	if err := admin.QueryRow("SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return "", err
	}
	name := nextName()
	if like = " TEMPLATE " + name; version >= 150000 {
		like += " STRATEGY file_copy" // the older ones know no other
	}
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		return "", err
	}
	dsn, err := dsnOf(base, name)
	if err != nil {
		return "", err
	}
	db, err := store.Open(context.Background(), store.Options{DSN: dsn})
	if err != nil {
		return "", err
	}
	return like, db.Close() // nobody may be connected to what is copied
})

// database makes a database with what CREATE DATABASE takes behind its name.
func database(t testing.TB, like string) string {
	t.Helper()
	base, err := server()
	if err != nil {
		skipOrFail(t, err)
	}
	admin, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	name := nextName()
	if _, err := admin.Exec("CREATE DATABASE " + name + like); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		// A private server goes as a whole, which is cheaper.
		if os.Getenv(serverEnv) != "" {
			if _, err := admin.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
				t.Errorf("drop database: %v", err)
			}
		}
		if err := admin.Close(); err != nil {
			t.Error(err)
		}
	})
	dsn, err := dsnOf(base, name)
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// skipOrFail ends a test that has no server: where PostgreSQL is not installed it is skipped, but in CI.
func skipOrFail(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errNoPostgres) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	t.Fatal(err)
}

// dsnOf is the DSN of a database of a server.
func dsnOf(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

func nextName() string { return fmt.Sprintf("cadre_test_%d_%d", os.Getpid(), databases.Add(1)) }

// databases numbers the databases of this process.
var databases atomic.Int64

// server is the one server of this process, started when first asked for.
var server = sync.OnceValues(func() (string, error) {
	if dsn := os.Getenv(serverEnv); dsn != "" {
		return dsn, nil
	}
	bin, err := postgresBin()
	if err != nil {
		return "", err
	}
	return startServer(bin)
})

// postgresBin finds the folder with the server's programs, the newest if there are several.
func postgresBin() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errNoPostgres
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // not a number: oldest
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// serverScript runs the server until its standard input ends, which it does however this process
// does, and leaves nothing behind.
const serverScript = `
"$0/postgres" -D "$1/data" -k "$1" -c listen_addresses= -c fsync=off -c full_page_writes=off \
	-c max_connections=300 -c shared_buffers=32MB -c max_wal_size=256MB >"$1/log" 2>&1 &
cat >/dev/null
kill -QUIT $!
wait $!
rm -rf "$1"
`

// startServer makes a cluster in a temporary directory and serves it on a Unix socket there, so that
// no port can be taken. PostgreSQL refuses to run as root: then it runs as the user postgres.
func startServer(bin string) (string, error) {
	dir, err := os.MkdirTemp("", "cadre-pg-")
	if err != nil {
		return "", err
	}
	attr, err := unprivileged(dir)
	if err != nil {
		return "", err
	}
	initdb := exec.Command(bin+"/initdb", "-D", dir+"/data", "-U", "cadre", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	stdin, alive, err := os.Pipe() // alive stays open until this process ends
	if err != nil {
		return "", err
	}
	sh := exec.Command("sh", "-c", serverScript, bin, dir)
	sh.SysProcAttr, sh.Dir, sh.Stdin = attr, dir, stdin
	if err := sh.Start(); err != nil {
		return "", err
	}
	lifeline.Store(alive)
	dsn := "postgres://cadre@/postgres?" + url.Values{"host": {dir}}.Encode()
	return dsn, waitFor(dsn, dir+"/log")
}

// lifeline keeps the pipe's end from being collected, which would close it.
var lifeline atomic.Pointer[os.File]

// unprivileged gives dir to the user postgres if we are root.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal is not for the server
	if os.Getuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, uid, gid)
}

// waitFor returns once the server answers.
func waitFor(dsn, log string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return db.Close()
		}
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(log) // best effort: the reason, if it wrote one
			return errors.Join(fmt.Errorf("PostgreSQL did not start: %w\n%s", err, strings.TrimSpace(string(bytes.ToValidUTF8(said, nil)))), db.Close())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
