package proc

// Mark is a number that a process carries and hands down to everything it starts, through any change
// of environment, session or parent. It is kept as the hard limit of a resource that the kernel has not
// limited since 2.4 (file locks), which cannot be raised again without privilege. Who knows of it can
// lower it: it is a trace for those that get away, not a wall. The zero Mark is none.
type Mark uint64

// A Mark is a tag, by which it is told from a limit that somebody really set, the family of the mark
// and its member.
const (
	markTag     = Mark(0x2d) << markTagAt
	markTagAt   = 56
	familyBits  = 32
	memberBits  = 24
	familyMask  = 1<<familyBits - 1
	memberMask  = 1<<memberBits - 1
	markTagMask = Mark(0xff) << markTagAt
)

// MakeMark makes the mark of a member of a family; of member only the low 24 bits count.
func MakeMark(family, member uint32) Mark {
	return markTag | Mark(family)<<memberBits | Mark(member&memberMask)
}

// Family is the family of the mark; not ok for a number that is no mark.
func (m Mark) Family() (family uint32, ok bool) {
	return uint32(m >> memberBits & familyMask), m&markTagMask == markTag
}
