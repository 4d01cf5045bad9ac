package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
)

const (
	// minLine is the shortest line of a value of several lines that is taken for a secret by itself:
	// tools show files line by line, with numbers between.
	minLine = 16
	// maxLines is how many lines of a value are looked for, maxEncoded how many at most it may have for
	// each to be looked for in every form: what is passed on is searched for all of them.
	maxLines   = 1000
	maxEncoded = 100
)

// forms are the ways a value is written by what an agent has at hand. The value itself is the first.
func forms(s string) []string {
	out := append(escaped(s), encoded(s)...)
	if whole := strings.TrimSpace(s); whole != s && len(whole) >= minSecret { // a shell takes off the last line's end
		out = append(append(out, escaped(whole)...), encoded(whole)...)
	}
	lines := strings.Split(s, "\n")
	for _, line := range lines[:min(len(lines), maxLines)] {
		if line = strings.TrimSpace(line); len(line) < minLine || line == s {
			continue
		}
		out = append(out, line)
		if len(lines) <= maxEncoded {
			out = append(append(out, escaped(line)...), encoded(line)...)
		}
	}
	return out
}

// encoded is a value in base64 and hex.
func encoded(s string) []string {
	plain := hex.EncodeToString([]byte(s))
	out := append(inBase64(s), plain, strings.ToUpper(plain))
	return append(out, wrapped(plain, 60)...) // as xxd -p
}

// escaped is a value as it stands in JSON, in JSON within JSON, and in URLs.
func escaped(s string) []string {
	out := []string{s}
	for _, once := range inJSON(s) {
		out = append(out, once)
		out = append(out, inJSON(once)...)
	}
	for _, escape := range []string{url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(url.QueryEscape(s), "+", "%20")} {
		out = append(out, escape, lowerHex.ReplaceAllStringFunc(escape, strings.ToLower))
	}
	return out
}

var lowerHex = regexp.MustCompile(`%[0-9A-F]{2}`)

// inJSON is a value within a JSON string: with and without the escapes that keep HTML out, and in ASCII.
func inJSON(s string) []string {
	var out []string
	for _, html := range []bool{true, false} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if err := e.Encode(s); err == nil {
			quoted := strings.TrimSuffix(b.String(), "\n")
			out = append(out, quoted[1:len(quoted)-1])
		}
	}
	if ascii := inASCII(out[len(out)-1]); ascii != out[len(out)-1] {
		out = append(out, ascii)
	}
	return out
}

// inASCII writes what is not ASCII as JSON escapes.
func inASCII(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			b.WriteString(`\u`)
			b.WriteString(strings.Repeat("0", 4-len(strconv.FormatUint(uint64(unit), 16))) + strconv.FormatUint(uint64(unit), 16))
		}
	}
	return b.String()
}

// inBase64 is a value within base64 of either alphabet, at each of the three places it can begin, without
// the characters at its ends that depend on what stands beside it. Long ones come in lines.
func inBase64(s string) []string {
	var out []string
	for before := range 3 {
		whole := append(make([]byte, before), s...)
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := e.EncodeToString(whole)
			first, last := (before*8+5)/6, len(whole)*8/6
			if last-first >= minSecret {
				out = append(out, text[first:last])
			}
		}
	}
	whole := base64.StdEncoding.EncodeToString([]byte(s))
	return append(append(out, wrapped(whole, 76)...), wrapped(whole, 64)...)
}

// wrapped are the lines of a long text, as programs break it.
func wrapped(s string, width int) []string {
	if len(s) <= width {
		return nil
	}
	var out []string
	for ; len(s) > width; s = s[width:] {
		out = append(out, s[:width])
	}
	if len(s) >= minLine {
		out = append(out, s)
	}
	return out
}
