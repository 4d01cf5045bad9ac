package term

// Style colours text, or leaves it alone when it is off.
type Style bool

func (s Style) wrap(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold is for what the eye should find first.
func (s Style) Bold(t string) string { return s.wrap("1", t) }

// Dim is for what may be skipped.
func (s Style) Dim(t string) string { return s.wrap("2", t) }

// Red is for what went wrong.
func (s Style) Red(t string) string { return s.wrap("31", t) }

// Green is for what went well.
func (s Style) Green(t string) string { return s.wrap("32", t) }

// Yellow is for what wants attention.
func (s Style) Yellow(t string) string { return s.wrap("33", t) }

// Cyan is for what can be typed or opened.
func (s Style) Cyan(t string) string { return s.wrap("36", t) }
