// Package scripted is a model that plays files of turns instead of thinking. It speaks the three
// vendors' wires, streaming and not, with the same turns on each, so that everything above the model
// can be shown, tested and measured offline. It refuses to pretend: with no script for a
// conversation it says that it is not a model and ends the turn.
//
// # Scripts
//
// A script is a list of turns, in YAML or JSON:
//
//	name: fix-test            # default: the file's name
//	match: '(?i)fix .* test'  # optional regular expression over what the user said
//	turns:
//	  - reasoning: I should see it fail first.
//	    text: Running the tests.
//	    tool_calls:
//	      - {name: bash, input: {command: go test ./...}}
//	  - text: "Done: {{last_tool_output}}"
//
// A file holds one script, or several under "scripts:", or just the list of turns. Which turn is
// played follows from the request alone: the number of assistant turns in the conversation since
// the user message that chose the script. So a retried or resumed request gets the same answer.
//
// Scripts are looked for, newest user message first: a fenced block
//
//	```scripted
//	- text: Hello.
//	```
//
// in the message is played as it stands; else the first script of the directory whose match fits
// the message. Failing that, the script named "default" is played from the beginning. The model id
// "scripted/<name>" narrows the choice to the script or file of that name, played from the beginning
// if it has no match.
package scripted
