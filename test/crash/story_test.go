package crash

import (
	"encoding/json"
	"fmt"
	"strings"
)

// steps is how many tool calls a scripted run makes. Each leaves a mark with the referee.
const steps = 4

// story is a prompt whose scripted turns make one tool call each and then end.
func story(ref *referee, name string) string {
	var turns []any
	for i := 1; i <= steps; i++ {
		turns = append(turns, map[string]any{
			"text":       fmt.Sprintf("step %d", i),
			"tool_calls": []any{map[string]any{"name": "bash", "input": map[string]any{"command": mark(ref, name, i)}}},
		})
	}
	turns = append(turns, map[string]any{"text": "all steps done"})
	text, _ := json.Marshal(map[string]any{"turns": turns})
	return "Carry out the steps.\n```scripted\n" + string(text) + "\n```"
}

// mark is a command that ends well only after the referee has counted it.
func mark(ref *referee, name string, i int) string {
	return fmt.Sprintf("exec 9<>/dev/tcp/127.0.0.1/%d && echo mark %s %d >&9 && read -r ok <&9 && echo %d >> kept.txt && echo step-%d $ok", ref.port(), name, i, i, i)
}

// stepOf is the step whose command an action is, 0 for none.
func stepOf(input string) int {
	for i := 1; i <= steps; i++ {
		if strings.Contains(input, fmt.Sprintf("echo step-%d ", i)) {
			return i
		}
	}
	return 0
}
