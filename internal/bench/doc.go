// Package bench measures a Cadre against the budgets of DESIGN.md, with the program itself as
// processes on this machine and everything over loopback: the API by HTTP, workers by WebSocket,
// viewers by event streams, the model by a vendor's wire.
//
// Beside each row stand the floors of the same run: what the least Go program that does the same kind
// of thing takes here and now. A machine that is busy or slow moves both; the ratio stays.
//
// It imports what a floor or a wire needs and no more, and never reaches into a server it measures.
package bench
