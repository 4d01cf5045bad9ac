// Package storetest is the conformance suite of internal/store, carried out on every engine, and the
// helpers that give tests a real database: SQLite in a temporary directory, or a database of their
// own in a PostgreSQL that belongs to the test binary.
//
// It refuses to fake an engine. Without PostgreSQL's programs its tests are skipped with a printed
// reason, and fail under CI=true.
package storetest
