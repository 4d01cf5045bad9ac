// Package schedule owns what starts runs by the clock: cron expressions and their exact times in any
// time zone, the schedules of teams and people, and the loop that turns each tick into one run. It
// refuses to make runs by itself: it asks the run service to, as the schedule's principal.
//
// A schedule is a pointer into the sequence of its ticks. The pointer moves in the transaction that
// stores what became of the tick (its run, or the reason there is none), on the condition that it
// still stands there. So each tick has one outcome, however many servers try and wherever one dies;
// claims only keep servers from doing each other's work.
package schedule
