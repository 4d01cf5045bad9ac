package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	driversqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cadrehq/cadre/api"
)

// errClosed answers what comes after Close.
var errClosed = errors.New("store is closed")

// verdict is what an error of a driver means for the transaction it happened in.
type verdict int

const (
	verdictOp    verdict = iota // the statement was wrong: its operation fails, others may go on
	verdictDup                  // the row exists: as verdictOp, and the caller's fault
	verdictText                 // text the engine cannot keep: as verdictDup
	verdictRetry                // the transaction lost a race: try it all again
	verdictLost                 // the engine cannot write now: everything in the group fails
)

// judge classifies an error of a driver. Errors of no driver are an operation's own.
func judge(err error) verdict {
	if errors.Is(err, errLost) {
		return verdictLost
	}
	var lite *driversqlite.Error
	if errors.As(err, &lite) {
		return judgeSQLite(lite.Code())
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return judgePostgres(pg.Code)
	}
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &connect), errors.As(err, &network),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, sql.ErrTxDone), errors.Is(err, errClosed), pgconn.Timeout(err),
		pgconn.SafeToRetry(err):
		return verdictLost
	}
	return verdictOp
}

func judgeSQLite(code int) verdict {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		return verdictDup
	}
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return verdictRetry
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_PERM:
		return verdictLost
	}
	return verdictOp
}

// judgePostgres goes by SQLSTATE, mostly by its class (the first two characters).
func judgePostgres(code string) verdict {
	switch code {
	case "40001", "40P01", "55P03": // serialization failure, deadlock, lock not available
		return verdictRetry
	case "23505":
		return verdictDup
	case "22021", "22P05": // a NUL or bytes that are not UTF-8
		return verdictText
	}
	for _, class := range []string{"08", "25", "53", "57", "58", "XX"} {
		if strings.HasPrefix(code, class) {
			return verdictLost
		}
	}
	return verdictOp
}

// public turns an error into what a caller may see. Failures of the API and ends of contexts pass
// unchanged; the rest keeps its cause for the log.
func public(act string, err error) error {
	var failure *api.Failure
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failure), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	cause := fmt.Errorf("%s: %w", act, err)
	switch judge(err) {
	case verdictDup:
		f := api.Fail(api.PlatformErrorCodeConflict, "it exists already")
		f.Retryable, f.Err = new(bool), cause
		return f
	case verdictText:
		f := api.Fail(api.PlatformErrorCodeInvalidRequest, "text must be UTF-8 without NUL")
		f.Err = cause
		return f
	case verdictRetry, verdictLost:
		return unavailable(cause)
	}
	return cause
}

// unavailable says that nothing can be stored or read now, and that trying again later may help.
func unavailable(cause error) *api.Failure {
	f := api.Fail(api.PlatformErrorCodeResourceUnavailable, "the database cannot serve this now; try again later")
	f.Status, f.Err = http.StatusServiceUnavailable, cause
	return f
}
