// Package seed fills a database with runs that never happened but could have: a year of a busy team,
// for measuring and for trying things at size. The same options always make the same runs.
//
// It makes no run that anything would act on: what waits, waits for a host that nobody is.
package seed
