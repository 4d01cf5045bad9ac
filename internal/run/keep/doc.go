// Package keep owns what becomes of runs after they end, where nobody asks for it at that moment: the
// content of deleted runs is taken away, and the teams' rules on how long runs stay are carried out. Both
// happen a little at a time, beside everything else, and go on after a crash where they were; any number
// of servers may do it together. It refuses to decide what may be archived or deleted: run does.
package keep
